//! What a workspace went through, and reading on from a position.

use std::collections::BTreeSet;

use berth_db::{
    By, ChangedBy, Event, Intent, IntentChange, KEPT_TRANSITIONS, Report, TransitionRow, WorkspaceUpdate,
};
use berth_schema::api::StateReason;
use berth_schema::state::TransitionCause;
use berth_schema::{ActualState, DesiredState, Generation, WorkspaceId};
use futures::StreamExt;
use jiff::SignedDuration;

use crate::support::{World, after, client, start};

async fn timeline(world: &World, id: WorkspaceId) -> Vec<(TransitionRow, Option<By>)> {
    world
        .database
        .read(world.organization, "test", async |conn| {
            conn.transitions().of_workspace(world.agent, id, None, 1_000).await
        })
        .await
        .expect("works")
}

async fn report(world: &World, sequence: i64, updates: &[WorkspaceUpdate]) {
    let report = Report { agent: world.agent, epoch: 1, sequence };
    world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.workspaces().apply_updates(report, updates, after(sequence)).await
        })
        .await
        .expect("works");
}

fn update(id: WorkspaceId, seen: i64, applied: i64, actual_state: ActualState) -> WorkspaceUpdate {
    WorkspaceUpdate {
        id,
        seen_generation: Generation::of(seen),
        actual_state,
        reason: None,
        applied_generation: Generation::of(applied),
        variables_generation: Generation::default(),
        deployment_resource_version: Some("rv".into()),
        intent: None,
    }
}

async fn want(world: &World, id: WorkspaceId, desired: DesiredState, by: ChangedBy, seconds: i64) {
    world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.workspaces().change_intent(id, None, &Intent::Desired(desired), by, after(seconds)).await
        })
        .await
        .expect("works");
}

async fn position(world: &World) -> i64 {
    let read =
        world.database.read(world.organization, "test", async |conn| conn.transitions().position().await);
    read.await.expect("works")
}

async fn changed_since(world: &World, position: i64) -> (BTreeSet<WorkspaceId>, i64) {
    let (ids, next) = world
        .database
        .read(world.organization, "test", async |conn| {
            conn.transitions().changed_since(position, 1_000).await
        })
        .await
        .expect("works");
    (ids.into_iter().collect(), next)
}

#[tokio::test]
async fn every_change_is_written_down_with_who_made_it() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    report(&world, 1, &[update(id, 1, 1, ActualState::Starting)]).await;
    report(&world, 2, &[update(id, 1, 1, ActualState::Running)]).await;
    want(&world, id, DesiredState::RestartRequested, ChangedBy::User(world.author()), 3).await;
    let next = IntentChange { desired_state: DesiredState::Running, generation: Generation::of(3) };
    let half_way = WorkspaceUpdate { intent: Some(next), ..update(id, 2, 2, ActualState::Stopped) };
    report(&world, 4, &[half_way]).await;
    want(&world, id, DesiredState::Stopped, ChangedBy::Lifecycle, 5).await;

    let rows = timeline(&world, id).await;
    let seen: Vec<_> = rows
        .iter()
        .rev()
        .map(|(row, by)| {
            assert_eq!(row.token_id.is_some(), row.cause == TransitionCause::User);
            let tester = || By { member: "tester".to_owned(), token: Some("tester".to_owned()) };
            assert_eq!(*by, (row.cause == TransitionCause::User).then(tester));
            let states = (row.desired_state, row.actual_state);
            (row.number, states, row.generation.get(), row.applied_generation.get(), row.cause, row.at)
        })
        .collect();
    use ActualState as A;
    use DesiredState as D;
    use TransitionCause as C;
    assert_eq!(
        seen,
        [
            (1, (D::Running, A::CreationRequested), 1, 0, C::User, start()),
            (2, (D::Running, A::Starting), 1, 1, C::Agent, after(1)),
            (3, (D::Running, A::Running), 1, 1, C::Agent, after(2)),
            (4, (D::RestartRequested, A::Running), 2, 1, C::User, after(3)),
            (5, (D::Running, A::Stopped), 3, 2, C::Server, after(4)),
            (6, (D::Stopped, A::Stopped), 4, 2, C::Lifecycle, after(5)),
        ]
    );
    assert_eq!(world.workspace(id).await.workspace.transitions, 6);
    let asked = world
        .database
        .read(world.organization, "test", async |conn| {
            conn.transitions().generation_asked_at(world.agent, id, Generation::of(3)).await
        })
        .await;
    assert_eq!(asked.expect("works"), Some(after(4)));
}

