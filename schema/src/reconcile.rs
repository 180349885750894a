//! The messages between agent and server: `POST /api/v1/agent/reconcile`. The contract and its reasons are in
//! `docs/protocol.md`.
//!
//! Unknown fields are ignored on both sides, so that either may be one version ahead.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::git::GitAsk;
use crate::network_check::NetworkCheckReport;
use crate::prerequisites::Prerequisites;
use crate::reports::{Reports, readable};
use crate::sealing::{Encapsulation, SealedBundle};
use crate::text::{Message, ResourceVersion, Word};
use crate::{
    ActualState, DesiredState, Generation, NamespaceName, NetworkCheckId, TermId, WorkspaceId, WorkspaceName,
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

/// What the agent observed of one workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkspaceAgentInfo {
    pub workspace_id: WorkspaceId,
    pub name: WorkspaceName,
    pub namespace: NamespaceName,
    /// The annotation read back from the live Deployment: the proof of application.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "Generation::proof")]
    pub applied_generation: Option<Generation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_k8s_deployment_info: Option<DeploymentInfo>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pod_problems: Vec<PodProblem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_progress: Option<TerminationProgress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_details: Option<ErrorDetails>,
    /// Pods that exist, those that are being deleted included. A workspace is Stopped only when there is none, so that two
    /// pods never share its volume.
    #[serde(default)]
    pub live_pods: u32,
    /// The cluster lacks the Secrets that the workspace's pods need, or they are not as the agent left them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub variables_missing: bool,
    /// Objects that are not as the agent left them: they are to be written again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drifted>,
}

/// An object of a workspace that somebody has changed in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drifted {
    /// Kind and name, for people: `NetworkPolicy/w`.
    pub object: Word,
    pub change: Change,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Changed,
    Missing,
    /// It carries the workspace's labels, and nobody asked for it.
    Added,
    /// The Deployment does not say how it was left: an agent of an earlier version wrote it, or somebody took that away.
    #[serde(other)]
    Unrecorded,
}

impl Change {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "was changed",
            Self::Missing => "is gone",
            Self::Added => "was added",
            Self::Unrecorded => "has no record",
        }
    }
}

/// The parts of a live Deployment that decide the actual state. Everything may be missing: the API server is believed,
/// not assumed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentInfo {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<ResourceVersion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// `spec.replicas`; absent when the spec is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<DeploymentStatus>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Pods of the newest template. Kubernetes leaves it out when it is none, and so does an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_replicas: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_replicas: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable_replicas: Option<i32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<DeploymentCondition>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentCondition {
    /// `Progressing`, `Available`, `ReplicaFailure`.
    #[serde(rename = "type")]
    pub kind: Word,
    /// `True`, `False`, `Unknown`.
    pub status: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Word>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
}

/// Why a pod of the workspace is not ready, in Kubernetes' own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodProblem {
    /// Absent when it concerns the whole pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Word>,
    /// `ErrImagePull`, `ImagePullBackOff`, `CrashLoopBackOff`, `Unschedulable`, `CreateContainerConfigError`, …
    pub reason: Word,
    pub message: Message,
    /// When it was first seen; for people only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl PodProblem {
    /// The reason where a pod is on a node that does not answer: somebody has to act in the cluster.
    pub const NODE_LOST: &str = "NodeLost";
    /// The reason where a pod waits until another one of the workspace is gone.
    pub const ANOTHER_POD: &str = "AnotherPodIsLeft";

    /// Whether only a person can cure it (a bad image name, a crash loop), so that waiting is of no use.
    pub fn needs_a_person(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "ErrImagePull"
                | "ImagePullBackOff"
                | "InvalidImageName"
                | "ErrImageNeverPull"
                | "ImageInspectError"
                | "RegistryUnavailable"
                | "SignatureValidationFailed"
                | "CrashLoopBackOff"
                | "CreateContainerConfigError"
                | "CreateContainerError"
                | "RunContainerError"
                | "VolumeNotFound"
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TerminationProgress {
    /// Deleted, and something is still there.
    Terminating,
    /// Nothing is left.
    Terminated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorType {
    /// The agent could not or would not apply the objects.
    Applier,
    /// The API server refused them.
    Kubernetes,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetails {
    pub error_type: ErrorType,
    /// In the API server's words, without the value of any variable.
    #[serde(default)]
    pub error_message: Message,
}

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
