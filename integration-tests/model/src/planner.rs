//! `berth_planner::reconcile` for one workspace. `tests/planner.rs` holds it against the real one.

use berth_schema::reconcile::{Action, TerminationProgress, UpdateType};
use berth_schema::{ActualState, DesiredState};

use crate::config::{Proof, Repeat, RestartEnd, Rules};
use crate::network::{Directive, Info, Request};
use crate::state::{Generation, Row};

/// The row after a message, and what is answered.
pub fn decide(rules: Rules, row: &Row, info: Option<Info>, request: &Request) -> (Row, Option<Directive>) {
    let outdated =
        rules.proof != Proof::Arrival && row.reported.is_some_and(|stored| stored > request.position());
    let missing = request.update_type == UpdateType::Full && info.is_none() && !outdated;
    let next = advance(rules, row, info.filter(|_| !outdated), missing);
    let action = action(rules, &next, info, info.filter(|_| !outdated));
    let directive = action.map(|action| Directive {
        action,
        desired_state: next.desired_state,
        actual_state: next.actual_state,
        generation: next.generation,
        deployment_resource_version: next.deployment_resource_version,
    });
    (next, directive)
}

fn advance(rules: Rules, row: &Row, info: Option<Info>, missing: bool) -> Row {
    let mut next = *row;
    if row.state().is_finished() {
        return next;
    }
    if let Some(info) = info {
        let applied = proven(row, info);
        next.actual_state = actual_state(info);
        next.applied_generation = match rules.proof {
            Proof::Last | Proof::Arrival => applied,
            Proof::Maximum => applied.max(row.applied_generation),
        };
        next.deployment_resource_version = info.object.map(|object| object.version);
    } else if missing && row.applied_generation > 0 {
        next.actual_state = ActualState::Unknown;
        next.applied_generation = 0;
        next.deployment_resource_version = None;
    }
    // Terminated is reached on purpose only.
    if next.actual_state == ActualState::Terminated && next.desired_state != DesiredState::Terminated {
        next.actual_state = ActualState::Unknown;
        next.applied_generation = 0;
    }
    if next.applied_generation > next.generation {
        next.generation = next.applied_generation + 1;
    }
    if next.desired_state == DesiredState::RestartRequested && restart_is_half_way(rules, &next, info) {
        next.desired_state = DesiredState::Running;
        next.generation += 1;
        next.unanswered = true;
    }
    next
}

/// The generation that a report proves: none when somebody scaled the Deployment by hand.
fn proven(row: &Row, info: Info) -> Generation {
    let Some(object) = info.object else { return 0 };
    let scaled = row.desired_state.replicas().is_some_and(|wanted| (wanted == 1) != object.scaled_up);
    if object.generation == row.generation && scaled { 0 } else { object.generation }
}

fn restart_is_half_way(rules: Rules, next: &Row, info: Option<Info>) -> bool {
    let object = info.and_then(|info| info.object);
    let scaled_down = object.is_some_and(|object| !object.scaled_up && !object.pod);
    let stopped = next.actual_state == ActualState::Stopped;
    match rules.restart {
        RestartEnd::Proven => next.applied_generation == next.generation && (stopped || scaled_down),
        RestartEnd::Stopped => stopped,
    }
}

fn actual_state(info: Info) -> ActualState {
    match (info.progress, info.object) {
        (Some(TerminationProgress::Terminated), _) => ActualState::Terminated,
        (Some(TerminationProgress::Terminating), _) => ActualState::Terminating,
        (None, None) => ActualState::Unknown,
        (None, Some(object)) => match (object.scaled_up, object.pod) {
            (true, true) => ActualState::Running,
            (true, false) => ActualState::Starting,
            (false, true) => ActualState::Stopping,
            (false, false) => ActualState::Stopped,
        },
    }
}

/// `info` is what the message holds, `taken` what is believed of it.
fn action(rules: Rules, next: &Row, info: Option<Info>, taken: Option<Info>) -> Option<Action> {
    let gone = taken.is_some_and(|info| info.progress == Some(TerminationProgress::Terminated));
    if next.state().is_finished() {
        return info.map(|_| if gone { Action::None } else { Action::Terminate });
    }
    let wanted = match rules.repeat {
        Repeat::UntilProven => {
            next.desired_state == DesiredState::Terminated || next.applied_generation < next.generation
        }
        Repeat::UntilAnswered | Repeat::ByTimestamp => next.unanswered,
    };
    match (wanted, next.desired_state) {
        (true, DesiredState::Terminated) => Some(Action::Terminate),
        (true, _) if next.applied_generation == 0 => Some(Action::Create),
        (true, _) => Some(Action::Update),
        (false, _) => info.map(|_| Action::None),
    }
}
