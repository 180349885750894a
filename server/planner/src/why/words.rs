//! The words for each situation: its cause, and who acts next.

use berth_schema::reconcile::PodProblem;
use berth_schema::why::{Actor, NextStep, Situation};
use berth_schema::{DesiredState, Generation, kubernetes};
use jiff::{SignedDuration, Timestamp};

use super::rules::by_rule;
use super::{Circumstances, SILENCE, admission, proven};
use crate::drift::{CHANGED_BY_HAND, PUT_RIGHT};
use crate::objects::{GRACE_PERIOD_SECONDS, PROGRESS_DEADLINE_SECONDS};
use crate::vanished::{NOT_IN_CLUSTER, VOLUME_LEAVING};

/// The longest time that an agent backs off from a workspace that was refused.
const AGENT_BACKOFF: SignedDuration = SignedDuration::from_secs(60);

/// Why it is so.
pub(super) fn cause(situation: Situation, circumstances: &Circumstances<'_>) -> String {
    let workspace = circumstances.workspace;
    let agent = &circumstances.agent.name;
    let generation = workspace.generation;
    let applied = proven(workspace.applied_generation);
    if waits_for_node(situation, circumstances).is_some() {
        return "The node that its pod is on does not answer, and until somebody has acted nothing goes on."
            .to_owned();
    }
    match situation {
        Situation::Running => {
            format!("It runs, as wanted.{}{}", put_right(circumstances), leaving(circumstances))
        }
        Situation::Stopped => {
            format!("It is stopped, as wanted. Its volume is kept.{}", put_right(circumstances))
        }
        Situation::AgentNotAllowed => admission::cause(circumstances),
        Situation::Gone => "It was terminated, and nothing of it is left in the cluster.".to_owned(),
        Situation::CreationRequested => {
            format!("It was created, and agent '{agent}' has not applied it yet.")
        }
        Situation::ChangeRequested => format!(
            "{} Agent '{agent}' has not proven generation {generation} yet (proven: {applied}).",
            wanted(workspace.desired_state)
        ),
        Situation::RestartRequested => {
            format!("A restart was asked for, and agent '{agent}' has not scaled it down yet.")
        }
        Situation::TerminationRequested => {
            format!("It shall be removed, and agent '{agent}' has not begun with that yet.")
        }
        Situation::RestartStopping => {
            "It restarts: its old pod has to be gone before the new one may use its \
                                       volume."
                .to_owned()
        }
        Situation::MissingInCluster if message_of(circumstances, NOT_IN_CLUSTER).is_some() => {
            let message = message_of(circumstances, NOT_IN_CLUSTER).unwrap_or_default();
            format!("It is not in the cluster, although it should be: {message}.")
        }
        Situation::MissingInCluster => {
            let what =
                if is_shared(circumstances) { "its Deployment" } else { "its namespace or its Deployment" };
            format!("It is not in the cluster, although it should be: somebody may have deleted {what}.")
        }
        Situation::ScaledByHand if message_of(circumstances, CHANGED_BY_HAND).is_some() => format!(
            "Somebody changed in the cluster what agent '{agent}' had applied: {}.",
            message_of(circumstances, CHANGED_BY_HAND).unwrap_or_default()
        ),
        Situation::ScaledByHand => {
            "Somebody changed the number of its pods in the cluster, against what is wanted here.".to_owned()
        }
        Situation::AgentRefuses => {
            format!("Agent '{agent}' does not apply it: its own policy forbids it, or it could not.")
        }
        Situation::KubernetesRefuses => "Kubernetes refuses what the agent applies.".to_owned(),
        Situation::VariablesUnreadable => {
            "The server cannot decrypt its variables, and without them it must not run.".to_owned()
        }
        Situation::AgentHasNoKey => {
            format!(
                "Agent '{agent}' has registered no key to seal its variables to, and without them it must not run."
            )
        }
        Situation::ConfigurationUnreadable => format!(
            "This version of the server cannot read the configuration of agent '{agent}', and applies nothing without it."
        ),
        Situation::LossSuspected => format!(
            "Agent '{agent}' no longer has it, nor many others at the same moment: whether they are lost is not believed \
             without a person's word."
        ),
        Situation::ReportUnreadable => {
            format!(
                "Agent '{agent}' reports it in a way that this server cannot read{}.",
                said(circumstances)
            )
        }
        Situation::RowUnreadable => {
            format!("What the database has of it cannot be read by this server{}.", said(circumstances))
        }
        Situation::Starting => {
            "Its pod is being made: scheduled, its image pulled, its containers started.".to_owned()
        }
        Situation::PodWaits => format!("Its pod is not ready yet{}.", named(circumstances)),
        Situation::Unschedulable => format!("No node takes its pod{}.", named(circumstances)),
        Situation::PodRefused => format!(
            "Kubernetes does not let its pod be made{}: the old pod may still count against the quota, or an \
             admission rule forbids it.",
            named(circumstances)
        ),
        Situation::ImageCannotBePulled => format!("Its image cannot be pulled{}.", named(circumstances)),
        Situation::ContainerCrashes if is_first_end(circumstances) => {
            format!("A container of it ended, and is started again{}.", named(circumstances))
        }
        Situation::ContainerCrashes => {
            format!("A container of it ends again and again{}.", named(circumstances))
        }
        Situation::ContainerCannotStart => {
            format!("A container of it cannot be started{}.", named(circumstances))
        }
        Situation::VolumeMissing => format!("A volume that it needs does not exist{}.", named(circumstances)),
        Situation::DeadlineExceeded => {
            "Kubernetes saw no progress for 10 minutes and counts it as failed.".to_owned()
        }
        Situation::Failed => format!("Kubernetes counts it as failed{}.", named(circumstances)),
        Situation::Stopping => "Its pod is ending.".to_owned(),
        Situation::Terminating if is_shared(circumstances) => {
            "What is its own in the namespace that it shares is being removed.".to_owned()
        }
        Situation::Terminating => "Its namespace with everything in it is being removed.".to_owned(),
        Situation::Unclear => "What the cluster says of it fits no state.".to_owned(),
        Situation::AgentSilent if circumstances.agent.never_spoke() => format!(
            "Agent '{agent}' has never connected: it was not installed yet, or it cannot reach the server."
        ),
        Situation::AgentSilent => match circumstances.agent.last_contact_at {
            Some(_) => format!("Agent '{agent}' has fallen silent: what is shown may be out of date."),
            None => format!(
                "Agent '{agent}' has not spoken to this server since the server started: what is shown may be out \
                 of date."
            ),
        },
        Situation::AgentRevoked => format!(
            "Agent '{agent}' was revoked: what is shown is what it said last, and nothing changes in its cluster."
        ),
    }
}

