//! What agents report: its order, and the conditions under which it is stored.

use std::pin::pin;

use berth_planner::{IntentChange, LOSS_SUSPECTED, WorkspaceUpdate};
use berth_schema::api::{StateReason, SuspectedLoss};
use berth_schema::{ActualState, DesiredState, Generation, TermId};
use berth_simulation::store::{Intent, Leader, Order, Report, Transaction as _, UpdateOutcome};

use crate::ground::{
    AGENTS, Ground, begin, create, id, leader, look, now, report, row, unless_blocked, update, want,
};
use crate::on_both;
use uuid::Uuid;

/// Commits one update; what became of it.
async fn tell<G: Ground>(ground: &G, report: Report, update: WorkspaceUpdate) -> UpdateOutcome {
    let id = update.workspace_id;
    let mut transaction = begin(ground).await;
    let outcomes = transaction.apply_updates(report, &[update]).await.expect("works");
    transaction.commit().await.expect("it is committed");
    assert_eq!(outcomes.len(), 1);
    outcomes[&id]
}

fn restarted(seen: i64) -> WorkspaceUpdate {
    let intent = IntentChange { desired_state: DesiredState::Running, generation: Generation::of(seen + 1) };
    WorkspaceUpdate { intent: Some(intent), ..update(1, seen, ActualState::Stopped) }
}

async fn messages_have_an_order<G: Ground>(ground: &G) {
    let told = [
        ((2, 5), Order::Newest),
        ((2, 5), Order::Repeated),
        ((2, 4), Order::Repeated),
        ((2, 6), Order::Newest),
        ((1, 99), Order::Stale { current: 2 }),
        ((3, 1), Order::Newest),
        ((2, 7), Order::Stale { current: 3 }),
    ];
    for ((epoch, sequence), expected) in told {
        let mut transaction = begin(ground).await;
        let order = transaction.advance(AGENTS[0], leader(epoch), sequence).await;
        assert_eq!(order, Ok(expected), "{epoch}/{sequence}");
        transaction.commit().await.expect("it is committed");
    }
    let mut transaction = begin(ground).await;
    assert_eq!(
        transaction.advance(AGENTS[1], leader(1), 1).await,
        Ok(Order::Newest),
        "agents have their own"
    );
}

async fn an_epoch_is_raised_and_never_lowered<G: Ground>(ground: &G) {
    for (epoch, expected) in
        [(2, Order::Newest), (2, Order::Newest), (1, Order::Stale { current: 2 }), (3, Order::Newest)]
    {
        let mut transaction = begin(ground).await;
        assert_eq!(transaction.raise_epoch(AGENTS[0], leader(epoch)).await, Ok(expected), "{epoch}");
        transaction.commit().await.expect("it is committed");
    }
    let mut transaction = begin(ground).await;
    // A new epoch's first report comes after its raising.
    assert_eq!(transaction.advance(AGENTS[0], leader(3), 1).await, Ok(Order::Newest));
}

/// Of two processes in one epoch the one that was heard first goes on.
async fn another_term_in_the_same_epoch_is_stale<G: Ground>(ground: &G) {
    let term = |number| Leader { epoch: 2, term: Some(TermId::from_uuid(Uuid::from_u128(number))) };
    let told = [
        (term(1), 1, Order::Newest),
        (term(2), 9, Order::Stale { current: 2 }),
        (leader(2), 9, Order::Stale { current: 2 }),
        (term(1), 1, Order::Repeated),
        (term(1), 2, Order::Newest),
        (leader(3), 1, Order::Newest),
        (term(1), 3, Order::Stale { current: 3 }),
    ];
    for (leader, sequence, expected) in told {
        let mut transaction = begin(ground).await;
        let order = transaction.advance(AGENTS[0], leader, sequence).await;
        assert_eq!(order, Ok(expected), "{leader:?}/{sequence}");
        transaction.commit().await.expect("it is committed");
    }
}

