//! The Secrets of a workspace: two of variables, one of Git credentials.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_schema::kubernetes::{
    GENERATION, GIT_RENEW_AT, GIT_VERSION, SECRET_VERSIONS, WORKSPACE_NAME, environment_secret, file_secret,
    git_secret, object_name,
};
use berth_schema::reconcile::WorkspaceDirective;
use berth_schema::variables::{SecretValue, VariableBundle};
use berth_schema::{AgentId, NamespaceName, WorkspaceId, WorkspaceName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::policy::labels;
use crate::sealing::Credentials;

/// The version of no object: the store starts at 1 and gives every write the next. A server-side apply that carries it
/// makes an object where none is, and is refused as a conflict where one is.
pub const NO_VERSION: &str = "1";

/// A Secret on its way to the API server. It is only ever written out as JSON, in one of two forms: it prints without its
/// values and cannot be cloned.
pub struct SecretManifest {
    pub name: String,
    agent: AgentId,
    workspace: WorkspaceId,
    workspace_name: WorkspaceName,
    namespace: NamespaceName,
    /// The generation of the directive among them.
    annotations: BTreeMap<&'static str, String>,
    values: BTreeMap<String, SecretValue>,
}

impl SecretManifest {
    /// Both Secrets, empty ones included: a container that names one waits for it to exist.
    pub(crate) fn both(
        agent: AgentId,
        directive: &WorkspaceDirective,
        variables: VariableBundle,
    ) -> [Self; 2] {
        let named = named(directive);
        [
            Self::new(agent, directive, environment_secret(&named), variables.environment),
            Self::new(agent, directive, file_secret(&named), variables.files),
        ]
    }

    /// Git credentials, with what has to be known to ask for the next ones in time.
    pub(crate) fn credentials(
        agent: AgentId,
        directive: &WorkspaceDirective,
        credentials: Credentials,
    ) -> Self {
        let Credentials { bundle, renew_at } = credentials;
        let mut secret = Self::new(agent, directive, git_secret(named(directive)), bundle.files);
        secret.annotations.insert(GIT_VERSION, bundle.version.to_string());
        secret.annotations.extend(renew_at.map(|at| (GIT_RENEW_AT, at.to_string())));
        secret
    }

    fn new(
        agent: AgentId,
        directive: &WorkspaceDirective,
        name: String,
        values: BTreeMap<String, SecretValue>,
    ) -> Self {
        Self {
            name,
            agent,
            workspace: directive.workspace_id,
            workspace_name: directive.name.clone(),
            namespace: directive.namespace.clone(),
            annotations: BTreeMap::from([(GENERATION, directive.generation.to_string())]),
            values,
        }
    }
}

fn named(directive: &WorkspaceDirective) -> String {
    object_name(&directive.name, directive.workspace_id, directive.namespace.as_str())
}

impl fmt::Debug for SecretManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretManifest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a Secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form<'a> {
    /// An apply that makes it, and is refused where one is.
    New,
    /// A strategic merge that puts it in the place of what is there: of the Secret with this uid, where one is named.
    Over(Option<&'a str>),
}

#[derive(Debug)]
struct Written<'a> {
    secret: &'a SecretManifest,
    form: Form<'a>,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut metadata = self.secret.metadata();
        match self.form {
            Form::New => metadata["resourceVersion"] = Value::from(NO_VERSION),
            Form::Over(Some(uid)) => metadata["uid"] = Value::from(uid),
            Form::Over(None) => {}
        }
        let mut secret = serializer.serialize_map(None)?;
        if matches!(self.form, Form::Over(_)) {
            secret.serialize_entry("$patch", "replace")?;
        }
        secret.serialize_entry("apiVersion", "v1")?;
        secret.serialize_entry("kind", "Secret")?;
        secret.serialize_entry("metadata", &metadata)?;
        secret.serialize_entry("type", "Opaque")?;
        secret.serialize_entry("data", &Data(&self.secret.values))?;
        secret.end()
    }
}

impl SecretManifest {
    /// To be applied where no such Secret is; refused as a conflict where one is.
    pub fn new_one(&self) -> impl Serialize + fmt::Debug {
        Written { secret: self, form: Form::New }
    }

    /// To be put in the place of the Secret that is there, by a strategic merge patch: an apply would leave what others have
    /// added. `uid`: of the Secret that was looked at; another one in its place refuses it.
    pub fn over<'a>(&'a self, uid: Option<&'a str>) -> impl Serialize + fmt::Debug + 'a {
        Written { secret: self, form: Form::Over(uid) }
    }

    fn metadata(&self) -> Value {
        let mut all: BTreeMap<&str, String> = labels(self.agent, self.workspace).into();
        all.insert(WORKSPACE_NAME, self.workspace_name.to_string());
        all.insert("app.kubernetes.io/managed-by", "berth".to_owned());
        all.insert("app.kubernetes.io/part-of", "berth-workspace".to_owned());
        serde_json::json!({
            "name": self.name,
            "namespace": self.namespace,
            "labels": all,
            "annotations": self.annotations,
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

/// The versions that the API server gave to the two Secrets when they were written. Whoever changes one gives it another,
/// and cannot choose which; so it is known without a value being read that they are as they were left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVersions(Box<str>);

impl SecretVersions {
    pub(crate) fn new(environment: &str, files: &str) -> Self {
        Self(format!("{environment} {files}").into())
    }

    /// As the API server answered; in the order in which they are written. `None` when it did not say.
    pub fn written(secrets: &[ObjectMeta]) -> Option<Self> {
        let [environment, files] = secrets else { return None };
        Some(Self::new(environment.resource_version.as_ref()?, files.resource_version.as_ref()?))
    }

    /// As a Deployment has them on record.
    pub fn recorded(deployment: &ObjectMeta) -> Option<Self> {
        let recorded = deployment.annotations.as_ref()?.get(SECRET_VERSIONS)?;
        Some(Self(recorded.as_str().into()))
    }

    /// Puts them on record on a Deployment that is about to be written.
    pub fn record(&self, deployment: &mut Value) {
        deployment["metadata"]["annotations"][SECRET_VERSIONS] = Value::from(&*self.0);
    }
}
