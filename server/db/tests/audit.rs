//! The record of what happened: its chain, its walls, and that nothing is changed without it.

use berth_audit_chain::{Export, Verified, verify};
use berth_db::{AuditFilter, AuditPage, Basis, Changed, Database, DbError, Stamp};
use berth_schema::audit::{Details, Digest, Event, Internal, Outcome, Resource, Who};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::support::{World, client, start};

fn stamp() -> Stamp {
    Stamp {
        time: start(),
        who: Who::Command { name: "test".to_owned() }.into(),
        action: None,
        outcome: Outcome::Done,
        request: None,
        peer: None,
        basis: Basis::Itself,
    }
}

fn event(world: &World) -> Event {
    Event::internal(Internal::SettleLoss, Resource::agent(world.agent), Details::Nothing)
}

/// Revokes the token of the world, with what the body says of it.
async fn revoke(world: &World, said: impl Fn() -> Changed<bool> + Send + Sync) -> Result<bool, DbError> {
    world
        .database
        .change(world.organization, "test", stamp(), async |conn| {
            conn.tokens().revoke(world.token, start()).await?;
            Ok::<_, DbError>(said())
        })
        .await
}

async fn is_revoked(world: &World) -> bool {
    let query = format!("SELECT revoked_at IS NOT NULL FROM access_tokens WHERE id = '{}'", world.token);
    client(&world.url).await.query_one(&query, &[]).await.expect("a row").get(0)
}

async fn records(world: &World) -> i64 {
    let query = "SELECT count(*) FROM audit_records WHERE organization_id = $1";
    let row = client(&world.url).await.query_one(query, &[world.organization.as_uuid()]).await;
    row.expect("a row").get(0)
}

/// The whole chain as an export, looked at offline.
async fn verified(database: &Database, world: &World) -> Verified {
    let rows = database
        .read(world.organization, "test", async |conn| {
            conn.audit().list(&AuditFilter::default(), AuditPage::From(1), 10_000).await
        })
        .await
        .expect("a list");
    let mut bytes = Vec::new();
    let mut export = Export::begin(&mut bytes, world.organization, 1, Digest::ZERO).expect("a head");
    for row in &rows {
        export.entry(u64::try_from(row.sequence).expect("positive"), &row.entry).expect("an entry");
    }
    export.end().expect("an end");
    verify(bytes.as_slice()).expect("the chain holds")
}

#[tokio::test]
async fn a_change_and_its_record_are_one() {
    let world = World::new().await;
    assert!(!revoke(&world, || Changed::Not(false)).await.expect("works"));
    assert!(!is_revoked(&world).await, "without a record nothing is changed, whatever was written");
    assert_eq!(records(&world).await, 0);

    // What cannot be put on record is not done: this event is no action of anything.
    let nameless = || Changed::So(true, Event::new(Resource::agent(world.agent), Details::Nothing));
    revoke(&world, nameless).await.expect_err("a record of no action");
    assert!(!is_revoked(&world).await);

    assert!(revoke(&world, || Changed::So(true, event(&world))).await.expect("works"));
    assert!(is_revoked(&world).await);
    assert_eq!(records(&world).await, 1);
    assert_eq!(verified(&world.database, &world).await.last, 1);
}

#[tokio::test]
async fn a_connection_that_is_cut_between_change_and_record_leaves_neither() {
    let world = World::new().await;
    let killer = client(&world.url).await;
    let backends = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle in transaction'";
    let cut = world
        .database
        .change(world.organization, "test", stamp(), async |conn| {
            conn.tokens().revoke(world.token, start()).await?;
            let ended: i64 = killer.query_one(backends, &[]).await.expect("a superuser may").get(0);
            assert!(ended > 0, "nothing was cut");
            Ok::<_, DbError>(Changed::So((), event(&world)))
        })
        .await;
    cut.expect_err("the connection is gone");
    assert!(!is_revoked(&world).await);
    assert_eq!(records(&world).await, 0);
}

#[tokio::test]
async fn writers_at_the_same_time_leave_no_gap_and_one_chain() {
    let world = World::new().await;
    let neighbour = world.neighbour().await;
    let mut writers = Vec::new();
    for writer in 0..8 {
        let (database, organization, event) = (world.database.clone(), world.organization, event(&world));
        writers.push(tokio::spawn(async move {
            for turn in 0..25 {
                // Every fifth gives it up after it had its place: that must not be missing afterwards.
                let gives_up = (writer + turn) % 5 == 0;
                let done = database.changes(organization, "test", stamp(), async |_| {
                    Ok::<_, DbError>(((), vec![event.clone(), event.clone()]))
                });
                let done = if gives_up {
                    // Dropped half-way, which rolls back.
                    tokio::time::timeout(std::time::Duration::from_millis(1), done).await.unwrap_or(Ok(()))
                } else {
                    done.await
                };
                done.expect("it is on record");
            }
        }));
    }
    for writer in writers {
        writer.await.expect("no panic");
    }
    let whole = verified(&world.database, &world).await;
    assert_eq!(i64::try_from(whole.last).expect("few"), records(&world).await);
    assert!(whole.last >= 320, "only {} records", whole.last);
    assert_eq!(records(&neighbour).await, 0, "another organisation has a chain of its own");
}

