//! The Kubernetes objects of a workspace, in the order of application: `docs/workspace-in-the-cluster.md`.
//!
//! Rendering cannot fail: everything was checked when it became a [`berth_schema::WorkspaceSpec`]. Equal input gives equal
//! bytes. The Secrets of variables and Git credentials are not here: their content is sealed apart, and the agent makes them.

mod commands;
mod deployment;
mod git;
mod namespace;
mod network;
mod proxy;
mod scripts;
mod storage;
mod tools;

use std::collections::BTreeMap;

use berth_schema::kubernetes;
use berth_schema::logs::LogContainer;
use k8s_openapi::api::core::v1::Container;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::config::AgentConfig;
use crate::model::{Snapshot, Workspace};

/// After this long without progress Kubernetes counts the Deployment as failed.
pub(crate) const PROGRESS_DEADLINE_SECONDS: i32 = 600;
/// So long a pod has to live until it counts as running: one whose process ends at once does not.
pub(crate) const MIN_READY_SECONDS: i32 = 2;
/// How long the processes of a pod that is to end may take.
pub(crate) const GRACE_PERIOD_SECONDS: i64 = 10;

pub use proxy::proxy;

/// Everything that belongs into the cluster for this workspace; the Deployment is the last.
pub fn render(snapshot: &Snapshot, workspace: &Workspace) -> Vec<Value> {
    let context = Context { snapshot, workspace };
    let mut objects = vec![];
    // A shared namespace is the administrator's, and so is a quota in it.
    let own = !context.is_shared();
    objects.extend(own.then(|| value(&namespace::namespace(&context))));
    objects.push(value(&namespace::service_account(&context)));
    objects.extend(own.then(|| value(&namespace::resource_quota(&context))));
    objects.extend(network::network_policy(&context).as_ref().map(value));
    objects.push(value(&scripts::config_map(&context)));
    objects.extend(storage::claims(&context).iter().map(value));
    objects.push(value(&network::service(&context)));
    objects.push(value(&deployment::deployment(&context)));
    objects
}

/// The containers of a workspace's pod, in the order in which they start.
pub fn containers(snapshot: &Snapshot, workspace: &Workspace) -> Vec<LogContainer> {
    let pod = deployment::pod(&Context { snapshot, workspace });
    let of = |init| move |container: Container| LogContainer { name: container.name, init };
    let before = pod.init_containers.into_iter().flatten().map(of(true));
    before.chain(pod.containers.into_iter().map(of(false))).collect()
}

fn value<T: serde::Serialize>(object: &T) -> Value {
    serde_json::to_value(object).expect("Kubernetes types have string keys only, so they are always JSON")
}

/// What every object is made from.
struct Context<'a> {
    snapshot: &'a Snapshot,
    workspace: &'a Workspace,
}

impl Context<'_> {
    fn config(&self) -> &AgentConfig {
        &self.snapshot.config
    }

    /// What the objects are named after.
    fn name(&self) -> String {
        let Workspace { name, id, namespace, .. } = self.workspace;
        kubernetes::object_name(name, *id, namespace.as_str())
    }

    fn named(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name())
    }

    /// Whether others live in the workspace's namespace.
    fn is_shared(&self) -> bool {
        let Workspace { name, id, namespace, .. } = self.workspace;
        kubernetes::is_shared(name, *id, namespace.as_str())
    }

    /// What selects the workspace's pods. It may never change: a Deployment's selector is immutable.
    fn selector(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(kubernetes::WORKSPACE_ID.to_owned(), self.workspace.id.to_string())])
    }

    /// The administrator's, and Berth's own, which nobody replaces.
    fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.config().labels.clone();
        labels.extend(self.selector());
        labels.insert(kubernetes::AGENT_ID.to_owned(), self.snapshot.agent_id.to_string());
        labels.insert(kubernetes::WORKSPACE_NAME.to_owned(), self.workspace.name.to_string());
        labels.insert("app.kubernetes.io/managed-by".to_owned(), "berth".to_owned());
        labels.insert("app.kubernetes.io/part-of".to_owned(), "berth-workspace".to_owned());
        labels
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        let mut annotations = self.config().annotations.clone();
        annotations.insert(kubernetes::GENERATION.to_owned(), self.workspace.generation.to_string());
        annotations
    }

    fn metadata(&self, name: String) -> ObjectMeta {
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.workspace.namespace.to_string()),
            labels: Some(self.labels()),
            annotations: Some(self.annotations()),
            ..ObjectMeta::default()
        }
    }

    /// `{{port}}-<workspace>.<zone>`: the proxy puts the port in.
    fn host_template(&self) -> String {
        format!("{{{{port}}}}-{}.{}", self.workspace.name, self.config().dns_zone)
    }
}

#[cfg(test)]
#[path = "../objects_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "../scripts_tests.rs"]
mod scripts_tests;
