//! A cluster as the agent sees it: an API server with watches, and what goes on behind it.
//!
//! [`ClusterApi`] is what the simulated cluster and a real API server have in common, so that the same cases can be run on
//! both.

mod api;
mod changes;
mod controllers;
mod kubelet;
mod namespaces;
mod objects;
mod people;
mod state;
mod watching;
mod write;

use berth_agent_core::{Kind, Watched};
use berth_schema::WorkspaceId;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

pub use api::{AgentAccess, SimulatedCluster};
pub use objects::{Object, generation as generation_of};
pub use watching::{Listing, Seen, Watch, WatchEnd};

/// What the API server, or the way to it, says against a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP status; `None` when there was no answer.
    pub code: Option<u16>,
    pub message: String,
}

impl ApiError {
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code: Some(code), message: message.into() }
    }

    pub fn no_answer() -> Self {
        Self { code: None, message: "the connection broke".to_owned() }
    }
}

/// An open watch of one kind of an agent's objects.
#[allow(async_fn_in_trait, reason = "both implementations are used where they are named")]
pub trait Following {
    /// The next event that shows an object.
    async fn next(&mut self) -> Result<Seen, WatchEnd>;
    /// Everything up to this version was shown: by events, or by bookmarks, which show nothing else.
    fn version(&self) -> u64;
}

/// One agent's access to its cluster.
#[allow(async_fn_in_trait, reason = "both implementations are used where they are named")]
pub trait ClusterApi {
    type Watch: Following;

    async fn metadata(&self, kind: Kind, namespace: &str, name: &str)
    -> Result<Option<ObjectMeta>, ApiError>;
    async fn deployment(&self, namespace: &str, name: &str) -> Result<Option<Deployment>, ApiError>;
    /// The metadata of a workspace's objects of a kind, by both labels.
    async fn inventory(
        &self,
        kind: Kind,
        namespace: &str,
        workspace: WorkspaceId,
    ) -> Result<Vec<ObjectMeta>, ApiError>;
    /// Server-side apply by one field manager, with force. `metadata.uid` and `metadata.resourceVersion` are preconditions.
    /// Gives the metadata of the object as it is afterwards.
    async fn apply(&self, kind: Kind, object: Value) -> Result<ObjectMeta, ApiError>;
    /// Creates an object that is not there yet; 409 when it is.
    async fn create(&self, kind: Kind, object: Value) -> Result<(), ApiError>;
    /// Deletes the object with that uid; that it is gone is no failure.
    async fn delete(&self, kind: Kind, metadata: &ObjectMeta) -> Result<(), ApiError>;
    /// Whether volumes that were claimed in the namespace are still being deleted.
    async fn volumes_left(&self, namespace: &str) -> Result<bool, ApiError>;
    async fn lease(&self) -> Result<Option<Lease>, ApiError>;
    /// Creates the Lease, or replaces the one of that resource version.
    async fn write_lease(&self, lease: Lease) -> Result<(), ApiError>;
    /// A complete list of a kind of this agent's objects. With `relist` it may be one that was true some time ago.
    async fn list(&self, watched: Watched, relist: bool) -> Result<Listing, ApiError>;
    /// Everything after a list's version.
    async fn watch(&self, watched: Watched, after: u64) -> Result<Self::Watch, WatchEnd>;
}
