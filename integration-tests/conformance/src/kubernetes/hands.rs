//! What somebody else does to the objects of a real cluster.

use berth_agent_core::Kind;
use berth_simulation::cluster::ApiError;
use kube::Client;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{objects, told};

/// Somebody who edits objects, as `kubectl` does.
#[derive(Clone)]
pub struct Hands(pub Client);

impl std::fmt::Debug for Hands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hands")
    }
}

impl Hands {
    /// `null` removes a field.
    pub async fn edit(&self, kind: Kind, namespace: &str, name: &str, patch: &Value) -> Result<(), ApiError> {
        let api = objects(&self.0, kind, namespace);
        let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.map(drop).map_err(|error| told(&error))
    }

    pub async fn scale(&self, namespace: &str, name: &str, replicas: i32) -> Result<(), ApiError> {
        self.edit(Kind::Deployment, namespace, name, &json!({ "spec": { "replicas": replicas } })).await
    }
}
