use std::time::Duration;

use berth_db::{DbError, Event, Heard, listen, tell_of_contacts};
use berth_schema::AgentId;
use futures::{Stream, StreamExt};

use crate::support::{World, client};

async fn next(events: &mut (impl Stream<Item = Event> + Unpin)) -> Event {
    tokio::time::timeout(Duration::from_secs(10), events.next())
        .await
        .expect("in time")
        .expect("it does not end")
}

async fn notify(world: &World, fail: bool) {
    let result = world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.notifications().notify_agent(world.agent).await?;
            if fail { Err(DbError::not_found()) } else { Ok(()) }
        })
        .await;
    assert_eq!(result.is_err(), fail);
}

#[tokio::test]
async fn a_commit_wakes_who_listens_and_a_rollback_does_not() {
    let world = World::new().await;
    let mut events = Box::pin(listen(&world.url).expect("a URL"));
    assert_eq!(next(&mut events).await, Event::Reconnected);
    notify(&world, true).await;
    let neighbour = world.neighbour().await;
    notify(&neighbour, false).await;
    assert_eq!(next(&mut events).await, Event::Intent(neighbour.agent));
    notify(&world, false).await;
    assert_eq!(next(&mut events).await, Event::Intent(world.agent));
}

#[tokio::test]
async fn a_broken_connection_is_made_again_and_said() {
    let world = World::new().await;
    let mut events = Box::pin(listen(&world.url).expect("a URL"));
    assert_eq!(next(&mut events).await, Event::Reconnected);
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND query LIKE '%LISTEN%' AND pid <> pg_backend_pid()";
    assert_eq!(client(&world.url).await.query(kill, &[]).await.expect("works").len(), 1);
    assert_eq!(next(&mut events).await, Event::Reconnected);
    notify(&world, false).await;
    assert_eq!(next(&mut events).await, Event::Intent(world.agent));
}

#[tokio::test]
async fn a_dropped_listener_closes_its_connection() {
    let world = World::new().await;
    let mut events = Box::pin(listen(&world.url).expect("a URL"));
    next(&mut events).await;
    drop(events);
    let activity = client(&world.url).await;
    let listening = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND query LIKE '%LISTEN%' AND pid <> pg_backend_pid()";
    for _ in 0..500 {
        if activity.query_one(listening, &[]).await.expect("a row").get::<_, i64>(0) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the connection is still there");
}

#[tokio::test]
async fn which_agents_a_server_has_heard_of_all_are_told_however_many_they_are() {
    let world = World::new().await;
    let mut events = Box::pin(listen(&world.url).expect("a URL"));
    assert_eq!(next(&mut events).await, Event::Reconnected);
    let all: Vec<_> = (0..400).map(|seconds_ago| Heard { agent: AgentId::random(), seconds_ago }).collect();
    tell_of_contacts(&world.url, &all).await.expect("told");
    let mut heard = Vec::new();
    while heard.len() < all.len() {
        let Event::Contacts(some) = next(&mut events).await else { panic!("another event") };
        heard.extend(some);
    }
    assert_eq!(heard, all);
}
