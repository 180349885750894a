//! Why a workspace is as it is, and who acts next: one situation for every row, first match wins.
//!
//! The planner's own report is the source of what the agent still has to do ([`standing_cause`]); the rest is what is stored
//! and whether the agent is heard of. No clock is looked at.

mod admission;
mod rules;
mod words;

use berth_schema::activity::IdleStop;
use berth_schema::api::StateReason;
use berth_schema::idle::{IdleBy, IdleInForce};
use berth_schema::lifecycle::Deadline;
use berth_schema::projects::ProjectPath;
use berth_schema::reconcile::ReconcileRequest;
use berth_schema::why::{GitProblem, Situation, Why, WhyAgent};
use berth_schema::{ActualState, AgentName, DesiredState, Generation};
use jiff::{SignedDuration, Timestamp};

use crate::admission::Refusal;
use crate::drift::{CHANGED_BY_HAND, PUT_RIGHT};
use crate::loss::LOSS_SUSPECTED;
use crate::model::{Cause, Snapshot, Workspace};
use crate::reconcile::{AGENT_HAS_NO_KEY, CONFIGURATION_UNREADABLE, REPORT_UNREADABLE};

/// An agent speaks at least once in [`berth_schema::reconcile::MAX_WAIT_SECONDS`]; two missed times are silence.
pub const SILENCE: SignedDuration = SignedDuration::from_secs(120);

/// What is known of one workspace beside its row.
#[derive(Clone, Debug)]
pub struct Circumstances<'a> {
    pub workspace: &'a Workspace,
    /// What the planner's report says that its agent has to do: [`standing_cause`].
    pub cause: Option<Cause>,
    /// When its newest generation was asked for.
    pub asked_at: Timestamp,
    pub created_at: Timestamp,
    pub actual_state_changed_at: Timestamp,
    pub agent: &'a AgentContact,
    /// What a lifecycle rule will do next.
    pub deadline: Option<Deadline>,
    /// When it is stopped if nothing happens in it, and the rule by which it is.
    pub idle_stop: Option<(IdleStop, IdleInForce)>,
    /// That it is stopped is because nothing happened in it.
    pub idled: Option<Idled>,
    /// When it was last found to be gone from the cluster, with what was said of that, where it is not too long ago.
    pub vanished: Option<(Timestamp, StateReason)>,
    /// Git hosts whose credentials cannot be had for it.
    pub git_problems: Vec<GitProblem>,
    /// Why its agent would not take it if it were started now.
    pub refusal: Option<Refusal>,
    /// What it belongs to.
    pub project: Option<ProjectPath>,
}

/// For how long nothing had happened in what was stopped because of that, and by whose rule, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idled {
    pub minutes: u32,
    pub by: Option<IdleBy>,
}

/// What the server knows of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentContact {
    pub name: AgentName,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    /// When this server last heard of it.
    pub last_contact_at: Option<Timestamp>,
    /// Whether any server has ever heard of it.
    pub ever_spoke: bool,
    /// Since when this server listens at all.
    pub listening_since: Timestamp,
}

impl AgentContact {
    /// Since when nothing was heard, once that is too long.
    fn silent_since(&self, now: Timestamp) -> Option<Timestamp> {
        let heard = self.awaited_since();
        (now.duration_since(heard) >= SILENCE).then_some(heard)
    }

    /// Since when its next word is waited for.
    fn awaited_since(&self) -> Timestamp {
        self.last_contact_at.unwrap_or_else(|| self.listening_since.max(self.created_at))
    }

    /// Whether nobody has ever heard of it, this server included.
    const fn never_spoke(&self) -> bool {
        !self.ever_spoke && self.last_contact_at.is_none()
    }
}

/// What the planner would tell the agent about the first workspace of `snapshot` if the agent asked now without a report;
/// `None`: nothing.
pub fn standing_cause(snapshot: &Snapshot, now: Timestamp) -> Option<Cause> {
    crate::reconcile(snapshot, &ReconcileRequest::default(), now)
        .report
        .first()
        .map(|explanation| explanation.cause)
}

