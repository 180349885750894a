//! Row locks: who waits for whom, and what is looked at again after waiting.

use std::pin::pin;

use berth_schema::{ActualState, DesiredState, Generation, WorkspaceSpec};
use berth_simulation::store::{Intent, StoreError, Transaction as _, UpdateOutcome};

use crate::ground::{
    AGENTS, Ground, begin, create, id, look, now, report, row, unless_blocked, update, want,
};
use crate::on_both;

const STOPPED: Intent = Intent::Desired(DesiredState::Stopped);
const RUNNING: Intent = Intent::Desired(DesiredState::Running);

async fn a_second_writer_waits_and_builds_upon_the_first<G: Ground>(ground: &G) {
    create(ground, 1).await;
    let (mut first, mut second) = (begin(ground).await, begin(ground).await);
    first.change_intent(id(1), None, STOPPED, now()).await.expect("it can be changed");
    {
        let mut waiting = pin!(second.change_intent(id(1), None, RUNNING, now()));
        assert!(unless_blocked(ground, &mut waiting).await.is_none(), "it did not wait");
        first.commit().await.expect("it is committed");
        assert_eq!(waiting.await.expect("it goes on").workspace.generation, Generation::of(3));
    }
    second.commit().await.expect("it is committed");
    assert_eq!(look(ground, 1).await.expect("a row").workspace.desired_state, DesiredState::Running);
}

async fn a_second_writer_goes_on_as_if_a_rolled_back_one_had_not_been<G: Ground>(ground: &G) {
    create(ground, 1).await;
    let (mut first, mut second) = (begin(ground).await, begin(ground).await);
    first.change_intent(id(1), None, STOPPED, now()).await.expect("it can be changed");
    let mut waiting = pin!(second.change_intent(id(1), Some(Generation::of(1)), RUNNING, now()));
    assert!(unless_blocked(ground, &mut waiting).await.is_none(), "it did not wait");
    first.roll_back().await;
    assert_eq!(waiting.await.expect("it goes on").workspace.generation, Generation::of(2));
}

async fn of_two_who_saw_one_generation_the_slower_is_refused<G: Ground>(ground: &G) {
    create(ground, 1).await;
    let (mut first, mut second) = (begin(ground).await, begin(ground).await);
    let seen = Some(Generation::of(1));
    first.change_intent(id(1), seen, STOPPED, now()).await.expect("it can be changed");
    let mut waiting = pin!(second.change_intent(id(1), seen, RUNNING, now()));
    assert!(unless_blocked(ground, &mut waiting).await.is_none(), "it did not wait");
    first.commit().await.expect("it is committed");
    assert_eq!(waiting.await, Err(StoreError::Generation { current: Generation::of(2) }));
    assert_eq!(look(ground, 1).await.expect("a row").workspace.desired_state, DesiredState::Stopped);
}

async fn a_condition_that_is_false_does_not_wait_until_it_is_true<G: Ground>(ground: &G) {
    create(ground, 1).await;
    let (mut first, mut second) = (begin(ground).await, begin(ground).await);
    first.change_intent(id(1), None, STOPPED, now()).await.expect("it can be changed");
    let refused = second.change_intent(id(1), Some(Generation::of(2)), RUNNING, now()).await;
    assert_eq!(refused, Err(StoreError::Generation { current: Generation::of(1) }));
    // Being refused ends nothing.
    assert!(second.find(id(1)).await.expect("works").is_some());
    first.commit().await.expect("it is committed");
    assert!(second.change_intent(id(1), Some(Generation::of(2)), RUNNING, now()).await.is_ok());
}

async fn a_workspace_is_inserted_once<G: Ground>(ground: &G) {
    let (mut first, mut second, mut third) = (begin(ground).await, begin(ground).await, begin(ground).await);
    first.insert(row(1)).await.expect("it is new");
    {
        let mut waiting = pin!(second.insert(row(1)));
        assert!(unless_blocked(ground, &mut waiting).await.is_none(), "it did not wait");
        first.commit().await.expect("it is committed");
        assert_eq!(waiting.await, Err(StoreError::Exists));
    }
    // What was refused takes its transaction with it.
    assert_eq!(second.find(id(1)).await, Err(StoreError::Unavailable));
    assert_eq!(second.commit().await, Err(StoreError::Unavailable));

    third.insert(row(2)).await.expect("it is new");
    let mut fourth = begin(ground).await;
    let mut waiting = pin!(fourth.insert(row(2)));
    assert!(unless_blocked(ground, &mut waiting).await.is_none(), "it did not wait");
    third.roll_back().await;
    assert_eq!(waiting.await, Ok(()));
}

