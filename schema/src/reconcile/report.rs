//! What an agent says of one workspace.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::text::{Message, ResourceVersion, Word};
use crate::{Generation, NamespaceName, WorkspaceId, WorkspaceName};

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
    /// What it had in the cluster and has no longer, or not for long, although nobody asked for that here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
}

/// What is gone with everything that is on a workspace's volumes. Whether it was ever there is for the server to know: a new
/// workspace has nothing either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lost {
    /// Its namespace is being deleted.
    NamespaceLeaving,
    /// There is no namespace of it.
    Namespace,
    /// There is neither a Deployment nor a volume claim of it.
    Volumes,
    /// A volume claim is deleted, and goes when its pod ends.
    VolumeLeaving,
    /// In a word that this version does not know.
    #[serde(other)]
    Unknown,
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
