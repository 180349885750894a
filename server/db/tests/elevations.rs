//! Roles for a time: what holds when, what is due, and what Postgres itself refuses.

use berth_db::{DbError, NewElevation, organizations_with_due_elevations};
use berth_schema::access::Role;
use berth_schema::{ElevationId, SubjectId};
use jiff::{SignedDuration, Timestamp};

use crate::support::{World, client};

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

fn after(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

async fn other(world: &World) -> SubjectId {
    let id = SubjectId::random();
    let statement = format!(
        "INSERT INTO subjects (organization_id, id, kind, name, created_at, role)
         VALUES ('{}', '{id}', 'user', 'Grace', now(), 'owner')",
        world.organization
    );
    client(&world.url).await.batch_execute(&statement).await.expect("somebody else");
    id
}

async fn ask(world: &World) -> ElevationId {
    let new = NewElevation {
        id: ElevationId::random(),
        subject: world.subject,
        role: Role::Maintainer,
        spot: None,
        reason: "a deploy".to_owned(),
        seconds: 60,
        decide_by: after(1_000),
    };
    let insert = world
        .database
        .transaction(world.organization, "ask", async |conn| conn.elevations().insert(&new, now()).await);
    insert.await.expect("it is asked for");
    new.id
}

async fn approve(world: &World, id: ElevationId, by: SubjectId) -> Result<(), DbError> {
    let approve = world.database.transaction(world.organization, "approve", async |conn| {
        conn.elevations().decide(id, by, Some(after(60)), now()).await
    });
    approve.await
}

/// How many hold at a time.
async fn active(world: &World, at: Timestamp) -> usize {
    let read = world.database.read(world.organization, "active", async |conn| {
        conn.elevations().active(&[world.subject], at).await
    });
    read.await.expect("they are read").len()
}

#[tokio::test]
async fn what_is_approved_holds_until_exactly_its_end() {
    let world = World::new().await;
    let boss = other(&world).await;
    let id = ask(&world).await;
    assert_eq!(active(&world, now()).await, 0, "nobody has decided");
    approve(&world, id, boss).await.expect("it is given");
    let until_then =
        [active(&world, now()).await, active(&world, after(59)).await, active(&world, after(60)).await];
    assert_eq!(until_then, [1, 1, 0]);
    let view = world.database.read(world.organization, "find", async |conn| conn.elevations().find(id).await);
    let view = view.await.expect("it is read").expect("it is there");
    assert_eq!((view.decided_by.as_deref(), view.row.ends_at), (Some("Grace"), Some(after(60))));
}

#[tokio::test]
async fn what_is_due_is_taken_once_and_only_then() {
    let world = World::new().await;
    let boss = other(&world).await;
    let (given, asked) = (ask(&world).await, ask(&world).await);
    approve(&world, given, boss).await.expect("it is given");
    let due = async |at: Timestamp| {
        let take = world
            .database
            .transaction(world.organization, "take", async |conn| conn.elevations().take_due(at, 10).await);
        let taken: Vec<_> = take.await.expect("they are taken").into_iter().map(|row| row.id).collect();
        taken
    };
    assert_eq!(organizations_with_due_elevations(&world.url, after(59)).await.expect("a list"), []);
    assert_eq!(due(after(59)).await, []);
    let organizations = organizations_with_due_elevations(&world.url, after(60)).await.expect("a list");
    assert_eq!(organizations, [world.organization]);
    assert_eq!(due(after(60)).await, [given]);
    assert_eq!(due(after(1_000)).await, [asked]);
    assert_eq!(due(after(2_000)).await, []);
}

#[tokio::test]
async fn nobody_gives_themselves_a_role_whatever_the_server_believes() {
    let world = World::new().await;
    let id = ask(&world).await;
    let error = approve(&world, id, world.subject).await.expect_err("it is their own");
    let source = format!("{error:?}");
    assert!(source.contains("decided_by_somebody_else"), "{source}");
    // Nor is what is over brought back, or a longer end written by the application.
    let boss = other(&world).await;
    approve(&world, id, boss).await.expect("it is given");
    let raw = client(&world.url).await;
    let scope = format!(
        "SET ROLE berth_app; SELECT set_config('berth.organization', '{}', false)",
        world.organization
    );
    raw.batch_execute(&scope).await.expect("the role");
    for statement in [
        "UPDATE elevations SET subject_id = decided_by",
        "UPDATE elevations SET role = 'owner'",
        "UPDATE elevations SET due_at = ends_at + interval '1 hour'",
        "UPDATE elevations SET is_approved = false",
        "DELETE FROM elevations",
    ] {
        raw.batch_execute(statement).await.expect_err(statement);
    }
}

#[tokio::test]
async fn all_that_somebody_has_or_asks_for_ends_at_once() {
    let world = World::new().await;
    let boss = other(&world).await;
    let (given, _) = (ask(&world).await, ask(&world).await);
    approve(&world, given, boss).await.expect("it is given");
    let end = world.database.transaction(world.organization, "end", async |conn| {
        let open = conn.elevations().count_open(world.subject, now()).await?;
        let ended = conn.elevations().end_all(world.subject, boss, now()).await?;
        let left = conn.elevations().count_open(world.subject, now()).await?;
        Ok::<_, DbError>((open, ended, left))
    });
    assert_eq!(end.await.expect("they end"), (2, 2, 0));
    assert_eq!(active(&world, now()).await, 0);
    assert_eq!(organizations_with_due_elevations(&world.url, after(9_000)).await.expect("a list"), []);
}