/// The whole answer.
pub fn why(circumstances: &Circumstances<'_>, now: Timestamp) -> Why {
    let situation = situation(circumstances, now);
    let Circumstances { workspace, agent, .. } = circumstances;
    Why {
        workspace_id: workspace.id,
        name: workspace.name.clone(),
        desired_state: workspace.desired_state,
        actual_state: workspace.actual_state,
        situation,
        cause: words::cause(situation, circumstances)
            + &rules::idled(circumstances)
            + &words::vanished(circumstances)
            + &admission::aside(situation, circumstances),
        reason: workspace.reason.clone(),
        since: since(situation, circumstances, now),
        next: words::next(situation, circumstances, now),
        generation: workspace.generation,
        applied_generation: workspace.applied_generation,
        agent: WhyAgent {
            name: agent.name.clone(),
            last_contact_at: agent.last_contact_at,
            never_connected: agent.never_spoke(),
            revoked_at: agent.revoked_at,
        },
        git_problems: circumstances.git_problems.clone(),
    }
}

fn situation(circumstances: &Circumstances<'_>, now: Timestamp) -> Situation {
    let Circumstances { workspace, agent, cause, .. } = circumstances;
    // 1. What nothing changes any more, and what nobody can see.
    if (workspace.desired_state, workspace.actual_state)
        == (DesiredState::Terminated, ActualState::Terminated)
    {
        return Situation::Gone;
    }
    if agent.revoked_at.is_some() {
        return Situation::AgentRevoked;
    }
    if agent.silent_since(now).is_some() {
        return Situation::AgentSilent;
    }
    if workspace.unreadable && workspace.desired_state != DesiredState::Terminated {
        return Situation::RowUnreadable;
    }
    // 2. What the agent said when it could not do what it was told, unless it has new orders since.
    if workspace.actual_state == ActualState::Error {
        return refused(workspace.reason.as_ref());
    }
    // 3. What waits for a person, whatever is wanted.
    let is_doubted = workspace.reason.as_ref().is_some_and(|reason| reason.reason == LOSS_SUSPECTED);
    if is_doubted && workspace.desired_state != DesiredState::Terminated {
        return Situation::LossSuspected;
    }
    // 4. What it has not done yet.
    if let Some(unfinished) = cause.and_then(|cause| unfinished(workspace, cause)) {
        return unfinished;
    }
    // 5. What the cluster makes of it.
    match applied(workspace) {
        Situation::Stopped if circumstances.refusal.is_some() => Situation::AgentNotAllowed,
        situation => situation,
    }
}

fn refused(reason: Option<&StateReason>) -> Situation {
    match reason.map(|reason| reason.reason.as_str()) {
        Some("ApplyRefused") => Situation::AgentRefuses,
        Some("VariablesUnreadable") => Situation::VariablesUnreadable,
        Some(AGENT_HAS_NO_KEY) => Situation::AgentHasNoKey,
        Some(CONFIGURATION_UNREADABLE) => Situation::ConfigurationUnreadable,
        Some(REPORT_UNREADABLE) => Situation::ReportUnreadable,
        _ => Situation::KubernetesRefuses,
    }
}

/// What the agent has to do; `None` where it has done it.
fn unfinished(workspace: &Workspace, cause: Cause) -> Option<Situation> {
    match cause {
        Cause::Acknowledged | Cause::CredentialsWanted | Cause::Drifted => None,
        Cause::NotYetGone | Cause::Resurrected => Some(match workspace.actual_state {
            ActualState::Terminating => Situation::Terminating,
            ActualState::CreationRequested
            | ActualState::Starting
            | ActualState::Running
            | ActualState::Stopping
            | ActualState::Stopped
            | ActualState::Failed
            | ActualState::Error
            | ActualState::Terminated
            | ActualState::Unknown
            | ActualState::RestartRequested => Situation::TerminationRequested,
        }),
        Cause::MissingInCluster => Some(Situation::MissingInCluster),
        Cause::NeverApplied => Some(match workspace.actual_state {
            ActualState::CreationRequested => Situation::CreationRequested,
            ActualState::Unknown | ActualState::Terminated | ActualState::Terminating => {
                Situation::MissingInCluster
            }
            // There is a Deployment, and yet it proves nothing.
            ActualState::Starting
            | ActualState::Running
            | ActualState::Stopping
            | ActualState::Stopped
            | ActualState::Failed
            | ActualState::Error
            | ActualState::RestartRequested => Situation::ScaledByHand,
        }),
        Cause::GenerationBehind | Cause::VariablesMissing => Some(match workspace.desired_state {
            // The planner ends a restart that is half way; until it is, the scale-down is what lacks.
            DesiredState::RestartRequested => Situation::RestartRequested,
            DesiredState::Running | DesiredState::Stopped | DesiredState::Terminated => {
                Situation::ChangeRequested
            }
        }),
    }
}

