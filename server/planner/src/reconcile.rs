//! What the server makes of an agent's message.
//!
//! Numbered as a pipeline; every step is pure. A full message differs from a partial one only in what the snapshot holds and
//! in what an absent report means.

use std::collections::{HashMap, HashSet};

use berth_schema::api::StateReason;
use berth_schema::reconcile::{
    Action, Orphan, OrphanVerdict, ReconcileRequest, UpdateType, WorkspaceAgentInfo, WorkspaceDirective,
};
use berth_schema::{ActualState, DesiredState, Generation, WorkspaceId};
use jiff::Timestamp;

use crate::actual_state::{actual_state, proves_scaled_down};
use crate::model::{
    Cause, Explanation, IntentChange, Plan, PlannedDirective, Snapshot, Workspace, WorkspaceUpdate,
};
use crate::objects;

/// Decides what to store and what to answer.
///
/// `_now` is here for the rules that count time (lifecycle, grace of orphans); no other clock is looked at.
pub fn reconcile(snapshot: &Snapshot, request: &ReconcileRequest, _now: Timestamp) -> Plan {
    // 1. What was reported, by workspace. The last of two reports in one message wins.
    let infos: HashMap<WorkspaceId, &WorkspaceAgentInfo> =
        request.workspace_agent_infos.iter().map(|info| (info.workspace_id, info)).collect();
    let received: HashSet<(WorkspaceId, Generation)> =
        request.received.iter().map(|received| (received.workspace_id, received.generation)).collect();
    let mut plan =
        Plan { updates: vec![], directives: vec![], orphans: vec![], report: vec![], has_news: false };

    for workspace in &snapshot.workspaces {
        // 2. What is there. 3. What shall be.
        let observation = observe(workspace, infos.get(&workspace.id).copied(), request);
        let next = advance(workspace, &observation);
        // 4. What the agent has to do about it.
        let Some((cause, directive)) = direct(snapshot, &next, &observation, request.update_type) else {
            plan.updates.extend(update(workspace, &next));
            continue;
        };
        // 5. What is stored, answered and explained.
        plan.updates.extend(update(workspace, &next));
        plan.has_news |= observation.reported || !received.contains(&(next.id, next.generation));
        plan.report.push(Explanation { workspace_id: next.id, cause });
        plan.directives.push(directive);
    }
    // 6. What nobody asked for.
    plan.orphans = orphans(snapshot, request);
    plan.has_news |= !plan.orphans.is_empty() || request.update_type == UpdateType::Full;
    plan
}

/// What the message says of one workspace.
struct Observation<'a> {
    /// The message holds a report of it that is not older than what is stored.
    info: Option<&'a WorkspaceAgentInfo>,
    /// The message holds a report of it, so the answer has to acknowledge it.
    reported: bool,
    /// A complete list of what the agent has does not hold it.
    missing: bool,
}

fn observe<'a>(
    workspace: &Workspace,
    info: Option<&'a WorkspaceAgentInfo>,
    request: &ReconcileRequest,
) -> Observation<'a> {
    let outdated = workspace.reported.is_some_and(|stored| stored > (request.epoch, request.sequence));
    // Pages of a long list say nothing about what other pages hold.
    let complete = request.update_type == UpdateType::Full
        && request.page.is_none_or(|page| page.number == 0 && page.last);
    Observation {
        info: info.filter(|_| !outdated),
        reported: info.is_some(),
        missing: complete && info.is_none() && !outdated,
    }
}

/// The row after this message.
fn advance(workspace: &Workspace, observation: &Observation<'_>) -> Workspace {
    let mut next = workspace.clone();
    // A tombstone stays one, whatever is reported (invariant I3).
    if is_finished(workspace) {
        return next;
    }
    if let Some(info) = observation.info {
        (next.actual_state, next.reason) = actual_state(info);
        // What was reported last counts, not the highest: a lower one means that the cluster went back.
        next.applied_generation = proven(workspace, info);
        next.deployment_resource_version =
            info.latest_k8s_deployment_info.as_ref().map(|deployment| deployment.resource_version.clone());
    } else if observation.missing && workspace.applied_generation > Generation::default() {
        next.actual_state = ActualState::Unknown;
        next.reason = Some(StateReason {
            reason: "NotInCluster".to_owned(),
            message: "the agent's full report does not hold this workspace".to_owned(),
        });
        next.applied_generation = Generation::default();
        next.deployment_resource_version = None;
    }
    // Terminated is reached on purpose only: a namespace that somebody deleted is to be made again.
    if next.actual_state == ActualState::Terminated && next.desired_state != DesiredState::Terminated {
        next.actual_state = ActualState::Unknown;
        next.applied_generation = Generation::default();
    }
    // The cluster is ahead of the database, which can only be after a restore: intent has to overtake it.
    if next.applied_generation > next.generation {
        next.generation = next.applied_generation.next();
    }
    if next.desired_state == DesiredState::RestartRequested && restart_is_half_way(&next, observation) {
        next.desired_state = DesiredState::Running;
        next.generation = next.generation.next();
    }
    next
}

