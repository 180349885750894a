//! What the server makes of an agent's message.
//!
//! Numbered as a pipeline; every step is pure. A full message differs from a partial one only in what the snapshot holds and
//! in what an absent report means.

use std::collections::{HashMap, HashSet};

use berth_schema::api::{StateReason, SuspectedLoss};
use berth_schema::reconcile::{
    Action, MAX_WORKSPACES, ReconcileRequest, UpdateType, WorkspaceAgentInfo, WorkspaceDirective,
};
use berth_schema::reports::Unreadable;
use berth_schema::{ActualState, DesiredState, Generation, ResourceVersion, WorkspaceId};
use jiff::Timestamp;

use crate::abilities::Abilities;
use crate::actual_state::{actual_state, proves_scaled_down};
use crate::loss::{self, LOSS_SUSPECTED};
use crate::model::{
    Cause, Explanation, IntentChange, Plan, PlannedDirective, Snapshot, Workspace, WorkspaceUpdate,
};
use crate::{drift, objects, orphans, vanished};

/// The most missing workspaces that one answer makes again; the others are pending from now on and come with the next.
const MAX_REMADE: usize = MAX_WORKSPACES;

/// Decides what to store and what to answer. `now` counts how long a loss is suspected and an
/// orphan is known; no other clock is looked at.
pub fn reconcile(snapshot: &Snapshot, request: &ReconcileRequest, now: Timestamp) -> Plan {
    // 1. What was reported, by workspace. The last of two reports in one message wins.
    let infos: HashMap<WorkspaceId, &WorkspaceAgentInfo> =
        request.workspace_agent_infos.iter().map(|info| (info.workspace_id, info)).collect();
    let received: HashSet<(WorkspaceId, Generation)> =
        request.received.iter().map(|received| (received.workspace_id, received.generation)).collect();
    let mut plan = Plan {
        loss: loss_after(snapshot, request, now),
        git_version: snapshot.git_version,
        ..Plan::default()
    };
    plan.full_reconcile_requested = wants_full(snapshot, request, plan.loss.as_ref());
    let abilities = Abilities::of(request);
    let mut missing = 0;

    for workspace in &snapshot.workspaces {
        // 2. What is there. 3. What shall be.
        let info = infos.get(&workspace.id).copied();
        let observation = observe(workspace, info, snapshot, plan.loss.as_ref(), request);
        let next = advance(workspace, &observation);
        plan.updates.extend(update(workspace, &next));
        missing += usize::from(observation.missing.is_some());
        // 4. What the agent has to do about it. What it has in hand it gives up by itself when nothing comes of it, and is told
        // again then.
        if !observation.reported && received.contains(&(next.id, next.generation)) {
            continue;
        }
        let directive = direct(snapshot, &next, &observation, abilities);
        let later = observation.missing.is_some() && missing > MAX_REMADE;
        let Some((cause, directive)) = directive.filter(|_| !later) else { continue };
        // 5. What is answered and explained.
        plan.report.push(Explanation { workspace_id: next.id, cause });
        plan.directives.push(directive);
    }
    // 6. What nobody asked for.
    (plan.orphans, plan.orphan_changes) = orphans::judge(snapshot, request, now);
    plan.has_news |=
        !plan.directives.is_empty() || !plan.orphans.is_empty() || request.update_type == UpdateType::Full;
    plan.has_news |=
        plan.full_reconcile_requested && snapshot.full_wanted && abilities.reports_in_full_when_asked;
    plan.has_news |= request.git.as_ref().is_some_and(|git| git.version != snapshot.git_version);
    plan
}

/// The reason of a workspace whose agent has registered no key to seal its variables to.
pub const AGENT_HAS_NO_KEY: &str = "AgentHasNoKey";

/// The reason of a workspace whose agent's configuration this server cannot read.
pub const CONFIGURATION_UNREADABLE: &str = "ConfigurationUnreadable";

/// The reason of a workspace whose agent reports what this server cannot read.
pub const REPORT_UNREADABLE: &str = "ReportUnreadable";