async fn what_is_suspected_to_be_lost_is_kept_with_the_agent<G: Ground>(ground: &G) {
    create(ground, 1).await;
    create(ground, 2).await;
    let suspected = StateReason { reason: LOSS_SUSPECTED.into(), message: "many".into() };
    let doubted = WorkspaceUpdate { reason: Some(suspected), ..update(1, 1, ActualState::Unknown) };
    tell(ground, report(1, 1), doubted).await;
    tell(ground, report(1, 2), update(2, 1, ActualState::Running)).await;
    let loss = SuspectedLoss {
        since: now(),
        missing: 1,
        applied: 2,
        needs_confirmation: true,
        fingerprint: Uuid::from_u128(7),
    };
    let mut transaction = begin(ground).await;
    assert_eq!(transaction.loss(AGENTS[0]).await, Ok(None));
    transaction.set_loss(AGENTS[0], Some(loss)).await.expect("it is there");
    transaction.commit().await.expect("it is committed");
    let mut transaction = begin(ground).await;
    assert_eq!(transaction.loss(AGENTS[0]).await, Ok(Some(loss)));
    assert_eq!(transaction.loss(AGENTS[1]).await, Ok(None));
    assert_eq!(transaction.applied(AGENTS[0]).await, Ok(vec![id(1), id(2)]));
    let gone = StateReason { reason: "Lost".into(), message: "said by a person".into() };
    transaction.confirm_loss(AGENTS[0], gone.clone()).await.expect("works");
    assert_eq!(transaction.applied(AGENTS[0]).await, Ok(vec![id(2)]));
    transaction.commit().await.expect("it is committed");
    let workspace = look(ground, 1).await.expect("a row").workspace;
    assert_eq!((workspace.applied_generation, workspace.reason), (Generation::of(0), Some(gone)));
}

async fn reports_of_one_agent_are_taken_one_after_the_other<G: Ground>(ground: &G) {
    let (mut first, mut second, mut third) = (begin(ground).await, begin(ground).await, begin(ground).await);
    assert_eq!(first.advance(AGENTS[0], leader(1), 2).await, Ok(Order::Newest));
    assert_eq!(
        third.advance(AGENTS[1], leader(1), 1).await,
        Ok(Order::Newest),
        "another agent's do not wait"
    );
    let mut waiting = pin!(second.advance(AGENTS[0], leader(1), 1));
    assert!(unless_blocked(ground, &mut waiting).await.is_none(), "it did not wait");
    first.commit().await.expect("it is committed");
    assert_eq!(waiting.await, Ok(Order::Repeated));
}

async fn a_delayed_report_is_not_stored<G: Ground>(ground: &G) {
    create(ground, 1).await;
    assert_eq!(tell(ground, report(2, 5), update(1, 1, ActualState::Running)).await, UpdateOutcome::Stored);
    for (epoch, sequence) in [(2, 5), (2, 4), (1, 99)] {
        let old = tell(ground, report(epoch, sequence), update(1, 1, ActualState::Starting)).await;
        assert_eq!(old, UpdateOutcome::Outdated, "{epoch}/{sequence}");
    }
    let row = look(ground, 1).await.expect("a row");
    assert_eq!((row.workspace.actual_state, row.workspace.reported), (ActualState::Running, Some((2, 5))));
}

async fn a_repeated_report_is_stored_already_and_keeps_its_place<G: Ground>(ground: &G) {
    create(ground, 1).await;
    for place in [(2, 5), (2, 5), (1, 1), (2, 9)] {
        let outcome = tell(ground, report(place.0, place.1), update(1, 1, ActualState::Running)).await;
        assert_eq!(outcome, UpdateOutcome::Stored, "{place:?}");
    }
    assert_eq!(look(ground, 1).await.expect("a row").workspace.reported, Some((2, 5)));
}

async fn a_lower_proof_that_comes_later_counts<G: Ground>(ground: &G) {
    create(ground, 1).await;
    want(ground, 1, DesiredState::Stopped).await.expect("it can be changed");
    tell(ground, report(1, 1), update(1, 2, ActualState::Stopped)).await;
    let back = tell(ground, report(1, 2), update(1, 1, ActualState::Running)).await;
    assert_eq!(back, UpdateOutcome::Stored);
    assert_eq!(look(ground, 1).await.expect("a row").workspace.applied_generation, Generation::of(1));
}