/// The generation that a report proves. With other replicas than that generation asked for it proves none: somebody scaled
/// the Deployment by hand, and the directive has to go out again until it is as wanted.
fn proven(workspace: &Workspace, info: &WorkspaceAgentInfo) -> Generation {
    let applied = info.applied_generation.unwrap_or_default();
    let found = info.latest_k8s_deployment_info.as_ref().and_then(|deployment| deployment.replicas);
    let scaled = workspace.desired_state.replicas().zip(found).is_some_and(|(wanted, found)| wanted != found);
    if applied == workspace.generation && scaled { Generation::default() } else { applied }
}

/// Scaled down at the generation that asked for it.
fn restart_is_half_way(next: &Workspace, observation: &Observation<'_>) -> bool {
    next.applied_generation == next.generation
        && (next.actual_state == ActualState::Stopped || observation.info.is_some_and(proves_scaled_down))
}

fn is_finished(workspace: &Workspace) -> bool {
    workspace.desired_state == DesiredState::Terminated && workspace.actual_state == ActualState::Terminated
}

/// The directive for one workspace; `None` when there is nothing to say.
fn direct(
    snapshot: &Snapshot,
    next: &Workspace,
    observation: &Observation<'_>,
    update_type: UpdateType,
) -> Option<(Cause, PlannedDirective)> {
    let terminate = next.desired_state == DesiredState::Terminated;
    let gone = observation.info.is_some_and(|info| actual_state(info).0 == ActualState::Terminated);
    let variables_missing = observation.info.is_some_and(|info| info.variables_missing);
    let runs = next.desired_state == DesiredState::Running;

    let cause = if terminate && is_finished(next) {
        if !observation.reported {
            return None;
        }
        if gone { Cause::Acknowledged } else { Cause::Resurrected }
    } else if terminate {
        Cause::NotYetGone
    } else if observation.missing
        && next.reason.as_ref().is_some_and(|reason| reason.reason == "NotInCluster")
    {
        Cause::MissingInCluster
    } else if next.applied_generation == Generation::default() {
        Cause::NeverApplied
    } else if next.applied_generation < next.generation {
        Cause::GenerationBehind
    } else if variables_missing && runs {
        Cause::VariablesMissing
    } else if observation.reported || update_type == UpdateType::Full {
        Cause::Acknowledged
    } else {
        return None;
    };

    let action = match cause {
        Cause::Acknowledged => Action::None,
        Cause::NotYetGone | Cause::Resurrected => Action::Terminate,
        Cause::NeverApplied | Cause::MissingInCluster => Action::Create,
        Cause::GenerationBehind | Cause::VariablesMissing => Action::Update,
    };
    let applies = matches!(action, Action::Create | Action::Update);
    let directive = WorkspaceDirective {
        workspace_id: next.id,
        name: next.name.clone(),
        namespace: next.namespace.clone(),
        action,
        desired_state: next.desired_state,
        actual_state: next.actual_state,
        deployment_resource_version: next.deployment_resource_version.clone(),
        generation: next.generation,
        config_to_apply: applies.then(|| objects::render(snapshot, next)),
        variables: None,
    };
    let first_configuration = matches!(cause, Cause::NeverApplied | Cause::MissingInCluster);
    let variables_wanted = applies && runs && (first_configuration || variables_missing);
    Some((cause, PlannedDirective { directive, variables_wanted }))
}

/// The new values of the row, when there are any.
fn update(before: &Workspace, next: &Workspace) -> Option<WorkspaceUpdate> {
    if before == next {
        return None;
    }
    let intent = (before.desired_state != next.desired_state || before.generation != next.generation)
        .then_some(IntentChange { desired_state: next.desired_state, generation: next.generation });
    Some(WorkspaceUpdate {
        workspace_id: before.id,
        seen_generation: before.generation,
        actual_state: next.actual_state,
        reason: next.reason.clone(),
        applied_generation: next.applied_generation,
        deployment_resource_version: next.deployment_resource_version.clone(),
        intent,
    })
}

/// What was reported and is not in this agent's part of the database. Nothing is deleted on that ground alone.
fn orphans(snapshot: &Snapshot, request: &ReconcileRequest) -> Vec<Orphan> {
    let known: HashSet<WorkspaceId> = snapshot.workspaces.iter().map(|workspace| workspace.id).collect();
    request
        .workspace_agent_infos
        .iter()
        .filter(|info| !known.contains(&info.workspace_id))
        .map(|info| Orphan {
            workspace_id: info.workspace_id,
            name: info.name.clone(),
            namespace: info.namespace.clone(),
            verdict: OrphanVerdict::Keep,
        })
        .collect()
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