fn unreadable(report: &Unreadable) -> StateReason {
    StateReason {
        reason: REPORT_UNREADABLE.into(),
        message: format!("its agent's report cannot be read: {}", report.field).into(),
    }
}

/// The version that an answer acknowledges: what is stored, or what was reported where that cannot be stored. Without it the
/// agent would tell the same again and again.
fn acknowledged(next: &Workspace, observation: &Observation<'_>) -> Option<ResourceVersion> {
    match (observation.unreadable, observation.info) {
        (Some(report), _) => report.resource_version.clone(),
        (None, Some(info)) if next.unreadable => info
            .latest_k8s_deployment_info
            .as_ref()
            .and_then(|deployment| deployment.resource_version.clone()),
        _ => next.deployment_resource_version.clone(),
    }
}

fn loss_after(snapshot: &Snapshot, request: &ReconcileRequest, now: Timestamp) -> Option<SuspectedLoss> {
    let before = snapshot.loss.as_ref();
    match &snapshot.census {
        Some(census) => loss::suspected(snapshot.brake, census, before, request, now),
        None => before.copied(),
    }
}

fn wants_full(snapshot: &Snapshot, request: &ReconcileRequest, loss: Option<&SuspectedLoss>) -> bool {
    let doubted = loss.is_some_and(|loss| !loss.needs_confirmation);
    match (request.update_type, &snapshot.census) {
        (UpdateType::Partial, _) => doubted || snapshot.full_wanted,
        (UpdateType::Full, Some(_)) => doubted,
        // The pages that follow are on their way.
        (UpdateType::Full, None) => false,
    }
}

/// What the message says of one workspace.
struct Observation<'a> {
    /// The message holds a report of it that is not older than what is stored.
    info: Option<&'a WorkspaceAgentInfo>,
    /// The message holds a report of it, so the answer has to acknowledge it.
    reported: bool,
    /// The message holds a report of it that cannot be read.
    unreadable: Option<&'a Unreadable>,
    /// A complete list of what the agent has does not hold it.
    missing: Option<Missing>,
    /// The agent asks for its Git credentials.
    asked: bool,
    /// What a restart turns into: where the agent does not take it any more, its pod must not begin anew.
    restarted: DesiredState,
}

enum Missing {
    /// It is to be made again.
    Believed,
    /// Too many are missing at once.
    Doubted(StateReason),
}

fn observe<'a>(
    workspace: &Workspace,
    info: Option<&'a WorkspaceAgentInfo>,
    snapshot: &Snapshot,
    loss: Option<&SuspectedLoss>,
    request: &'a ReconcileRequest,
) -> Observation<'a> {
    let outdated = workspace.reported.is_some_and(|stored| stored > (request.epoch, request.sequence));
    let unreadable = request.workspace_agent_infos.unreadable(workspace.id);
    let missing = snapshot.census.as_ref().is_some_and(|census| census.missing.contains(&workspace.id));
    let is_refused = snapshot.refused.contains(&workspace.id);
    let judged = || loss.map_or(Missing::Believed, |loss| Missing::Doubted(loss::reason(loss)));
    Observation {
        info: info.filter(|_| !outdated),
        reported: info.is_some() || unreadable.is_some(),
        unreadable: unreadable.filter(|_| !outdated),
        missing: (missing && info.is_none() && !outdated).then(judged),
        asked: request.git.as_ref().is_some_and(|git| git.wanted.contains(&workspace.id)),
        restarted: if is_refused { DesiredState::Stopped } else { DesiredState::Running },
    }
}

