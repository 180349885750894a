//! The two Secrets of a workspace's variables.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_schema::kubernetes::{GENERATION, WORKSPACE_NAME, environment_secret, file_secret, object_name};
use berth_schema::reconcile::WorkspaceDirective;
use berth_schema::variables::{SecretValue, VariableBundle};
use berth_schema::{AgentId, Generation, NamespaceName, WorkspaceId, WorkspaceName};
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};
use zeroize::Zeroizing;

use crate::policy::labels;

/// A Secret on its way to the API server. It is only ever written out as JSON: it prints without its values and cannot be
/// cloned.
pub struct SecretManifest {
    pub name: String,
    agent: AgentId,
    workspace: WorkspaceId,
    workspace_name: WorkspaceName,
    namespace: NamespaceName,
    generation: Generation,
    values: BTreeMap<String, SecretValue>,
}

impl SecretManifest {
    /// Both Secrets, empty ones included: a container that names one waits for it to exist.
    pub(crate) fn both(
        agent: AgentId,
        directive: &WorkspaceDirective,
        variables: VariableBundle,
    ) -> [Self; 2] {
        let named = object_name(&directive.name, directive.workspace_id, directive.namespace.as_str());
        let secret = |name: String, values| Self {
            name,
            agent,
            workspace: directive.workspace_id,
            workspace_name: directive.name.clone(),
            namespace: directive.namespace.clone(),
            generation: directive.generation,
            values,
        };
        [
            secret(environment_secret(&named), variables.environment),
            secret(file_secret(&named), variables.files),
        ]
    }
}

impl fmt::Debug for SecretManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretManifest").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Serialize for SecretManifest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut secret = serializer.serialize_struct("Secret", 5)?;
        secret.serialize_field("apiVersion", "v1")?;
        secret.serialize_field("kind", "Secret")?;
        secret.serialize_field("metadata", &self.metadata())?;
        secret.serialize_field("type", "Opaque")?;
        secret.serialize_field("data", &Data(&self.values))?;
        secret.end()
    }
}

impl SecretManifest {
    fn metadata(&self) -> serde_json::Value {
        let mut all: BTreeMap<&str, String> = labels(self.agent, self.workspace).into();
        all.insert(WORKSPACE_NAME, self.workspace_name.to_string());
        all.insert("app.kubernetes.io/managed-by", "berth".to_owned());
        all.insert("app.kubernetes.io/part-of", "berth-workspace".to_owned());
        serde_json::json!({
            "name": self.name,
            "namespace": self.namespace,
            "labels": all,
            "annotations": { GENERATION: self.generation.to_string() },
        })
    }
}

struct Data<'a>(&'a BTreeMap<String, SecretValue>);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            let encoded = Zeroizing::new(STANDARD.encode(value.expose()));
            map.serialize_entry(name, encoded.as_str())?;
        }
        map.end()
    }
}