/// The newest generation is in the cluster.
fn applied(workspace: &Workspace) -> Situation {
    use DesiredState::{RestartRequested, Running, Stopped, Terminated};
    if workspace.reason.as_ref().is_some_and(|reason| reason.reason == CHANGED_BY_HAND) {
        return Situation::ScaledByHand;
    }
    match (workspace.actual_state, workspace.desired_state) {
        (ActualState::Failed, _) => failed(workspace.reason.as_ref()),
        (ActualState::Error, _) => refused(workspace.reason.as_ref()),
        (ActualState::Running, Running) => Situation::Running,
        (ActualState::Stopped, Stopped) => Situation::Stopped,
        (ActualState::Starting, Running) => starting(workspace.reason.as_ref()),
        (_, Terminated) | (ActualState::Terminating, _) => Situation::Terminating,
        (ActualState::Starting | ActualState::Running | ActualState::Stopping, Stopped) => {
            Situation::Stopping
        }
        (
            ActualState::Starting | ActualState::Running | ActualState::Stopping | ActualState::Stopped,
            RestartRequested,
        ) => Situation::RestartStopping,
        (ActualState::CreationRequested, _) => Situation::CreationRequested,
        (ActualState::Terminated, _) => Situation::MissingInCluster,
        (ActualState::Stopping | ActualState::Stopped, Running)
        | (ActualState::Unknown | ActualState::RestartRequested, _) => Situation::Unclear,
    }
}

fn starting(reason: Option<&StateReason>) -> Situation {
    match reason.map(|reason| reason.reason.as_str()) {
        None | Some(PUT_RIGHT) => Situation::Starting,
        Some("Unschedulable" | "SchedulerError") => Situation::Unschedulable,
        Some("FailedCreate" | "ReplicaSetCreateError") => Situation::PodRefused,
        Some("ContainerFailed" | "ContainerEnded" | "CrashLoopBackOff") => Situation::ContainerCrashes,
        Some(_) => Situation::PodWaits,
    }
}

fn failed(reason: Option<&StateReason>) -> Situation {
    match reason.map(|reason| reason.reason.as_str()) {
        Some(
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "ImageInspectError"
            | "RegistryUnavailable"
            | "SignatureValidationFailed",
        ) => Situation::ImageCannotBePulled,
        Some("CrashLoopBackOff") => Situation::ContainerCrashes,
        Some("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError") => {
            Situation::ContainerCannotStart
        }
        Some("VolumeNotFound") => Situation::VolumeMissing,
        Some("ProgressDeadlineExceeded") => Situation::DeadlineExceeded,
        _ => Situation::Failed,
    }
}

/// What concerns a workspace began with it at the earliest, however long its agent has been silent or revoked.
fn since(situation: Situation, circumstances: &Circumstances<'_>, now: Timestamp) -> Timestamp {
    let Circumstances { asked_at, actual_state_changed_at, agent, .. } = circumstances;
    let since = match situation {
        Situation::AgentRevoked => agent.revoked_at.unwrap_or(*asked_at),
        Situation::AgentSilent => agent.silent_since(now).unwrap_or(*asked_at),
        Situation::CreationRequested
        | Situation::ChangeRequested
        | Situation::RestartRequested
        | Situation::TerminationRequested => *asked_at,
        Situation::RestartStopping | Situation::Stopping => *actual_state_changed_at.max(asked_at),
        Situation::Running
        | Situation::Stopped
        | Situation::AgentNotAllowed
        | Situation::Gone
        | Situation::MissingInCluster
        | Situation::ScaledByHand
        | Situation::AgentRefuses
        | Situation::KubernetesRefuses
        | Situation::VariablesUnreadable
        | Situation::AgentHasNoKey
        | Situation::ConfigurationUnreadable
        | Situation::LossSuspected
        | Situation::ReportUnreadable
        | Situation::RowUnreadable
        | Situation::Starting
        | Situation::PodWaits
        | Situation::Unschedulable
        | Situation::PodRefused
        | Situation::ImageCannotBePulled
        | Situation::ContainerCrashes
        | Situation::ContainerCannotStart
        | Situation::VolumeMissing
        | Situation::DeadlineExceeded
        | Situation::Failed
        | Situation::Terminating
        | Situation::Unclear => *actual_state_changed_at,
    };
    since.max(circumstances.created_at)
}

/// The generation, as a person reads it.
fn proven(applied: Generation) -> String {
    if applied == Generation::default() { "none".to_owned() } else { applied.to_string() }
}

#[cfg(test)]
#[path = "../why_tests.rs"]
mod tests;