async fn application(world: &World) -> Client {
    let client = client(&berth_db::testing::login_url(&world.url)).await;
    let scope = format!(
        "SET ROLE berth_app; SELECT set_config('berth.organization', '{}', false)",
        world.organization
    );
    client.batch_execute(&scope).await.expect("the role and the scope are set");
    client
}

#[tokio::test]
async fn what_is_on_record_stays_whoever_asks() {
    let world = World::new().await;
    revoke(&world, || Changed::So(true, event(&world))).await.expect("works");
    let (application, owner) = (application(&world).await, client(&world.url).await);
    for statement in [
        "UPDATE audit_records SET action = 'workspace.start'",
        "DELETE FROM audit_records",
        "DELETE FROM audit_records WHERE sequence = 99",
        "TRUNCATE audit_records",
        "TRUNCATE audit_records CASCADE",
    ] {
        for (who, client) in [("the application", &application), ("a superuser", &owner)] {
            let error = client.batch_execute(statement).await.expect_err(statement);
            assert_eq!(
                error.code(),
                Some(&SqlState::INSUFFICIENT_PRIVILEGE),
                "{who}: {statement}: {error:?}"
            );
        }
    }
    for statement in [
        "ALTER TABLE audit_records DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_stays ON audit_records",
        "SET session_replication_role = replica",
    ] {
        application.batch_execute(statement).await.expect_err(statement);
    }
    assert_eq!(records(&world).await, 1);
}

#[tokio::test]
async fn the_application_can_append_to_the_end_and_nowhere_else() {
    let world = World::new().await;
    for _ in 0..3 {
        revoke(&world, || Changed::So(true, event(&world))).await.expect("works");
    }
    let application = application(&world).await;
    let insert = |sequence: &str, previous: &str, hash: &str| {
        format!(
            "INSERT INTO audit_records SELECT '{}', {sequence}, now(), {previous}, {hash}, '\\x7b7d', NULL, 'a', 'agent', NULL,
                'done' FROM audit_records WHERE sequence = 3",
            world.organization
        )
    };
    let right = "sha256(hash || '\\x7b7d'::bytea)";
    for (sequence, previous, hash) in [
        // A gap, a fork, a second beginning, another predecessor, another hash.
        ("5", "hash", right),
        ("3", "previous_hash", "sha256(previous_hash || '\\x7b7d'::bytea)"),
        (
            "1",
            "decode(repeat('00', 32), 'hex')",
            "sha256(decode(repeat('00', 32), 'hex') || '\\x7b7d'::bytea)",
        ),
        ("4", "previous_hash", "sha256(previous_hash || '\\x7b7d'::bytea)"),
        ("4", "hash", "hash"),
    ] {
        let statement = insert(sequence, previous, hash);
        application.batch_execute(&statement).await.expect_err(&statement);
    }
    application.batch_execute(&insert("4", "hash", right)).await.expect("behind the end");
}

#[tokio::test]
async fn records_are_found_by_what_they_are_of() {
    let world = World::new().await;
    revoke(&world, || Changed::So(true, event(&world))).await.expect("works");
    let denied = Stamp { outcome: Outcome::Denied("is-agent".to_owned()), ..stamp() };
    let organization = Resource::organization(world.organization);
    world
        .database
        .changes(world.organization, "test", denied, async |_| {
            let event = Event::internal(Internal::Rewrap, organization.clone(), Details::Nothing);
            Ok::<_, DbError>(((), vec![event]))
        })
        .await
        .expect("works");
    let found = async |filter: AuditFilter, page| {
        let rows = world
            .database
            .read(world.organization, "test", async |conn| conn.audit().list(&filter, page, 10).await)
            .await
            .expect("a list");
        rows.into_iter().map(|row| row.sequence).collect::<Vec<_>>()
    };
    let all = AuditFilter::default;
    assert_eq!(found(all(), AuditPage::Below(i64::MAX)).await, [2, 1]);
    assert_eq!(found(all(), AuditPage::Below(2)).await, [1]);
    assert_eq!(found(all(), AuditPage::From(1)).await, [1, 2]);
    let newest = AuditPage::Below(i64::MAX);
    assert_eq!(found(AuditFilter { outcome: Some("denied"), ..all() }, newest).await, [2]);
    let kind = |kind: &str| AuditFilter { resource_kind: Some(kind.to_owned()), ..all() };
    assert_eq!(found(kind("agent"), newest).await, [1]);
    let id = world.agent.to_string();
    assert_eq!(found(AuditFilter { resource_id: Some(id), ..kind("agent") }, newest).await, [1]);
    let rewrap = "keys.rewrap".parse().expect("a word");
    assert_eq!(found(AuditFilter { action: Some(rewrap), ..all() }, newest).await, [2]);
    assert_eq!(found(AuditFilter { subject: Some(world.subject), ..all() }, newest).await, [0_i64; 0]);
    assert_eq!(found(AuditFilter { until: Some(start()), ..all() }, newest).await, [0_i64; 0]);
    assert_eq!(found(AuditFilter { since: Some(start()), ..all() }, newest).await, [2, 1]);
}
