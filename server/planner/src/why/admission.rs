//! The words for a workspace that its agent would not take if it were started now.

use berth_schema::DesiredState;
use berth_schema::why::{Actor, NextStep, Situation};

use super::Circumstances;

/// Of one that is stopped.
pub(super) fn cause(circumstances: &Circumstances<'_>) -> String {
    format!("It is stopped, as wanted. Its volume is kept.{}", refused(circumstances))
}

/// Who can have it started again, and what else becomes of it.
pub(super) fn next(circumstances: &Circumstances<'_>) -> NextStep {
    let (agent, project) = (&circumstances.agent.name, circumstances.project.as_ref());
    let remedy =
        circumstances.refusal.map(|refusal| refusal.remedy(agent, project, false)).unwrap_or_default();
    let deadline = circumstances.deadline.as_ref();
    let rule =
        deadline.map(|deadline| format!(" The rule {} deletes it with its volume then.", deadline.rule));
    NextStep {
        actor: Actor::Administrator,
        action: format!("To have it start again, {remedy}. It can be deleted.{}", rule.unwrap_or_default()),
        by: deadline.map(|deadline| deadline.at),
    }
}

/// The same of one that is anything else, behind what is said of that: what runs goes on.
pub(super) fn aside(situation: Situation, circumstances: &Circumstances<'_>) -> String {
    let is_told = matches!(situation, Situation::AgentNotAllowed | Situation::Gone | Situation::AgentRevoked);
    if is_told || circumstances.refusal.is_none() {
        return String::new();
    }
    match circumstances.workspace.desired_state {
        DesiredState::Running | DesiredState::RestartRequested => {
            format!(" What is wanted goes on until its next start.{}", refused(circumstances))
        }
        DesiredState::Stopped => refused(circumstances),
        DesiredState::Terminated => String::new(),
    }
}

fn refused(circumstances: &Circumstances<'_>) -> String {
    let (agent, project) = (&circumstances.agent.name, circumstances.project.as_ref());
    let cause = circumstances.refusal.map(|refusal| refusal.cause(agent, project));
    cause.map(|cause| format!(" It would not be started again: agent {cause}.")).unwrap_or_default()
}
