use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use berth_db::{
    Database, DatabaseConfig, DbError, DbErrorKind, Leader, OperationSample, Outcome, PageRequest,
};
use berth_schema::OrganizationId;
use berth_schema::access::TokenKind;

use crate::support::{World, after, client, migrated_database, new_agent, new_owner, new_token, start};

async fn idle_in_transaction(world: &World) -> i64 {
    let query = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    client(&world.url).await.query_one(query, &[]).await.expect("a row").get(0)
}

async fn agents(world: &World) -> usize {
    let list =
        async |conn: &berth_db::OrganizationConn<'_>| conn.agents().list(&PageRequest::first(100)).await;
    world.database.read(world.organization, "test", list).await.expect("works").len()
}

#[tokio::test]
async fn what_fails_is_rolled_back_and_what_succeeds_is_kept() {
    let world = World::new().await;
    let failed = world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.agents().insert(&new_agent("second"), start()).await?;
            Err::<(), _>(DbError::not_found())
        })
        .await;
    assert_eq!(failed.expect_err("as told").kind, DbErrorKind::NotFound);
    assert_eq!(agents(&world).await, 1);
    world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.agents().insert(&new_agent("second"), start()).await
        })
        .await
        .expect("stored");
    assert_eq!(agents(&world).await, 2);
}

#[tokio::test]
async fn a_transaction_can_be_a_task_on_any_thread() {
    let world = World::new().await;
    let (database, organization) = (world.database.clone(), world.organization);
    let name = "second".to_owned();
    let task = tokio::spawn(async move {
        database
            .transaction(organization, "test", async |conn| {
                conn.agents().insert(&new_agent(&name), start()).await
            })
            .await
    });
    task.await.expect("does not panic").expect("stored");
}

#[tokio::test]
async fn an_ignored_failure_is_not_taken_for_success() {
    let world = World::new().await;
    let result = world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.agents().insert(&new_agent("second"), start()).await?;
            let _ = conn.agents().insert(&new_agent("cluster"), start()).await;
            Ok::<_, DbError>(())
        })
        .await;
    assert_eq!(result.expect_err("nothing was stored").kind, DbErrorKind::Internal);
    assert_eq!(agents(&world).await, 1);
}

#[tokio::test]
async fn what_only_reads_cannot_write() {
    let world = World::new().await;
    let result = world
        .database
        .read(world.organization, "test", async |conn| {
            conn.agents().insert(&new_agent("second"), start()).await
        })
        .await;
    assert!(result.is_err());
    assert_eq!(agents(&world).await, 1);
}

#[tokio::test]
async fn reads_leave_no_transaction_open() {
    let world = World::new().await;
    for _ in 0..20 {
        agents(&world).await;
    }
    // The last COMMIT is on its way without anybody waiting for it.
    world.database.ping().await.expect("answers");
    assert_eq!(idle_in_transaction(&world).await, 0);
    let status = world.database.pool_status();
    assert_eq!((status.open, status.idle), (1, 1), "one connection did it all");
}