/// The row after this message.
fn advance(workspace: &Workspace, observation: &Observation<'_>) -> Workspace {
    let mut next = workspace.clone();
    // A tombstone stays one, whatever is reported (invariant I3).
    if workspace.state().is_finished() {
        return next;
    }
    // What stands in place of what cannot be read is not to be stored. That it is gone can be.
    if workspace.unreadable {
        let gone = observation.info.is_some_and(|info| actual_state(info).0 == ActualState::Terminated);
        if gone && workspace.desired_state == DesiredState::Terminated {
            (next.actual_state, next.reason) = (ActualState::Terminated, None);
        }
        return next;
    }
    if let Some(info) = observation.info {
        (next.actual_state, next.reason) = actual_state(info);
        // What was reported last counts, not the highest: a lower one means that the cluster went back.
        next.applied_generation = proven(workspace, info);
        drift::note(workspace, &mut next, info);
        vanished::note(workspace, &mut next, info);
        next.deployment_resource_version = info
            .latest_k8s_deployment_info
            .as_ref()
            .and_then(|deployment| deployment.resource_version.clone());
    } else if let Some(report) = observation.unreadable {
        // What was proven before is proven still.
        (next.actual_state, next.reason) = (ActualState::Error, Some(unreadable(report)));
    } else if let Some(missing) = &observation.missing {
        next.actual_state = ActualState::Unknown;
        match missing {
            Missing::Doubted(reason) => next.reason = Some(reason.clone()),
            Missing::Believed => {
                next.reason = Some(vanished::remade("the agent's full report does not hold this workspace"));
                next.applied_generation = Generation::default();
                next.deployment_resource_version = None;
            }
        }
    }
    // Terminated is reached on purpose only: a namespace that somebody deleted is to be made again.
    if next.actual_state == ActualState::Terminated && next.desired_state != DesiredState::Terminated {
        next.actual_state = ActualState::Unknown;
        next.applied_generation = Generation::default();
    }
    // The cluster is ahead of the database, which can only be after a restore: intent has to overtake it.
    if next.applied_generation.outruns(next.generation) {
        next.generation = next.applied_generation;
        raise(&mut next);
    } else if next.applied_generation > next.generation {
        // Nobody of ours wrote that number.
        next.applied_generation = Generation::default();
    }
    carry_variables_over(workspace, &mut next);
    if next.desired_state == DesiredState::RestartRequested && restart_is_half_way(&next, observation) {
        next.desired_state = observation.restarted;
        raise(&mut next);
    }
    next
}

/// What proves the generation of changed variables while the workspace is not to run proves nothing of them, as that went without: they
/// are of the next generation then, by which it may be started.
fn carry_variables_over(before: &Workspace, next: &mut Workspace) {
    let were_awaited = before.applied_generation < before.variables_generation;
    let are_proven = next.applied_generation >= next.variables_generation;
    if before.desired_state != DesiredState::Running && were_awaited && are_proven {
        next.variables_generation = next.generation.next();
    }
}

/// Where the count begins anew, nothing is proven.
fn raise(workspace: &mut Workspace) {
    workspace.generation = workspace.generation.next();
    if workspace.generation == Generation::FIRST {
        workspace.applied_generation = Generation::default();
    }
}

/// The generation that a report proves. With other replicas than that generation asked for it proves none: somebody scaled
/// the Deployment by hand, and the directive has to go out again until it is as wanted.
///
/// Nor does a number that nobody of ours has written.
fn proven(workspace: &Workspace, info: &WorkspaceAgentInfo) -> Generation {
    let applied = info.applied_generation.unwrap_or_default();
    if applied > workspace.generation && !applied.outruns(workspace.generation) {
        return Generation::default();
    }
    let found = info.latest_k8s_deployment_info.as_ref().and_then(|deployment| deployment.replicas);
    let scaled = workspace.desired_state.replicas().zip(found).is_some_and(|(wanted, found)| wanted != found);
    if applied == workspace.generation && scaled { Generation::default() } else { applied }
}

/// Scaled down at the generation that asked for it.
fn restart_is_half_way(next: &Workspace, observation: &Observation<'_>) -> bool {
    next.applied_generation == next.generation
        && (next.actual_state == ActualState::Stopped || observation.info.is_some_and(proves_scaled_down))
}

