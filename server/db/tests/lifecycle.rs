//! The lifecycle's queue: everything that is due, of every organisation, and nothing else of them.

use std::time::Duration;

use berth_db::{ChangedBy, Intent, LifecycleQueue};
use berth_schema::{DesiredState, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::error::SqlState;

use crate::support::{World, after, client, start};

fn queue(world: &World) -> LifecycleQueue {
    LifecycleQueue::new(&world.url, Duration::from_secs(10)).expect("a URL")
}

async fn due(queue: &mut LifecycleQueue, now: Timestamp) -> Vec<WorkspaceId> {
    queue.due(now, None, 100).await.expect("works").into_iter().map(|due| due.id).collect()
}

async fn look_again(world: &World, id: WorkspaceId, at: Option<Timestamp>) {
    world
        .database
        .transaction(world.organization, "test", async |conn| conn.workspaces().look_again(id, at).await)
        .await
        .expect("works");
}

#[tokio::test]
async fn the_queue_holds_what_is_due_of_every_organisation_in_order() {
    let world = World::new().await;
    let neighbour = world.neighbour().await;
    let (one, two) = (world.create_workspace("one").await, world.create_workspace("two").await);
    let three = neighbour.create_workspace("three").await;
    look_again(&world, one, Some(after(30))).await;
    look_again(&world, two, None).await;
    look_again(&neighbour, three, Some(after(20))).await;
    let mut queue = queue(&world);
    assert_eq!(due(&mut queue, after(19)).await, []);
    assert_eq!(due(&mut queue, after(20)).await, [three]);
    assert_eq!(due(&mut queue, after(30)).await, [three, one]);
    let first = queue.due(after(30), None, 1).await.expect("works");
    assert_eq!((first[0].organization, first[0].id), (neighbour.organization, three));
    let behind = queue.due(after(30), Some(&first[0]), 10).await.expect("works");
    assert_eq!(behind.iter().map(|due| due.id).collect::<Vec<_>>(), [one]);
}

#[tokio::test]
async fn a_change_of_intent_is_looked_at_within_the_shortest_rule_and_a_termination_never() {
    let world = World::new().await;
    let id = world.create_workspace("one").await;
    let mut queue = queue(&world);
    let shortest = SignedDuration::from_mins(15);
    assert_eq!(due(&mut queue, start() + shortest - SignedDuration::from_secs(1)).await, []);
    assert_eq!(due(&mut queue, start() + shortest).await, [id]);
    let want = async |desired, by, now: Timestamp| {
        let intent = Intent::Desired(desired);
        let view = world
            .database
            .transaction(world.organization, "test", async |conn| {
                conn.workspaces().change_intent(id, None, &intent, by, now).await
            })
            .await;
        view.expect("works").workspace.extended_hours
    };
    // A look that was to come later comes earlier, never the other way round.
    look_again(&world, id, Some(start() + shortest * 36)).await;
    let user = ChangedBy::User(world.author());
    want(DesiredState::Stopped, user, start() + shortest * 2).await;
    assert_eq!(due(&mut queue, start() + shortest * 3).await, [id]);
    // A rule has just looked.
    want(DesiredState::Running, ChangedBy::Lifecycle, start() + shortest * 5).await;
    assert_eq!(due(&mut queue, start() + shortest * 5).await, []);
    assert_eq!(due(&mut queue, start() + shortest * 6).await, [id]);
    want(DesiredState::Terminated, user, start() + shortest * 7).await;
    assert_eq!(due(&mut queue, start() + shortest * 1_000).await, []);
}

#[tokio::test]
async fn an_extension_ends_with_its_period_and_two_at_once_are_not_added_unseen() {
    let world = World::new().await;
    let id = world.create_workspace("one").await;
    let extend = async |extended, hours| {
        world
            .database
            .transaction(world.organization, "test", async |conn| {
                let seen = (DesiredState::Running, start(), extended);
                conn.workspaces().extend(id, seen, hours).await
            })
            .await
            .expect("works")
    };
    assert!(extend(0, 5).await);
    assert!(!extend(0, 7).await, "somebody was faster");
    assert!(extend(5, 7).await);
    assert_eq!(world.workspace(id).await.workspace.extended_hours, 7);
    let stop = Intent::Desired(DesiredState::Stopped);
    world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.workspaces().change_intent(id, None, &stop, ChangedBy::User(world.author()), after(1)).await
        })
        .await
        .expect("works");
    assert_eq!(world.workspace(id).await.workspace.extended_hours, 0);
}