#[tokio::test]
async fn a_dropped_transaction_commits_nothing_and_leaves_nothing_open() {
    let world = World::new().await;
    let slow = world.database.transaction(world.organization, "test", async |conn| {
        conn.agents().insert(&new_agent("second"), start()).await?;
        std::future::pending::<()>().await;
        Ok::<_, DbError>(())
    });
    assert!(tokio::time::timeout(Duration::from_millis(300), slow).await.is_err());
    for _ in 0..500 {
        if idle_in_transaction(&world).await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(idle_in_transaction(&world).await, 0);
    assert_eq!(agents(&world).await, 1);
}

#[tokio::test]
async fn two_that_block_each_other_both_succeed_in_the_end() {
    let world = World::new().await;
    let other = new_agent("second");
    world
        .database
        .transaction(world.organization, "test", async |conn| conn.agents().insert(&other, start()).await)
        .await
        .expect("stored");
    let samples = Arc::new(Mutex::new(Vec::<OperationSample>::new()));
    let seen = Arc::clone(&samples);
    let database = Database::connect(DatabaseConfig::new(&world.url)).await.expect("connects");
    let database = database.on_operation(move |sample| seen.lock().expect("not poisoned").push(*sample));
    let meeting = tokio::sync::Barrier::new(2);
    let first_try = [AtomicU32::new(0), AtomicU32::new(0)];
    let lock_both = async |one, two, tries: &AtomicU32| {
        let locked = database.transaction(world.organization, "meet", async |conn| {
            let leader = |epoch| Leader { epoch, term: None };
            let sequence = i64::from(tries.load(Ordering::Relaxed)) * 2 + 1;
            conn.agents().advance(one, leader(1), sequence).await?;
            if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                meeting.wait().await;
            }
            conn.agents().advance(two, leader(2), 1).await?;
            Ok::<_, DbError>(())
        });
        locked.await
    };
    let (left, right) = tokio::join!(
        lock_both(world.agent, other.id, &first_try[0]),
        lock_both(other.id, world.agent, &first_try[1])
    );
    left.expect("the one");
    right.expect("the other");
    let samples = samples.lock().expect("not poisoned");
    assert_eq!(samples.len(), 2);
    assert!(samples.iter().all(|sample| sample.outcome == Outcome::Done && sample.operation == "meet"));
    assert_eq!(samples.iter().map(|sample| sample.attempts).sum::<u32>(), 3, "one of them was tried again");
}

#[tokio::test]
async fn connections_that_postgres_closed_are_replaced() {
    let world = World::new().await;
    agents(&world).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    client(&world.url).await.query(kill, &[]).await.expect("works");
    assert_eq!(agents(&world).await, 1);
}

#[tokio::test]
async fn a_postgres_that_is_not_there_is_unavailable() {
    let mut config = DatabaseConfig::new("postgres://berth@127.0.0.1:1/berth");
    config.acquire_timeout = Duration::from_secs(2);
    let error = Database::connect(config).await.expect_err("nothing listens there");
    assert_eq!(error.kind, DbErrorKind::Unavailable);
    assert!(error.retryable());
}

#[tokio::test]
async fn of_servers_that_start_together_one_bootstraps() {
    let url = migrated_database().await;
    let database = Database::connect(DatabaseConfig::new(&url)).await.expect("connects");
    assert!(berth_db::is_empty(&database).await.expect("works"));
    let name = "default".parse().expect("a name");
    let starts = (0..8).map(|_| {
        let (database, name) = (&database, &name);
        async move {
            let (owner, id) = (new_owner("Ada"), OrganizationId::random());
            let first = database.transaction((id, owner.account), "test", async |conn| {
                if !conn.organizations().claim_first(start()).await? {
                    return Ok(false);
                }
                conn.organizations().create(name, start()).await?;
                conn.accounts().insert_owner(&owner, start()).await?;
                Ok::<_, DbError>(true)
            });
            first.await
        }
    });
    let outcomes = futures::future::try_join_all(starts).await.expect("none fails");
    assert_eq!(outcomes.iter().filter(|first| **first).count(), 1, "{outcomes:?}");
    assert!(!berth_db::is_empty(&database).await.expect("works"));
}

#[tokio::test]
async fn a_revoked_or_expired_token_is_not_valid() {
    let world = World::new().await;
    let mut token = new_token();
    token.expires_at = Some(after(100));
    world
        .database
        .transaction(world.organization, "test", async |conn| {
            let stored = conn.tokens().insert(&token, start()).await?;
            assert!(stored.is_valid(after(99)) && !stored.is_valid(after(100)));
            assert!(conn.tokens().revoke(token.id, after(50)).await?);
            assert!(!conn.tokens().revoke(token.id, after(60)).await?);
            let revoked = conn.tokens().find(token.id).await?.expect("kept");
            assert_eq!(revoked.revoked_at, Some(after(50)));
            assert!(!revoked.is_valid(after(51)));
            assert_eq!(
                conn.tokens().list(TokenKind::AccessToken, None, &PageRequest::first(10)).await?.len(),
                2
            );
            Ok::<_, DbError>(())
        })
        .await
        .expect("works");
}