/// Whether a row that is pending leads to no directive as long as its agent says nothing of it.
pub fn is_silent(workspace: &Workspace) -> bool {
    let scaled_down = workspace.actual_state == ActualState::Stopped;
    let restarts = workspace.desired_state == DesiredState::RestartRequested;
    let proven = workspace.applied_generation == workspace.generation;
    workspace.desired_state != DesiredState::Terminated
        && (workspace.unreadable || is_held(workspace) || restarts && proven && !scaled_down)
}

/// Its loss is suspected: whatever users want of it meanwhile, it would get an empty volume.
fn is_held(workspace: &Workspace) -> bool {
    workspace.reason.as_ref().is_some_and(|reason| reason.reason == LOSS_SUSPECTED)
}

/// The directive for one workspace; `None` when there is nothing to say.
fn direct(
    snapshot: &Snapshot,
    next: &Workspace,
    observation: &Observation<'_>,
    abilities: Abilities,
) -> Option<(Cause, PlannedDirective)> {
    let terminate = next.desired_state == DesiredState::Terminated;
    let gone = observation.info.is_some_and(|info| actual_state(info).0 == ActualState::Terminated);
    let variables_missing = observation.info.is_some_and(|info| info.variables_missing);
    let runs = next.desired_state == DesiredState::Running;

    let cause = if next.state().is_finished() {
        if !observation.reported {
            return None;
        }
        if gone { Cause::Acknowledged } else { Cause::Resurrected }
    } else if terminate {
        Cause::NotYetGone
    } else if next.unreadable {
        // Nothing can be made of it.
        if !observation.reported {
            return None;
        }
        Cause::Acknowledged
    } else if is_held(next) && observation.info.is_none() {
        return None;
    } else if matches!(observation.missing, Some(Missing::Believed)) {
        Cause::MissingInCluster
    } else if next.applied_generation == Generation::default() {
        Cause::NeverApplied
    } else if next.applied_generation < next.generation {
        Cause::GenerationBehind
    } else if variables_missing && runs {
        Cause::VariablesMissing
    } else if observation.info.is_some_and(|info| !info.drift.is_empty()) {
        Cause::Drifted
    } else if observation.asked {
        Cause::CredentialsWanted
    } else if observation.reported {
        Cause::Acknowledged
    } else {
        return None;
    };

    let action = match cause {
        Cause::Acknowledged | Cause::CredentialsWanted => Action::None,
        Cause::NotYetGone | Cause::Resurrected => Action::Terminate,
        Cause::NeverApplied | Cause::MissingInCluster => Action::Create,
        Cause::GenerationBehind | Cause::VariablesMissing | Cause::Drifted => Action::Update,
    };
    let applies = matches!(action, Action::Create | Action::Update);
    let directive = WorkspaceDirective {
        workspace_id: next.id,
        name: next.name.clone(),
        namespace: next.namespace.clone(),
        action,
        desired_state: next.desired_state,
        actual_state: next.actual_state,
        deployment_resource_version: acknowledged(next, observation),
        generation: next.generation,
        config_to_apply: applies.then(|| objects::render(snapshot, next)),
        variables: None,
        credentials: None,
    };
    let first_configuration = matches!(cause, Cause::NeverApplied | Cause::MissingInCluster);
    let changed = next.applied_generation < next.variables_generation;
    let variables_wanted = applies && runs && (first_configuration || variables_missing || changed);
    // A pod that starts finds fresh ones: they are written before the Deployment.
    let issued = abilities.takes_git_credentials && snapshot.git_version > 0 && !terminate;
    let credentials_wanted = issued && (applies && runs || observation.asked);
    Some((cause, PlannedDirective { directive, variables_wanted, credentials_wanted }))
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
        variables_generation: next.variables_generation,
        deployment_resource_version: next.deployment_resource_version.clone(),
        intent,
    })
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "git_tests.rs"]
mod git_tests;

#[cfg(test)]
#[path = "reconcile_requests_tests.rs"]
mod requests_tests;
