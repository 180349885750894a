//! The planted mistakes of a server: they change what goes into the planner or what comes out of it, never the planner.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use berth_planner::{Plan, PlannedDirective, Snapshot};
use berth_schema::reconcile::{Action, ReconcileRequest, UpdateType};
use berth_schema::{ActualState, DesiredState, Generation, WorkspaceId};
use jiff::Timestamp;

use crate::bugs::Bug;
use crate::environment::Environment;
use crate::store::{Row, StoreError};

/// Columns that only a mistaken server has.
#[derive(Debug, Default)]
pub struct Mistakes {
    answered_at: RefCell<BTreeMap<WorkspaceId, Timestamp>>,
    answered: RefCell<BTreeSet<(WorkspaceId, Generation)>>,
}

/// What a mistaken server gives up a whole round for.
pub(super) fn stumble(env: &Environment, rows: &[Row], request: &ReconcileRequest) -> Result<(), StoreError> {
    let poisoned = request.workspace_agent_infos.count_unreadable() > 0
        || rows.iter().any(|row| row.workspace.unreadable);
    if env.has(Bug::PoisonEndsTheRound) && poisoned { Err(StoreError::Unavailable) } else { Ok(()) }
}

/// What a mistaken server takes for the request.
pub(super) fn mishear<'a>(
    env: &Environment,
    snapshot: &Snapshot,
    request: &'a ReconcileRequest,
) -> Cow<'a, ReconcileRequest> {
    if !env.has(Bug::AcknowledgementByMaximum) {
        return Cow::Borrowed(request);
    }
    let mut request = request.clone();
    for info in request.workspace_agent_infos.iter_mut() {
        let row = snapshot.workspaces.iter().find(|workspace| workspace.id == info.workspace_id);
        let proven = row.map(|workspace| workspace.applied_generation).filter(|proven| proven.get() > 0);
        info.applied_generation = info.applied_generation.max(proven);
    }
    Cow::Owned(request)
}

/// What a mistaken server makes of the plan.
pub(super) fn misplan(
    env: &Environment,
    rows: &[Row],
    request: &ReconcileRequest,
    plan: &mut Plan,
    now: Timestamp,
) {
    match env.bug {
        Some(Bug::TimestampRule) => by_timestamp(&env.mistakes, rows, request, plan, now),
        Some(Bug::ForgettingOnFirstAnswer) => once_only(&env.mistakes, request, plan),
        Some(Bug::RestartWaitsForStopped) => wait_for_stopped(rows, plan),
        Some(Bug::PoisonIsPassedOver) => pass_over(rows, plan),
        _ => {}
    }
}

fn by_timestamp(
    mistakes: &Mistakes,
    rows: &[Row],
    request: &ReconcileRequest,
    plan: &mut Plan,
    now: Timestamp,
) {
    let mut answered_at = mistakes.answered_at.borrow_mut();
    for planned in &mut plan.directives {
        let id = planned.directive.workspace_id;
        let row = rows.iter().find(|row| row.workspace.id == id);
        let changed = row.map(|row| row.intent_changed_at);
        let told = answered_at.insert(id, now).is_some_and(|answered| changed < Some(answered));
        if told && request.update_type == UpdateType::Partial {
            say_nothing(planned);
        }
    }
}

fn once_only(mistakes: &Mistakes, request: &ReconcileRequest, plan: &mut Plan) {
    let mut answered = mistakes.answered.borrow_mut();
    for planned in &mut plan.directives {
        let directive = &planned.directive;
        let first = answered.insert((directive.workspace_id, directive.generation));
        if !first && request.update_type == UpdateType::Partial {
            say_nothing(planned);
        }
    }
}

fn pass_over(rows: &[Row], plan: &mut Plan) {
    let unreadable = |id| rows.iter().any(|row| row.workspace.id == id && row.workspace.unreadable);
    plan.directives.retain(|planned| !unreadable(planned.directive.workspace_id));
}

fn wait_for_stopped(rows: &[Row], plan: &mut Plan) {
    let waits = |id: WorkspaceId, next: Option<ActualState>| {
        let row = rows.iter().find(|row| row.workspace.id == id).map(|row| &row.workspace);
        row.filter(|row| {
            row.desired_state == DesiredState::RestartRequested
                && (row.actual_state == ActualState::Stopped || next != Some(ActualState::Stopped))
        })
    };
    for update in &mut plan.updates {
        if waits(update.workspace_id, Some(update.actual_state)).is_some() {
            update.intent = None;
        }
    }
    for planned in &mut plan.directives {
        let directive = &mut planned.directive;
        let row = waits(directive.workspace_id, Some(directive.actual_state));
        if let Some(row) = row.filter(|row| row.generation < directive.generation) {
            directive.desired_state = row.desired_state;
            directive.generation = row.generation;
            say_nothing(planned);
        }
    }
}

fn say_nothing(planned: &mut PlannedDirective) {
    planned.directive.action = Action::None;
    planned.directive.config_to_apply = None;
    planned.variables_wanted = false;
}