const fn wanted(desired: DesiredState) -> &'static str {
    match desired {
        DesiredState::Running => "It shall run as it was changed last.",
        DesiredState::Stopped => "It shall stop.",
        DesiredState::RestartRequested => "It shall restart.",
        DesiredState::Terminated => "It shall be removed.",
    }
}

/// Whether it is not known to end again and again.
fn is_first_end(circumstances: &Circumstances<'_>) -> bool {
    let reason = circumstances.workspace.reason.as_ref().map(|reason| reason.reason.as_str());
    matches!(reason, Some("ContainerFailed" | "ContainerEnded"))
}

/// Whether its namespace holds others as well.
fn is_shared(circumstances: &Circumstances<'_>) -> bool {
    let workspace = circumstances.workspace;
    kubernetes::is_shared(&workspace.name, workspace.id, workspace.namespace.as_str())
}

/// What it is that cannot be read.
fn said(circumstances: &Circumstances<'_>) -> String {
    circumstances.workspace.reason.as_ref().map(|reason| format!(" ({})", reason.message)).unwrap_or_default()
}

/// That it is not the one that it was, for whoever looks for what was stored in it.
pub(super) fn vanished(circumstances: &Circumstances<'_>) -> String {
    let is_back = circumstances.workspace.applied_generation > Generation::default()
        && message_of(circumstances, NOT_IN_CLUSTER).is_none();
    let vanished = circumstances.vanished.as_ref().filter(|_| is_back);
    vanished
        .map(|(at, reason)| {
            format!(" At {at:.0} it was gone ({}), and was made again with empty volumes.", reason.message)
        })
        .unwrap_or_default()
}

/// What was put right since its last generation was applied.
fn put_right(circumstances: &Circumstances<'_>) -> String {
    let message = message_of(circumstances, PUT_RIGHT);
    message
        .map(|what| format!(" Somebody had changed it in the cluster, and it was put right: {what}."))
        .unwrap_or_default()
}

/// What is on one of its volumes only as long as it runs.
fn leaving(circumstances: &Circumstances<'_>) -> String {
    let message = message_of(circumstances, VOLUME_LEAVING);
    message.map(|message| format!(" But {message}.")).unwrap_or_default()
}

/// The message of the workspace's reason, if it is that one.
fn message_of<'a>(circumstances: &'a Circumstances<'_>, word: &str) -> Option<&'a str> {
    let reason = circumstances.workspace.reason.as_ref()?;
    (reason.reason == word).then_some(reason.message.as_str())
}