#[tokio::test]
async fn what_another_server_looks_at_is_passed_by() {
    let world = World::new().await;
    let (one, two) = (world.create_workspace("one").await, world.create_workspace("two").await);
    let other = client(&world.url).await;
    let lock = format!("BEGIN; SELECT FROM workspaces WHERE id = '{one}' FOR NO KEY UPDATE");
    other.batch_execute(&lock).await.expect("a lock");
    let now = start() + SignedDuration::from_hours(2);
    let rows = world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.workspaces().lock_for_lifecycle(&[one, two], now).await
        })
        .await
        .expect("does not wait");
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [two]);
}

#[tokio::test]
async fn the_role_of_the_queue_reads_ids_and_times_and_can_do_nothing_else() {
    let world = World::new().await;
    world.create_workspace("one").await;
    let raw = client(&world.url).await;
    raw.batch_execute("SET ROLE berth_lifecycle").await.expect("the role is there");
    let seen = raw.query("SELECT organization_id, id, lifecycle_at FROM workspaces", &[]).await;
    assert_eq!(seen.expect("it may").len(), 1);
    for statement in [
        "SELECT name FROM workspaces",
        "SELECT * FROM workspaces",
        "SELECT spec FROM workspaces",
        "UPDATE workspaces SET lifecycle_at = NULL",
        "DELETE FROM workspaces",
        "SELECT reason FROM workspace_transitions",
        "DELETE FROM workspace_transitions",
        "SELECT id FROM organizations",
        "SELECT id FROM access_tokens",
        "SELECT id FROM agents",
        "SELECT workspace_id FROM workspace_variables",
        "SELECT id FROM workspace_data_keys",
        "SELECT key FROM idempotency_keys",
    ] {
        let error = raw.query(statement, &[]).await.expect_err(statement);
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {error:?}");
    }
    let role =
        "SELECT rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication
                FROM pg_roles WHERE rolname = 'berth_lifecycle'";
    assert!(!client(&world.url).await.query_one(role, &[]).await.expect("a row").get::<_, bool>(0));
}

#[tokio::test]
async fn a_look_reads_its_index_however_many_workspaces_there_are() {
    let world = World::new().await;
    let id = world.create_workspace("one").await;
    let (organization, agent) = (world.organization, world.agent);
    let owner = client(&world.url).await;
    owner
        .batch_execute(&format!(
            "INSERT INTO workspaces (organization_id, agent_id, id, name, namespace, desired_state, actual_state, generation,
                spec, created_at, created_by, desired_state_changed_at, actual_state_changed_at, lifecycle_at)
             SELECT '{organization}', '{agent}', gen_random_uuid(), 'w' || n, 'n' || n, 'Running', 'Running', 1, '{{}}',
                now(), '{}', now(), now(), now() + interval '1 year'
             FROM generate_series(1, 20000) n; ANALYZE workspaces",
            world.token
        ))
        .await
        .expect("many workspaces");
    look_again(&world, id, Some(after(0))).await;
    let raw = client(&world.url).await;
    raw.batch_execute("SET ROLE berth_lifecycle").await.expect("the role is there");
    let plan = raw
        .query(
            "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) SELECT organization_id, id, lifecycle_at FROM workspaces
             WHERE lifecycle_at <= now() ORDER BY lifecycle_at, id LIMIT 200",
            &[],
        )
        .await
        .expect("a plan");
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("using workspaces_lifecycle"), "{plan}");
    let hits = plan.split_once("Buffers: shared hit=").expect("buffers").1;
    let hits: u32 = hits.split_whitespace().next().expect("a number").parse().expect("a number");
    assert!(hits < 20, "{plan}");
}
