//! What is idle is stopped, and what somebody types in is not (decision 0079). The proxy counts and tells as it does; that a quarter of an
//! hour has passed is written into the database.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_schema::api::Workspace;
use berth_schema::{ActualState, DesiredState};
use jiff::Timestamp;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio_postgres::NoTls;

use super::World;
use crate::PATIENCE;
use crate::way_in::NAME;

/// A proxy tells, and the server looks, once a minute each; both may have just done it.
const LONG_ENOUGH: Duration = Duration::from_secs(240);

#[tokio::test]
#[ignore = "minutes: cargo test -p berth-integration-tests --test scenarios -- --ignored what_is_idle"]
async fn what_is_idle_is_stopped_and_no_earlier() -> anyhow::Result<()> {
    let Some(world) = World::start().await? else { return Ok(()) };
    let admin = &world.way.berth.admin;
    let port = world.way.proxy.address().port();
    let rule = json!({"proxy": {"public_port": port}, "lifecycle": {"idle_minutes_before_stop": 15}});
    admin.put("agents/agent/configuration", &rule).await?;
    // Somebody types, a key each third of a second, and nothing else goes through.
    let mut typed = world.own(&["ssh", NAME, "--", "cat"]).spawn()?;
    let mut keys = typed.stdin.take().context("no stdin")?;
    let begin = Instant::now();
    let opened = Timestamp::now();
    let mut seen = None;
    while begin.elapsed() < LONG_ENOUGH {
        keys.write_all(b"k\n").await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        seen = world.shown().await?.last_active_at;
        // Not only that it was opened.
        if seen.is_some_and(|seen| seen.duration_since(opened).as_secs() > 30) {
            break;
        }
        world.passes_but_for_activity().await?;
    }
    ensure!(
        seen.is_some_and(|seen| seen.duration_since(opened).as_secs() > 30),
        "typing is not told: {seen:?}"
    );
    // The server has looked meanwhile, or does now.
    let looked = Instant::now();
    while looked.elapsed() < Duration::from_secs(70) {
        keys.write_all(b"k\n").await?;
        world.passes_but_for_activity().await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let shown = world.shown().await?;
    ensure!(shown.desired_state == DesiredState::Running, "it was stopped while somebody typed");
    ensure!(shown.idle_stop.is_some_and(|idle| idle.at.is_some()), "{:?}", shown.idle_stop);
    drop(keys);
    ensure!(typed.wait().await?.success());

    // A terminal stays open, in which nobody does anything.
    let mut idle = world.session().await?;
    let begin = Instant::now();
    while world.shown().await?.desired_state == DesiredState::Running {
        ensure!(begin.elapsed() < LONG_ENOUGH, "it goes on: {:?}", world.shown().await?);
        world.passes_but_for_activity().await?;
        world
            .execute("UPDATE workspace_activity SET last_active_at = last_active_at - interval '5 minutes'")
            .await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    idle.wait().await?;
    world.way.berth.admin.reach(&world.shown().await?, ActualState::Stopped, PATIENCE).await?;
    let why = world.text(world.own(&["why", NAME])).await?;
    ensure!(why.contains("nothing happened in it for 15 minutes"), "{why}");
    let without = json!({"proxy": {"public_port": port}});
    admin.put("agents/agent/configuration", &without).await?;
    world.ok(world.own(&["start", NAME, "--wait"]), b"").await?;
    world.has_sshd().await
}

impl World {
    async fn shown(&self) -> anyhow::Result<Workspace> {
        self.way.berth.admin.workspace(NAME).await
    }

    async fn execute(&self, statements: &str) -> anyhow::Result<()> {
        let (client, connection) = tokio_postgres::connect(&self.way.berth.database_url, NoTls).await?;
        let connection = tokio::spawn(connection);
        client.batch_execute(statements).await?;
        connection.abort();
        Ok(())
    }

    /// As if it had been so for twenty minutes; what happened in it stays as the proxy has told it. The server looks next time.
    async fn passes_but_for_activity(&self) -> anyhow::Result<()> {
        self.execute(
            "UPDATE proxy_contacts SET heard_since = now() - interval '1 day';
             UPDATE workspaces SET lifecycle_at = now(), desired_state_changed_at = now() - interval '20 minutes',
                 actual_state_changed_at = now() - interval '20 minutes', ran_at = now() - interval '20 minutes'
                 WHERE desired_state = 'Running'",
        )
        .await
    }
}
