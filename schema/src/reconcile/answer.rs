//! What the server answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MAX_WORKSPACES;
use crate::sealing::{Encapsulation, SealedBundle};
use crate::text::ResourceVersion;
use crate::{
    ActualState, DesiredState, Generation, NamespaceName, NetworkCheckId, WorkspaceId, WorkspaceName,
};

/// What the agent shall do with one workspace, and what the server now has on record of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct WorkspaceDirective {
    pub workspace_id: WorkspaceId,
    pub name: WorkspaceName,
    pub namespace: NamespaceName,
    pub action: Action,
    pub desired_state: DesiredState,
    /// As now persisted.
    pub actual_state: ActualState,
    /// As now persisted: the acknowledgement of what the request reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_resource_version: Option<ResourceVersion>,
    pub generation: Generation,
    /// Kubernetes objects in the order of application; the Deployment is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_to_apply: Option<Vec<Value>>,
    /// Never in the clear: `ReconcileResponse::sealing` says to which key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<SealedBundle>,
    /// Git credentials, sealed like variables: a [`crate::git::CredentialBundle`]. They are to be written whatever the action is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SealedBundle>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Update,
    Terminate,
    /// Nothing to do: the entry is an acknowledgement.
    None,
}

impl Action {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Terminate => "terminate",
            Self::None => "none",
        }
    }
}

/// Something that the agent reported and the server does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    pub workspace_id: WorkspaceId,
    pub name: WorkspaceName,
    pub namespace: NamespaceName,
    pub verdict: OrphanVerdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrphanVerdict {
    /// Leave it alone.
    Keep,
    /// The server knows that it was terminated: remove it.
    Remove,
}

/// How the agent shall behave; it keeps the last it received when a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub full_reconciliation_interval_seconds: u64,
    pub partial_reconciliation_interval_seconds: u64,
    /// The most workspaces that the agent shall report in one message.
    #[serde(default = "most_workspaces")]
    pub workspaces_per_message: usize,
}

const fn most_workspaces() -> usize {
    MAX_WORKSPACES
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            full_reconciliation_interval_seconds: 3_600,
            partial_reconciliation_interval_seconds: 10,
            workspaces_per_message: MAX_WORKSPACES,
        }
    }
}

/// By default it has nothing to tell.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ReconcileResponse {
    pub workspaces: Vec<WorkspaceDirective>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<Orphan>,
    pub settings: Settings,
    /// Present when any workspace has variables in this answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing: Option<Encapsulation>,
    /// To a message of type `prerequisites`: Kubernetes objects of the proxy, in the order of application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifests: Option<Vec<Value>>,
    /// To a message of type `prerequisites`: find out whether the cluster enforces NetworkPolicy, and tell it with this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_check: Option<NetworkCheckId>,
    /// List the cluster anew and report everything, now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full_reconcile_requested: bool,
    /// No key of this agent is on record: register the newest one again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sealing_key_requested: bool,
    /// The version of the organisation's Git hosts: another one than a workspace's credentials are of makes them outdated.
    /// 0: there never was one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub git_version: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}
