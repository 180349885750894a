//! What its agent would not take if it were started.

use berth_schema::lifecycle::{Deadline, LifecycleAction, LifecycleRule};
use berth_schema::why::{Actor, Situation};
use berth_schema::{ActualState as A, DesiredState as D};

use super::{at, case};
use crate::admission::Refusal;

#[test]
fn what_is_stopped_and_not_taken_any_more_says_who_may_change_that_and_until_when() {
    let mut stopped = case(D::Stopped, A::Stopped, 3, 3);
    stopped.refusal = Some(Refusal::NotAllowed);
    let answer = stopped.is(Situation::AgentNotAllowed, Actor::Administrator, 10, None);
    assert!(answer.cause.contains("Its volume is kept."), "{}", answer.cause);
    assert!(
        answer.cause.contains("agent 'berlin' is not allowed for project 'platform/api'"),
        "{}",
        answer.cause
    );
    let action = answer.next.expect("a step").action;
    assert!(action.contains("`berth agents allow berlin --group platform`"), "{action}");
    stopped.deadline = Some(Deadline {
        rule: LifecycleRule::MaxAgeHours,
        action: LifecycleAction::Terminate,
        at: at(5_000),
        extended_hours: 0,
        extendable_hours: 0,
    });
    let next =
        stopped.is(Situation::AgentNotAllowed, Actor::Administrator, 10, Some(5_000)).next.expect("a step");
    assert!(
        next.action.ends_with("The rule max_age_hours deletes it with its volume then."),
        "{}",
        next.action
    );
}

#[test]
fn what_runs_goes_on_and_tells_beforehand() {
    let mut running = case(D::Running, A::Running, 3, 3);
    running.refusal = Some(Refusal::LeftOut);
    let answer = running.is(Situation::Running, Actor::User, 10, None);
    assert!(answer.cause.starts_with("It runs, as wanted."), "{}", answer.cause);
    assert!(answer.cause.contains("goes on until its next start"), "{}", answer.cause);
    assert!(answer.cause.contains("leaves out project 'platform/api'"), "{}", answer.cause);
}

#[test]
fn what_is_to_go_or_is_gone_tells_nothing_of_it() {
    for actual in [A::Running, A::Stopped, A::Terminating, A::Terminated] {
        let mut leaving = case(D::Terminated, actual, 3, 3);
        let without = leaving.why();
        leaving.refusal = Some(Refusal::NotAllowed);
        assert_eq!(leaving.why(), without.clone(), "{actual}");
    }
}