#[tokio::test]
async fn what_was_changed_by_hand_and_that_it_was_put_right_are_each_written_down_once() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    report(&world, 1, &[update(id, 1, 1, ActualState::Running)]).await;
    let told = |reason: &str| {
        let reason = StateReason { reason: reason.into(), message: "Service/first is gone".into() };
        WorkspaceUpdate { reason: Some(reason), ..update(id, 1, 1, ActualState::Running) }
    };
    let reasons =
        ["ChangedByHand", "ChangedByHand", "PutRight", "PutRight", "ChangedByHand", "PutRight", "NodeLost"];
    for (sequence, reason) in (2..).zip(reasons) {
        let moved = WorkspaceUpdate {
            deployment_resource_version: Some(format!("rv{sequence}").into()),
            ..told(reason)
        };
        report(&world, sequence, &[moved]).await;
    }
    let rows = timeline(&world, id).await;
    let told: Vec<_> = rows
        .iter()
        .rev()
        .map(|(row, _)| row.reason.as_ref().map(|reason| reason.reason.to_string()))
        .collect();
    let told: Vec<_> = told.iter().map(Option::as_deref).collect();
    let once = ["ChangedByHand", "PutRight", "ChangedByHand", "PutRight", "NodeLost"].map(Some);
    assert_eq!(told, [&[None, None][..], &once].concat());
}

#[tokio::test]
async fn what_says_nothing_new_is_not_written_down() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    report(&world, 1, &[update(id, 1, 1, ActualState::Starting)]).await;
    let waits = |reason: &str| {
        let reason = StateReason { reason: reason.into(), message: "".into() };
        WorkspaceUpdate { reason: Some(reason), ..update(id, 1, 1, ActualState::Starting) }
    };
    report(&world, 2, &[waits("Unschedulable")]).await;
    assert_eq!(timeline(&world, id).await.len(), 3, "that there is a reason is worth a row");
    // Another reason, a new resource version and the same again are not.
    report(&world, 3, &[waits("Other")]).await;
    let moved = WorkspaceUpdate { deployment_resource_version: Some("rv2".into()), ..waits("Other") };
    report(&world, 4, std::slice::from_ref(&moved)).await;
    report(&world, 5, &[moved]).await;
    assert_eq!(timeline(&world, id).await.len(), 3);
    assert_eq!(world.workspace(id).await.workspace.transitions, 3);
}

#[tokio::test]
async fn only_the_newest_transitions_are_kept() {
    let world = World::new().await;
    let (id, other) = (world.create_workspace("first").await, world.create_workspace("second").await);
    let rounds = KEPT_TRANSITIONS + 20;
    for round in 1..=rounds {
        let state = if round % 2 == 0 { ActualState::Starting } else { ActualState::Failed };
        report(&world, round, &[update(id, 1, 1, state)]).await;
    }
    let rows = timeline(&world, id).await;
    assert_eq!(i64::try_from(rows.len()), Ok(KEPT_TRANSITIONS));
    assert_eq!(rows[0].0.number, rounds + 1);
    // A user's change forgets the oldest as well.
    want(&world, id, DesiredState::Stopped, ChangedBy::User(world.author()), 1).await;
    let rows = timeline(&world, id).await;
    assert_eq!(i64::try_from(rows.len()), Ok(KEPT_TRANSITIONS));
    assert_eq!(timeline(&world, other).await.len(), 1, "another's are left alone");
    let page = world
        .database
        .read(world.organization, "test", async |conn| {
            conn.transitions().of_workspace(world.agent, id, Some(rows[9].0.number), 5).await
        })
        .await
        .expect("works");
    let numbers: Vec<_> = page.iter().map(|(row, _)| row.number).collect();
    assert_eq!(numbers, (0..5).map(|step| rounds + 2 - 10 - step).collect::<Vec<_>>());
}