async fn an_observation_is_stored_whatever_users_want_meanwhile<G: Ground>(ground: &G) {
    create(ground, 1).await;
    let (mut user, mut agent) = (begin(ground).await, begin(ground).await);
    let stopped = Intent::Desired(DesiredState::Stopped);
    user.change_intent(id(1), None, stopped, now()).await.expect("it can be changed");
    {
        let updates = [update(1, 1, ActualState::Running)];
        let mut waiting = pin!(agent.apply_updates(report(1, 1), &updates));
        assert!(unless_blocked(ground, &mut waiting).await.is_none(), "it did not wait");
        user.commit().await.expect("it is committed");
        assert_eq!(waiting.await.expect("works")[&id(1)], UpdateOutcome::Stored);
    }
    agent.commit().await.expect("it is committed");
    let workspace = look(ground, 1).await.expect("a row").workspace;
    assert_eq!((workspace.desired_state, workspace.generation), (DesiredState::Stopped, Generation::of(2)));
    assert_eq!(workspace.actual_state, ActualState::Running);
}

async fn the_end_of_a_restart_counts_at_the_generation_it_was_decided_upon<G: Ground>(ground: &G) {
    create(ground, 1).await;
    want(ground, 1, DesiredState::RestartRequested).await.expect("it can be changed");
    assert_eq!(tell(ground, report(1, 1), restarted(1)).await, UpdateOutcome::Outdated);
    let (mut user, mut agent) = (begin(ground).await, begin(ground).await);
    let stopped = Intent::Desired(DesiredState::Stopped);
    user.change_intent(id(1), None, stopped, now()).await.expect("it can be changed");
    {
        let updates = [restarted(2)];
        let mut waiting = pin!(agent.apply_updates(report(1, 2), &updates));
        assert!(unless_blocked(ground, &mut waiting).await.is_none(), "it did not wait");
        user.commit().await.expect("it is committed");
        assert_eq!(waiting.await.expect("works")[&id(1)], UpdateOutcome::Outdated);
    }
    agent.commit().await.expect("it is committed");
    assert_eq!(look(ground, 1).await.expect("a row").workspace.desired_state, DesiredState::Stopped);

    want(ground, 1, DesiredState::RestartRequested).await.expect("it can be changed");
    assert_eq!(tell(ground, report(1, 3), restarted(4)).await, UpdateOutcome::Stored);
    // Its repetition says what is so already.
    assert_eq!(tell(ground, report(1, 3), restarted(4)).await, UpdateOutcome::Stored);
    let workspace = look(ground, 1).await.expect("a row").workspace;
    assert_eq!((workspace.desired_state, workspace.generation), (DesiredState::Running, Generation::of(5)));
}

async fn a_workspace_ends_only_at_the_generation_it_was_seen_at<G: Ground>(ground: &G) {
    create(ground, 1).await;
    want(ground, 1, DesiredState::Terminated).await.expect("it can be changed");
    let early = tell(ground, report(1, 1), update(1, 1, ActualState::Terminated)).await;
    assert_eq!(early, UpdateOutcome::Outdated);
    assert!(look(ground, 1).await.expect("a row").workspace.state().is_living());
}

async fn a_tombstone_is_never_written_again<G: Ground>(ground: &G) {
    create(ground, 1).await;
    want(ground, 1, DesiredState::Terminated).await.expect("it can be changed");
    assert_eq!(
        tell(ground, report(1, 1), update(1, 2, ActualState::Terminated)).await,
        UpdateOutcome::Stored
    );
    let before = look(ground, 1).await;
    assert_eq!(tell(ground, report(1, 2), update(1, 2, ActualState::Running)).await, UpdateOutcome::Outdated);
    // Told again, it is so already.
    assert_eq!(
        tell(ground, report(9, 9), update(1, 2, ActualState::Terminated)).await,
        UpdateOutcome::Stored
    );
    assert_eq!(look(ground, 1).await, before);
    let mut transaction = begin(ground).await;
    assert_eq!(transaction.applied(AGENTS[0]).await, Ok(vec![]));
    assert_eq!(transaction.pending(AGENTS[0]).await, Ok(vec![]));
    assert_eq!(transaction.of_agent(AGENTS[0], &[id(1)]).await.expect("works").len(), 1);
}

