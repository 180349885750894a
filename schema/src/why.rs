//! Why a workspace is as it is: `GET /api/v1/organizations/{organization}/workspaces/{workspace}/why`.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::StateReason;
use crate::git::GitHost;
use crate::{ActualState, AgentName, DesiredState, Generation, WorkspaceId, WorkspaceName};

/// The answer to "why is it like that, and what happens next?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    pub workspace_id: WorkspaceId,
    pub name: WorkspaceName,
    pub desired_state: DesiredState,
    pub actual_state: ActualState,
    /// The kind of situation: stable, for programs. `docs/why.md` lists them.
    pub situation: Situation,
    /// The cause in whole sentences, for a person.
    pub cause: String,
    /// What Kubernetes, or the agent, says of it in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StateReason>,
    /// Since when it is in this situation.
    pub since: Timestamp,
    /// Absent when nothing will ever happen again: it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextStep>,
    pub generation: Generation,
    /// The generation that is proven to be in the cluster.
    pub applied_generation: Generation,
    pub agent: WhyAgent,
    /// Git hosts whose credentials cannot be had at the moment. The workspace keeps those that it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub git_problems: Vec<GitProblem>,
}

/// Why a Git host's credential cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GitProblem {
    pub host: GitHost,
    /// Half a sentence, for a person.
    pub cause: String,
}

/// Who acts next, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextStep {
    pub actor: Actor,
    /// What the actor does, or should do, in whole sentences.
    pub action: String,
    /// When that is done at the latest, or given up; absent where nobody can know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Timestamp>,
}

/// What is known of the agent that runs the workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhyAgent {
    pub name: AgentName,
    /// When this server last heard of it; absent when it has not since it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contact_at: Option<Timestamp>,
    /// No server has ever heard of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_connected: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// Who can bring a workspace on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Whoever owns the workspace.
    User,
    /// Whoever runs the agent or the cluster.
    Administrator,
    Server,
    Agent,
    /// Kubernetes' controllers and its scheduler.
    Kubernetes,
    /// The node's own part of Kubernetes, which pulls images and runs containers.
    Kubelet,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::User => "you",
            Self::Administrator => "an administrator",
            Self::Server => "the server",
            Self::Agent => "the agent",
            Self::Kubernetes => "Kubernetes",
            Self::Kubelet => "the kubelet",
        })
    }
}

macro_rules! situations {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// The situations that a workspace can be in.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Situation {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)+
        }

        impl Situation {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

situations! {
    /// It runs, as wanted.
    Running = "running",
    /// It is stopped, as wanted.
    Stopped = "stopped",
    /// It is stopped, as wanted, and its agent would not take it if it were started.
    AgentNotAllowed = "agent_not_allowed",
    /// It is terminated; nothing of it is left.
    Gone = "gone",
    /// Stored; the agent has not applied it for the first time.
    CreationRequested = "creation_requested",
    /// The agent has not applied the newest change.
    ChangeRequested = "change_requested",
    /// The agent has not begun to scale it down for a restart.
    RestartRequested = "restart_requested",
    /// The agent has not begun to remove it.
    TerminationRequested = "termination_requested",
    /// Scaled down for a restart; its pod is going.
    RestartStopping = "restart_stopping",
    /// It was applied before and is not in the cluster any more.
    MissingInCluster = "missing_in_cluster",
    /// Somebody changed the Deployment's replicas by hand.
    ScaledByHand = "scaled_by_hand",
    /// The agent's local policy refuses it, or the agent could not apply it.
    AgentRefuses = "agent_refuses",
    /// The API server, or a webhook of it, refuses it.
    KubernetesRefuses = "kubernetes_refuses",
    /// The server cannot open its variables.
    VariablesUnreadable = "variables_unreadable",
    /// Its agent has no key to seal its variables to.
    AgentHasNoKey = "agent_has_no_key",
    /// The server cannot read its agent's configuration, and renders nothing by it.
    ConfigurationUnreadable = "configuration_unreadable",
    /// Too many workspaces vanished at once, it among them: whether they are lost waits for a person.
    LossSuspected = "loss_suspected",
    /// Its agent reports it in a way that the server cannot read.
    ReportUnreadable = "report_unreadable",
    /// Its row holds what this server cannot read; it can be terminated, and nothing else.
    RowUnreadable = "row_unreadable",
    /// Its pod is made, its image pulled, its containers started.
    Starting = "starting",
    /// Its pod waits for something that Kubernetes names.
    PodWaits = "pod_waits",
    /// No node has room for its pod, or none fits.
    Unschedulable = "unschedulable",
    /// The quota, or an admission rule, does not let its pod be made.
    PodRefused = "pod_refused",
    /// Its image cannot be pulled.
    ImageCannotBePulled = "image_cannot_be_pulled",
    /// A container ends again and again.
    ContainerCrashes = "container_crashes",
    /// A container cannot be created or started.
    ContainerCannotStart = "container_cannot_start",
    /// A volume that it needs does not exist.
    VolumeMissing = "volume_missing",
    /// Kubernetes saw no progress for ten minutes.
    DeadlineExceeded = "deadline_exceeded",
    /// It failed for a reason that is none of the above.
    Failed = "failed",
    /// Its pod is ending.
    Stopping = "stopping",
    /// Its objects are being removed.
    Terminating = "terminating",
    /// The cluster's answer fits no state.
    Unclear = "unclear",
    /// Its agent has not been heard of for a while.
    AgentSilent = "agent_silent",
    /// Its agent was revoked, so nothing of it is seen or changed any more.
    AgentRevoked = "agent_revoked",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_situation_is_the_same_in_json_and_in_text() {
        for situation in Situation::ALL {
            assert_eq!(serde_json::to_value(situation).expect("a string"), situation.as_str());
        }
    }

    #[test]
    fn every_situation_is_described_for_people_and_no_other() {
        let page = include_str!("../../docs/why.md");
        for situation in Situation::ALL {
            let row = format!("| `{}` |", situation.as_str());
            assert!(page.contains(&row), "docs/why.md lacks the row {row}");
        }
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, Situation::ALL.len(), "docs/why.md describes a situation that does not exist");
    }
}