/// Kubernetes' own word for it, where there is one.
fn named(circumstances: &Circumstances<'_>) -> String {
    circumstances.workspace.reason.as_ref().map(|reason| format!(" ({})", reason.reason)).unwrap_or_default()
}

/// Who acts next; `None` when nobody ever will.
pub(super) fn next(
    situation: Situation,
    circumstances: &Circumstances<'_>,
    now: Timestamp,
) -> Option<NextStep> {
    let name = &circumstances.workspace.name;
    let agent = &circumstances.agent.name;
    let step = |actor, action: String| Some(NextStep { actor, action, by: None });
    let by = |actor, action: String, by: Option<Timestamp>| Some(NextStep { actor, action, by });
    let rebuild = format!("`berth rebuild {name} --image IMAGE` (or --devfile FILE, or --devcontainer FILE)");
    if let Some(words) = waits_for_node(situation, circumstances) {
        return step(Actor::Administrator, words.to_owned());
    }
    match situation {
        Situation::Gone => None,
        Situation::Running | Situation::Stopped => Some(by_rule(circumstances)),
        Situation::AgentNotAllowed => Some(admission::next(circumstances)),
        Situation::CreationRequested | Situation::ChangeRequested => by(
            Actor::Agent,
            "It waits for changes all the time, and applies this one at once.".to_owned(),
            heard_by(circumstances),
        ),
        Situation::RestartRequested => by(
            Actor::Agent,
            "It scales the workspace down; the server then asks for the start by itself.".to_owned(),
            heard_by(circumstances),
        ),
        Situation::TerminationRequested => {
            let what = if is_shared(circumstances) { "what is its own in the shared namespace" } else { "the namespace" };
            by(Actor::Agent, format!("It deletes {what}."), heard_by(circumstances))
        }
        Situation::MissingInCluster => by(
            Actor::Agent,
            "It makes the workspace again. What was on a deleted volume is lost.".to_owned(),
            heard_by(circumstances),
        ),
        Situation::ScaledByHand => {
            let action = "It applies what is wanted here. Where that is changed again and again it waits, 2 minutes at most.";
            by(Actor::Agent, action.to_owned(), heard_by(circumstances))
        }
        Situation::RestartStopping => by(
            Actor::Kubelet,
            "It ends the old pod; the server then asks for the start by itself.".to_owned(),
            grace(circumstances, now),
        ),
        Situation::Stopping => by(
            Actor::Kubelet,
            "It ends the pod, which gets 10 seconds for that.".to_owned(),
            grace(circumstances, now),
        ),
        Situation::Terminating if is_shared(circumstances) => step(
            Actor::Kubernetes,
            format!(
                "It removes the pod and the volumes. Where that takes long a finalizer holds something: an administrator sees it \
                 at the objects of namespace '{}' that carry the workspace's id.",
                circumstances.workspace.namespace
            ),
        ),
        Situation::Terminating => step(
            Actor::Kubernetes,
            "It removes the namespace. Where that takes long a finalizer holds something: an administrator sees it \
             in the namespace's status."
                .to_owned(),
        ),
        Situation::AgentRefuses => step(
            Actor::Administrator,
            format!(
                "Allow it in the policy of agent '{agent}', or remove the workspace. The agent tries again at least \
                 every 60 seconds."
            ),
        ),
        Situation::KubernetesRefuses => by(
            Actor::Agent,
            "It tries again after 10 to 60 seconds. Where Kubernetes' words name a mistake an administrator has to \
             correct it."
                .to_owned(),
            now.checked_add(AGENT_BACKOFF).ok(),
        ),
        Situation::VariablesUnreadable => step(
            Actor::Administrator,
            "Give the server the key-encryption key back that they were encrypted with; its log names it.".to_owned(),
        ),
        Situation::AgentHasNoKey => step(
            Actor::Administrator,
            format!("Look at the log of agent '{agent}': it cannot keep its keys, or it is older than the server."),
        ),
        Situation::ConfigurationUnreadable => step(
            Actor::Administrator,
            format!(
                "Run the version of the server that wrote it, or set it anew: `berth agents configuration set {agent} -f FILE`. \
                 The workspace can be terminated."
            ),
        ),
        Situation::LossSuspected => step(
            Actor::Administrator,
            format!(
                "Bring the cluster's objects back, or have the workspaces made again, with empty volumes: `berth agents \
                 confirm-loss {agent}`."
            ),
        ),
        Situation::ReportUnreadable => step(
            Actor::Administrator,
            format!("Look at the versions of the server and of agent '{agent}', and at its objects in the cluster. It can be terminated."),
        ),
        Situation::RowUnreadable => step(
            Actor::Administrator,
            "Run the newest version of the server, or put the row right. Until then nothing is changed in the cluster; \
             it can be terminated."
                .to_owned(),
        ),
        Situation::Starting | Situation::PodWaits => by(
            Actor::Kubelet,
            "It goes on by itself; after 10 minutes without progress it counts as failed.".to_owned(),
            deadline(circumstances, now),
        ),
        Situation::Unschedulable => by(
            Actor::Kubernetes,
            "Its scheduler tries again whenever a node gets room: stop what is not needed, or have an administrator \
             add a node."
                .to_owned(),
            deadline(circumstances, now),
        ),
        Situation::PodRefused => by(
            Actor::Kubernetes,
            "It tries again by itself. Where its words name a rule, an administrator has to change that.".to_owned(),
            deadline(circumstances, now),
        ),
        Situation::ImageCannotBePulled => step(
            Actor::User,
            format!(
                "Correct the image with {rebuild}. Meanwhile the kubelet tries again, at least every 5 minutes."
            ),
        ),
        Situation::ContainerCrashes => step(
            Actor::User,
            format!(
                "`berth logs {name} --previous` (or without that, while it is down) prints what it wrote before it ended. Correct the command or the image \
                 with {rebuild}. Meanwhile the kubelet starts it again, at least every 5 minutes."
            ),
        ),
        Situation::ContainerCannotStart => step(
            Actor::User,
            format!(
                "Correct it with {rebuild}; an administrator has to where the cause is on the node. Meanwhile the \
                 kubelet tries again."
            ),
        ),
        Situation::VolumeMissing => step(
            Actor::Administrator,
            "Bring the volume claim back, or have the workspace deleted and made anew.".to_owned(),
        ),
        Situation::DeadlineExceeded | Situation::Failed => step(
            Actor::User,
            format!(
                "Try `berth start {name}` once more, or correct it with {rebuild}. Where the cause is in the cluster \
                 it recovers by itself once that is cured."
            ),
        ),
        Situation::Unclear => {
            by(Actor::Agent, "It reports as soon as the cluster says more.".to_owned(), heard_by(circumstances))
        }
        Situation::AgentSilent if circumstances.agent.never_spoke() => step(
            Actor::Administrator,
            format!(
                "Install agent '{agent}' in its cluster with its token (`berth agents rotate-token {agent} --now` makes \
                 another where it is lost); where it runs, its log says why it does not reach the server."
            ),
        ),
        Situation::AgentSilent => step(
            Actor::Administrator,
            format!("See whether agent '{agent}' runs and reaches the server: its log says more."),
        ),
        Situation::AgentRevoked => step(
            Actor::Administrator,
            format!(
                "Have another agent of the same cluster adopt it (`berth agents adopt OTHER --from {agent}`), or take it \
                 out of the database (`berth delete {name} --forget`)."
            ),
        ),
    }
}