async fn a_name_is_free_again_when_its_workspace_is_gone<G: Ground>(ground: &G) {
    create(ground, 1).await;
    let mut namesake = row(2);
    namesake.workspace.name = row(1).workspace.name;
    let mut transaction = begin(ground).await;
    assert_eq!(transaction.insert(namesake.clone()).await, Err(StoreError::Exists));
    transaction.roll_back().await;

    want(ground, 1, DesiredState::Terminated).await.expect("it can be changed");
    let mut ending = begin(ground).await;
    let gone = [update(1, 2, ActualState::Terminated)];
    let outcomes = ending.apply_updates(report(1, 1), &gone).await.expect("works");
    assert_eq!(outcomes[&id(1)], UpdateOutcome::Stored);
    let mut transaction = begin(ground).await;
    {
        let mut waiting = pin!(transaction.insert(namesake));
        assert!(unless_blocked(ground, &mut waiting).await.is_none(), "it did not wait");
        ending.commit().await.expect("it is committed");
        assert_eq!(waiting.await, Ok(()));
    }
    transaction.commit().await.expect("it is committed");
}

async fn a_rebuild_changes_what_it_is_made_of_and_nothing_else<G: Ground>(ground: &G) {
    create(ground, 1).await;
    let spec = WorkspaceSpec::from_image("registry.example/image:2");
    let mut transaction = begin(ground).await;
    let rebuilt =
        transaction.change_intent(id(1), None, Intent::Rebuild(Box::new(spec.clone())), now()).await;
    transaction.commit().await.expect("it is committed");
    let mut expected = row(1).workspace;
    (expected.generation, expected.spec) = (Generation::of(2), spec);
    assert_eq!(rebuilt.expect("it can be rebuilt").workspace, expected);
    assert_eq!(look(ground, 1).await.expect("a row").workspace, expected);
}

async fn what_is_wanted_gone_is_never_wanted_otherwise<G: Ground>(ground: &G) {
    create(ground, 1).await;
    assert_eq!(want(ground, 9, DesiredState::Stopped).await, Err(StoreError::NotFound));
    want(ground, 1, DesiredState::Terminated).await.expect("it can be changed");
    for desired in [DesiredState::Running, DesiredState::Terminated] {
        assert_eq!(want(ground, 1, desired).await, Err(StoreError::Terminated));
    }
    let mut transaction = begin(ground).await;
    let insisting = transaction.change_intent(id(1), Some(Generation::of(1)), RUNNING, now()).await;
    assert_eq!(insisting, Err(StoreError::Terminated));
}

async fn what_was_gone_before_it_was_wanted_gone_has_to_be_proven_anew<G: Ground>(ground: &G) {
    create(ground, 1).await;
    let mut transaction = begin(ground).await;
    let gone = [update(1, 1, ActualState::Terminated)];
    transaction.apply_updates(report(1, 1), &gone).await.expect("works");
    transaction.commit().await.expect("it is committed");
    let row = want(ground, 1, DesiredState::Terminated).await.expect("it can be changed");
    assert_eq!(row.workspace.actual_state, ActualState::Unknown);
    let mut transaction = begin(ground).await;
    assert_eq!(transaction.pending(AGENTS[0]).await.expect("works").len(), 1);
}

on_both!(
    a_second_writer_waits_and_builds_upon_the_first,
    a_second_writer_goes_on_as_if_a_rolled_back_one_had_not_been,
    of_two_who_saw_one_generation_the_slower_is_refused,
    a_condition_that_is_false_does_not_wait_until_it_is_true,
    a_workspace_is_inserted_once,
    a_name_is_free_again_when_its_workspace_is_gone,
    a_rebuild_changes_what_it_is_made_of_and_nothing_else,
    what_is_wanted_gone_is_never_wanted_otherwise,
    what_was_gone_before_it_was_wanted_gone_has_to_be_proven_anew,
);
