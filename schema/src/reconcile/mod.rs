//! The messages between agent and server: `POST /api/v1/agent/reconcile`. The contract and its reasons are in
//! `docs/protocol.md`.
//!
//! Unknown fields are ignored on both sides, so that either may be one version ahead.

mod answer;
mod report;

use serde::{Deserialize, Serialize};

use crate::git::GitAsk;
use crate::network_check::NetworkCheckReport;
use crate::prerequisites::Prerequisites;
use crate::reports::{Reports, readable};
use crate::{Generation, TermId, WorkspaceId};

pub use answer::{Action, Orphan, OrphanVerdict, ReconcileResponse, Settings, WorkspaceDirective};
pub use report::{
    Change, DeploymentCondition, DeploymentInfo, DeploymentStatus, Drifted, ErrorDetails, ErrorType, Lost,
    PodProblem, TerminationProgress, WorkspaceAgentInfo,
};

/// The largest request or response body, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// The most workspaces one message holds; a full reconcile of more continues on another page.
pub const MAX_WORKSPACES: usize = 500;
/// The most ids in [`ReconcileRequest::present`]. An agent with more workspaces leaves it away, and nothing is missed.
pub const MAX_PRESENT: usize = 20_000;
/// The longest that an agent may ask the server to hold an answer.
pub const MAX_WAIT_SECONDS: u64 = 55;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateType {
    /// The agent's memory is empty: everything it has is in this request (or its further pages).
    Full,
    /// Only what the server has not acknowledged yet.
    #[default]
    Partial,
}

impl UpdateType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageType {
    /// What the cluster has; the answer says what is to be in it beside workspaces. The first message of a term.
    Prerequisites,
    #[default]
    Reconcile,
}

impl MessageType {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_reconcile(&self) -> bool {
        *self == Self::Reconcile
    }
}

/// By default it says nothing, in no epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReconcileRequest {
    #[serde(default, skip_serializing_if = "MessageType::is_reconcile")]
    pub message_type: MessageType,
    /// With a message of that type, which says nothing else but who leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prerequisites: Option<Prerequisites>,
    /// With a message of that type: what [`ReconcileResponse::network_check`] asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_check: Option<NetworkCheckReport>,
    pub update_type: UpdateType,
    /// The agent's leadership epoch. An older one than the server has seen is refused with 409.
    pub epoch: i64,
    /// Whose epoch it is. Another term than the first that was heard in an epoch is refused with 409. Absent from agents
    /// that know none: then absent from each message of the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<TermId>,
    /// +1 for each request of the epoch: orders reports that the network delayed.
    pub sequence: i64,
    /// 0 to [`MAX_WAIT_SECONDS`]: with nothing to tell, the server holds the answer until intent changes.
    #[serde(default)]
    pub wait_seconds: u64,
    #[serde(default)]
    pub workspace_agent_infos: Reports,
    /// Directives that the agent already holds: it applies them now, backs off from them, or waits for the watch to show
    /// them. They are no reason to answer before `wait_seconds` are over, and come again with the answer all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "readable")]
    pub received: Vec<Received>,
    /// For a full reconcile of several pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Page>,
    /// With the last page: what the agent has beside what this message reports. A workspace that is neither reported nor
    /// here is missing. At most [`MAX_PRESENT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "readable")]
    pub present: Vec<WorkspaceId>,
    /// The report was compared with a fresh list of the cluster, as the answer to
    /// [`ReconcileResponse::full_reconcile_requested`]; what only the list held is in `present`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub relisted: bool,
    /// Git credentials that are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitAsk>,
}

/// A directive that the agent holds without being able to prove it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    pub workspace_id: WorkspaceId,
    pub generation: Generation,
}

/// One page of a full reconcile. A workspace is only judged missing by the last page, and only if that tells what the pages
/// before it held: the server remembers nothing between pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// From 0.
    pub number: u32,
    pub last: bool,
}