/// What to do about a node that is lost: nobody but a person can tell whether it still runs the pod.
fn waits_for_node<'a>(situation: Situation, circumstances: &'a Circumstances<'_>) -> Option<&'a str> {
    message_of(circumstances, PodProblem::NODE_LOST).filter(|_| is_under_way(situation))
}

/// The cluster is at it, or waits for somebody.
const fn is_under_way(situation: Situation) -> bool {
    matches!(
        situation,
        Situation::Starting
            | Situation::PodWaits
            | Situation::Stopping
            | Situation::RestartStopping
            | Situation::PodRefused
            | Situation::Failed
            | Situation::DeadlineExceeded
            | Situation::Terminating
            | Situation::Unclear
    )
}

/// When the agent's silence would be noticed.
fn heard_by(circumstances: &Circumstances<'_>) -> Option<Timestamp> {
    circumstances.agent.awaited_since().checked_add(SILENCE).ok()
}

/// When Kubernetes gives up. It counts from its last sign of progress, which the state's beginning is at the earliest.
fn deadline(circumstances: &Circumstances<'_>, now: Timestamp) -> Option<Timestamp> {
    let seconds = i64::from(PROGRESS_DEADLINE_SECONDS);
    later(circumstances.actual_state_changed_at, SignedDuration::from_secs(seconds), now)
}

/// When the kubelet stops being patient with the pod's processes.
fn grace(circumstances: &Circumstances<'_>, now: Timestamp) -> Option<Timestamp> {
    let asked = circumstances.actual_state_changed_at.max(circumstances.asked_at);
    later(asked, SignedDuration::from_secs(GRACE_PERIOD_SECONDS), now)
}

/// A time that is still to come.
fn later(from: Timestamp, after: SignedDuration, now: Timestamp) -> Option<Timestamp> {
    from.checked_add(after).ok().filter(|time| *time > now)
}
