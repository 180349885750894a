//! The database is lost and comes back from a backup, with a real agent and what runs in its cluster.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_harness::paths;
use berth_integration_tests::{Installation, WORKSPACE_IMAGE};
use berth_schema::ActualState;
use berth_schema::api::{Agent, AgentCreated, Orphans, Workspace};
use serde_json::json;

use crate::PATIENCE;

/// Runs a command of `berth-server` for somebody who owns the database.
fn command(database_url: &str, arguments: &[&str], kek: Option<&Path>) -> anyhow::Result<String> {
    let mut command = Command::new(paths::program("berth-server")?);
    command.args(arguments).env("BERTH_MIGRATIONS_DATABASE_URL", database_url);
    if let Some(kek) = kek {
        command.arg("--kek-file").arg(kek);
    }
    let output = command.output().context("berth-server cannot be started")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(output.status.success(), "{arguments:?}: {said}");
    Ok(said)
}

/// What the commands say of the rows of each table.
fn rows(said: &str) -> Vec<String> {
    let line = |line: &str| line.split_once("table=").map(|(_, rest)| rest.to_owned());
    said.lines().filter_map(line).collect()
}

async fn pod_uid(berth: &Installation, workspace: &Workspace) -> anyhow::Result<String> {
    berth.view.pod(workspace).await?.metadata.uid.context("its uid")
}

#[tokio::test]
async fn a_lost_database_comes_back_its_agent_goes_on_and_nothing_is_there_twice() -> anyhow::Result<()> {
    let Some(mut berth) = Installation::start().await? else {
        return Ok(());
    };
    let running = berth.admin.create_from_image("running", WORKSPACE_IMAGE).await?;
    let running = berth.admin.running(&running).await?;
    berth.view.write(&running, "/projects/kept.txt", b"content").await?;
    let stopped = berth.admin.create_from_image("stopped", WORKSPACE_IMAGE).await?;
    berth.admin.running(&stopped).await?;
    let stopped = berth.admin.wish("stopped", "stop").await?;
    berth.admin.reach(&stopped, ActualState::Stopped, PATIENCE).await?;
    let uid = pod_uid(&berth, &running).await?;

    let file = berth.dir().join("berth.backup");
    let file = file.to_str().context("a path")?;
    let saved = command(&berth.database_url, &["backup", file], None)?;
    // Since then somebody made a workspace.
    let late = berth.admin.create_from_image("late", WORKSPACE_IMAGE).await?;
    let late = berth.admin.running(&late).await?;
    let late_uid = pod_uid(&berth, &late).await?;

    berth.server.stop().await?;
    let database = berth.empty_database().await?;
    let kek = berth.server.kek().to_owned();
    let restored = command(&database, &["restore", file], Some(&kek))?;
    assert!(!rows(&saved).is_empty(), "{saved}");
    assert_eq!(rows(&saved), rows(&restored));
    berth.server.use_database(&database);
    berth.server.start_again().await?;

    // Tokens of people open, and the agent comes back by itself, with the workspace that nobody here knows.
    let names = |workspaces: Vec<Workspace>| {
        let mut names: Vec<_> = workspaces.into_iter().map(|workspace| workspace.name.to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(names(berth.admin.workspaces().await?), ["running", "stopped"]);
    let deadline = Instant::now() + PATIENCE;
    let orphan = loop {
        let orphans: Orphans = berth.admin.get("agents/agent/orphans").await?.expect()?;
        if let [orphan] = orphans.items.as_slice() {
            break orphan.clone();
        }
        ensure!(Instant::now() < deadline, "{orphans:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(orphan.workspace_id, late.id);

    // What is wished for now is done; the one started before the loss was not touched, nor the one that is not known.
    let started = berth.admin.wish("stopped", "start").await?;
    let started = berth.admin.running(&started).await?;
    let again = berth.admin.workspace("running").await?;
    let again = berth.admin.running(&again).await?;
    assert_eq!(pod_uid(&berth, &again).await?, uid);
    assert_eq!(berth.view.exec(&again, "cat /projects/kept.txt").await?, b"content");
    assert_eq!(pod_uid(&berth, &late).await?, late_uid);
    for workspace in [&again, &started, &late] {
        assert_eq!(berth.view.pods(workspace).await?.len(), 1);
    }
    assert_eq!(names(berth.admin.workspaces().await?), ["running", "stopped"]);
    let agent: Agent = berth.admin.get("agents/agent").await?.expect()?;
    assert_eq!(agent.workspaces, 2);
    // A new one of the name that the unknown one has is another workspace, in another namespace.
    let namesake = berth.admin.create_from_image("late", WORKSPACE_IMAGE).await?;
    let namesake = berth.admin.running(&namesake).await?;
    assert!(namesake.id != late.id && pod_uid(&berth, &late).await? == late_uid);
    let rotated: AgentCreated =
        berth.admin.post("agents/agent/rotate-token", &json!({"overlap_seconds": 60})).await?.expect()?;
    assert_eq!(rotated.agent.id, agent.id);
    Ok(())
}
