//! How far the start of a workspace is, by what it went through.

use berth_schema::timeline::Transition;
use berth_schema::{ActualState, DesiredState};

use crate::pages::times::took;

/// One step of a start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) is_done: bool,
    /// What is being done at the moment.
    pub(super) is_now: bool,
    /// How long it took.
    pub(super) took: String,
}

/// The steps of the newest start. `timeline`: the newest first. None where it is not to run, or where its beginning is not among them.
pub(super) fn steps(timeline: &[Transition]) -> Vec<Step> {
    let Some(newest) = timeline.first().filter(|newest| newest.desired_state == DesiredState::Running) else {
        return Vec::new();
    };
    let is_of_the_start = |transition: &&Transition| transition.generation == newest.generation;
    let start: Vec<&Transition> = timeline.iter().take_while(is_of_the_start).collect();
    let begins_here = start.len() < timeline.len() || start.last().is_some_and(|first| first.number == 1);
    let Some(asked) = start.last().filter(|_| begins_here) else { return Vec::new() };
    let applied = start.iter().rev().find(|transition| transition.applied_generation == newest.generation);
    let runs = applied.and_then(|applied| {
        let mut later = start.iter().rev().filter(|transition| transition.number >= applied.number);
        later.find(|transition| transition.actual_state == ActualState::Running)
    });
    let moments = [Some(asked), applied, runs].map(|transition| transition.map(|transition| transition.at));
    let names = ["Asked for", "Taken up by the agent", "Image, volume and containers are there"];
    let mut steps = Vec::with_capacity(names.len());
    for (at, name) in names.into_iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| moments[before]);
        let took = moments[at].zip(before).map(|(then, before)| took(then.duration_since(before)));
        let is_done = moments[at].is_some();
        let is_now = !is_done && before.is_some();
        steps.push(Step { name, is_done, is_now, took: took.unwrap_or_default() });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::Generation;
    use berth_schema::state::TransitionCause;

    /// Of a second, with what is wanted and there: the oldest first.
    fn timeline(all: &[(i64, DesiredState, ActualState, i64, i64)]) -> Vec<Transition> {
        let transitions =
            all.iter().zip(1..).map(|(&(second, desired_state, actual_state, wanted, applied), number)| {
                Transition {
                    number,
                    at: jiff::Timestamp::from_second(second).expect("a time"),
                    desired_state,
                    actual_state,
                    reason: None,
                    generation: Generation::of(wanted),
                    applied_generation: Generation::of(applied),
                    cause: TransitionCause::Agent,
                    token_id: None,
                    token: None,
                    member: None,
                }
            });
        let mut all: Vec<_> = transitions.collect();
        all.reverse();
        all
    }

    fn told(timeline: &[Transition]) -> Vec<String> {
        let told = steps(timeline).into_iter().map(|step| match (step.is_done, step.is_now) {
            (true, _) => format!("done {}", step.took),
            (_, true) => "now".to_owned(),
            _ => "later".to_owned(),
        });
        told.collect()
    }

    use ActualState as Is;
    use DesiredState as Wanted;

    const RUN: [(i64, Wanted, Is, i64, i64); 3] = [
        (0, Wanted::Running, Is::CreationRequested, 1, 0),
        (2, Wanted::Running, Is::Starting, 1, 1),
        (15, Wanted::Running, Is::Running, 1, 1),
    ];

    #[test]
    fn a_start_goes_on_step_by_step() {
        assert_eq!(told(&timeline(&RUN[..1])), ["done ", "now", "later"]);
        assert_eq!(told(&timeline(&RUN[..2])), ["done ", "done 2.0 s", "now"]);
        assert_eq!(told(&timeline(&RUN)), ["done ", "done 2.0 s", "done 13 s"]);
    }

    #[test]
    fn what_ran_before_it_was_changed_is_none_of_the_new_start() {
        let changed = [(20, Wanted::Running, Is::Running, 2, 1), (21, Wanted::Running, Is::Starting, 2, 2)];
        let all = [&RUN[..], &changed[..1]].concat();
        assert_eq!(told(&timeline(&all)), ["done ", "now", "later"]);
        assert_eq!(told(&timeline(&[&RUN[..], &changed].concat())), ["done ", "done 1.0 s", "now"]);
    }

    #[test]
    fn what_is_not_to_run_or_began_too_long_ago_has_no_steps() {
        let stopped = (30, Wanted::Stopped, Is::Running, 2, 1);
        assert!(steps(&timeline(&[&RUN[..], &[stopped]].concat())).is_empty());
        assert!(steps(&[]).is_empty());
        let mut cut = timeline(&RUN);
        cut.pop();
        assert!(steps(&cut).is_empty(), "its beginning is not there");
    }
}