#[tokio::test]
async fn whoever_watches_is_told_once_a_transaction_and_only_of_what_moved() {
    let world = World::new().await;
    let (one, two) = (world.create_workspace("first").await, world.create_workspace("second").await);
    let mut events = Box::pin(berth_db::listen(&world.url).expect("a URL"));
    let mut next = async || {
        tokio::time::timeout(std::time::Duration::from_secs(10), events.next()).await.expect("in time")
    };
    assert_eq!(next().await, Some(Event::Reconnected));
    let both = [update(one, 1, 1, ActualState::Running), update(two, 1, 1, ActualState::Running)];
    report(&world, 1, &both).await;
    let newer = both.map(|update| WorkspaceUpdate { deployment_resource_version: None, ..update });
    report(&world, 2, &newer).await;
    let neighbour = world.neighbour().await;
    neighbour.create_workspace("third").await;
    assert_eq!(next().await, Some(Event::Workspaces(world.organization)));
    assert_eq!(next().await, Some(Event::Workspaces(neighbour.organization)));
}

#[tokio::test]
async fn a_reader_that_reads_on_misses_nothing_whatever_the_order_of_commits() {
    let world = World::new().await;
    let (slow, fast) = (world.create_workspace("slow").await, world.create_workspace("fast").await);
    let begun = position(&world).await;
    // The slow transaction takes its number first and commits last.
    let open = client(&world.url).await;
    let (organization, agent) = (world.organization, world.agent);
    open.batch_execute(&format!(
        "BEGIN; INSERT INTO workspace_transitions (organization_id, agent_id, workspace_id, number, at, desired_state,
            actual_state, generation, applied_generation, cause)
         VALUES ('{organization}', '{agent}', '{slow}', 2, now(), 'Running', 'Starting', 1, 1, 'Agent')"
    ))
    .await
    .expect("a row");
    report(&world, 1, &[update(fast, 1, 1, ActualState::Running)]).await;
    let (seen, next) = changed_since(&world, begun).await;
    assert!(seen.contains(&fast));
    // What decides: the reader goes on from a place that is not past the open transaction.
    let place = "SELECT pg_current_xact_id()::text::bigint";
    let place: i64 = open.query_one(place, &[]).await.expect("a row").get(0);
    assert!(next <= place, "{next} is past {place}");
    open.batch_execute("COMMIT").await.expect("commits");
    let (seen, mut next) = changed_since(&world, next).await;
    assert!(seen.contains(&slow), "the one that committed late is seen");
    // And then it is quiet, as soon as nothing of that time is open any more in any database of this Postgres.
    for _ in 0..1_000 {
        let (seen, then) = changed_since(&world, next).await;
        if seen.is_empty() {
            return;
        }
        next = then;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it comes again and again");
}

#[tokio::test]
async fn what_happened_cannot_be_rewritten() {
    let world = World::new().await;
    world.create_workspace("first").await;
    let raw = client(&world.url).await;
    raw.batch_execute(&format!(
        "SET ROLE berth_app; SELECT set_config('berth.organization', '{}', false)",
        world.organization
    ))
    .await
    .expect("works");
    raw.batch_execute("UPDATE workspace_transitions SET cause = 'Agent'").await.expect_err("refused");
}

#[tokio::test]
async fn the_transitions_of_what_is_long_gone_are_forgotten() {
    let world = World::new().await;
    let mut gone = vec![];
    for name in ["one", "two", "three"] {
        let id = world.create_workspace(name).await;
        want(&world, id, DesiredState::Terminated, ChangedBy::User(world.author()), 1).await;
        gone.push(id);
    }
    let ended: Vec<_> = gone.iter().map(|id| update(*id, 2, 0, ActualState::Terminated)).collect();
    report(&world, 10, &ended).await;
    let living = world.create_workspace("living").await;
    let forget = async |before, limit| {
        world
            .database
            .transaction(world.organization, "test", async |conn| {
                conn.transitions().forget_finished(before, limit).await
            })
            .await
            .expect("works")
    };
    assert_eq!(forget(after(10), 10).await, 0, "not yet");
    let later = after(10) + SignedDuration::from_secs(1);
    assert_eq!(forget(later, 2).await, 2, "in bounded steps");
    assert_eq!(forget(later, 2).await, 1);
    assert_eq!(forget(later, 2).await, 0);
    for id in gone {
        assert_eq!(timeline(&world, id).await.len(), 0);
    }
    assert_eq!(timeline(&world, living).await.len(), 1);
}