async fn what_is_proven_is_not_pending<G: Ground>(ground: &G) {
    create(ground, 1).await;
    let mut pending = vec![];
    let mut look = async |step: &'static str| {
        let mut transaction = begin(ground).await;
        let found = !transaction.pending(AGENTS[0]).await.expect("works").is_empty();
        transaction.roll_back().await;
        pending.push((step, found));
    };
    look("created").await;
    tell(ground, report(1, 1), update(1, 1, ActualState::Running)).await;
    look("proven").await;
    want(ground, 1, DesiredState::RestartRequested).await.expect("it can be changed");
    tell(ground, report(1, 2), update(1, 2, ActualState::Stopping)).await;
    look("restarting, proven").await;
    tell(ground, report(1, 3), restarted(2)).await;
    look("restarted").await;
    tell(ground, report(1, 4), update(1, 3, ActualState::Running)).await;
    look("proven again").await;
    want(ground, 1, DesiredState::Terminated).await.expect("it can be changed");
    tell(ground, report(1, 5), update(1, 4, ActualState::Terminating)).await;
    look("ending, proven").await;
    let found: Vec<bool> = pending.iter().map(|(_, found)| *found).collect();
    assert_eq!(found, [true, false, true, true, false, true], "{pending:?}");
}

async fn another_agents_workspace_is_left_alone<G: Ground>(ground: &G) {
    create(ground, 1).await;
    let stranger = Report { agent: AGENTS[1], ..report(9, 9) };
    assert_eq!(tell(ground, stranger, update(1, 1, ActualState::Running)).await, UpdateOutcome::Outdated);
    assert_eq!(tell(ground, report(1, 1), update(1, 1, ActualState::Running)).await, UpdateOutcome::Stored);
    // Not even that it is so already is for others to know.
    assert_eq!(tell(ground, stranger, update(1, 1, ActualState::Running)).await, UpdateOutcome::Outdated);
    assert_eq!(tell(ground, report(1, 2), update(9, 1, ActualState::Running)).await, UpdateOutcome::Outdated);
}

async fn a_batch_is_stored_row_by_row<G: Ground>(ground: &G) {
    for number in 1..=3 {
        create(ground, number).await;
    }
    tell(ground, report(2, 2), update(2, 1, ActualState::Running)).await;
    let mut transaction = begin(ground).await;
    let batch = [3, 2, 1, 7].map(|number| update(number, 1, ActualState::Starting));
    let outcomes = transaction.apply_updates(report(2, 1), &batch).await.expect("works");
    transaction.commit().await.expect("it is committed");
    let told: Vec<_> = outcomes.into_iter().collect();
    let (stored, outdated) = (UpdateOutcome::Stored, UpdateOutcome::Outdated);
    assert_eq!(told, [(id(1), stored), (id(2), outdated), (id(3), stored), (id(7), outdated)]);
    assert_eq!(look(ground, 2).await.expect("a row").workspace.actual_state, ActualState::Running);
    assert_eq!(look(ground, 3).await.expect("a row").workspace.actual_state, ActualState::Starting);
    assert_eq!(row(1).workspace.reported, None);
}

on_both!(
    messages_have_an_order,
    an_epoch_is_raised_and_never_lowered,
    another_term_in_the_same_epoch_is_stale,
    what_is_suspected_to_be_lost_is_kept_with_the_agent,
    reports_of_one_agent_are_taken_one_after_the_other,
    a_delayed_report_is_not_stored,
    a_repeated_report_is_stored_already_and_keeps_its_place,
    a_lower_proof_that_comes_later_counts,
    an_observation_is_stored_whatever_users_want_meanwhile,
    the_end_of_a_restart_counts_at_the_generation_it_was_decided_upon,
    a_workspace_ends_only_at_the_generation_it_was_seen_at,
    a_tombstone_is_never_written_again,
    what_is_proven_is_not_pending,
    another_agents_workspace_is_left_alone,
    a_batch_is_stored_row_by_row,
);
