//! An agent's token that is replaced, stolen and taken back, and an agent that is lost for good.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use berth_integration_tests::{Installation, WORKSPACE_IMAGE};
use berth_schema::ActualState;
use berth_schema::agents::WorkspacesAdopted;
use berth_schema::api::{Agent, AgentCreated, CreateWorkspace};
use berth_schema::reconcile::ReconcileRequest;
use berth_schema::variables::VariableKind;
use serde_json::json;

use crate::PATIENCE;

const FILE: &str = "/projects/kept.txt";

/// A running workspace with something on its volume and in its environment.
async fn with_content(berth: &Installation, name: &str) -> anyhow::Result<berth_schema::api::Workspace> {
    let wanted = CreateWorkspace {
        idle_after: None,
        name: Some(name.parse()?),
        agent: Some("agent".to_owned()),
        devfile: None,
        devcontainer: None,
        image: Some(WORKSPACE_IMAGE.to_owned()),
        git_user: None,
        project: None,
        variables: vec![berth_integration_tests::variable(VariableKind::Environment, "KEPT", b"value")],
    };
    let created = berth.admin.create(&wanted).await?;
    let running = berth.admin.running(&created).await?;
    berth.view.write(&running, FILE, b"content").await?;
    Ok(running)
}

async fn agent(berth: &Installation, name: &str) -> anyhow::Result<Agent> {
    berth.admin.get(&format!("agents/{name}")).await?.expect()
}

/// Waits until what is shown of an agent is as it should be.
async fn until(berth: &Installation, name: &str, holds: impl Fn(&Agent) -> bool) -> anyhow::Result<Agent> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let agent = agent(berth, name).await?;
        if holds(&agent) {
            return Ok(agent);
        }
        ensure!(Instant::now() < deadline, "it stays {agent:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

async fn rotate(berth: &Installation, overlap_seconds: u64) -> anyhow::Result<String> {
    let body = json!({"overlap_seconds": overlap_seconds});
    let rotated: AgentCreated = berth.admin.post("agents/agent/rotate-token", &body).await?.expect()?;
    rotated.token.context("no token")
}

#[tokio::test]
async fn a_token_is_replaced_under_a_running_agent_and_no_round_is_lost() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let running = with_content(&berth, "rotated").await?;
    let before = agent(&berth, "agent").await?;
    berth.replace_token(&rotate(&berth, 3_600).await?)?;
    // Work goes on meanwhile, and has it look for the token.
    let stopped = berth.admin.wish("rotated", "stop").await?;
    berth.admin.reach(&stopped, ActualState::Stopped, PATIENCE).await?;
    let after = until(&berth, "agent", |agent| {
        agent.credential.is_some_and(|credential| credential.previous_valid_until.is_none())
            && !agent.sealing_keys.is_empty()
    })
    .await?;
    assert!(after.sealing_keys[0].registered_at > before.sealing_keys[0].registered_at, "with the new token");
    let started = berth.admin.wish("rotated", "start").await?;
    let again = berth.admin.running(&started).await?;
    assert_eq!(again.id, running.id);
    assert_eq!(berth.view.exec(&again, r#"printf %s "$KEPT""#).await?, b"value");
    let log = std::fs::read_to_string(berth.agent.log())?;
    assert!(log.contains("the token was replaced"), "{log}");
    assert!(!log.contains("the round failed"), "{log}");
    Ok(())
}

#[tokio::test]
async fn a_stolen_token_is_taken_back_and_a_lost_agents_workspaces_are_adopted() -> anyhow::Result<()> {
    let Some(mut berth) = Installation::start().await? else {
        return Ok(());
    };
    let running = with_content(&berth, "stolen").await?;

    // Somebody who has the token claims the last epochs there are.
    let thief = ReconcileRequest { epoch: 1 << 52, sequence: 1, ..ReconcileRequest::default() };
    let url = format!("{}/api/v1/agent/reconcile", berth.server.url());
    let http = reqwest::Client::builder().tls_certs_only([]).build()?;
    let claim = http.post(&url).bearer_auth(berth.token()?).json(&thief).send().await?;
    ensure!(claim.status().is_success(), "{}", claim.text().await?);
    let warned = until(&berth, "agent", |agent| agent.events.iter().any(|event| event.warning)).await?;
    assert_eq!(warned.workspaces, 1);
    let token = rotate(&berth, 0).await?;
    let stolen = berth.token()?;
    berth.replace_token(&token)?;
    // As a rollout does: who was deposed stands by for a while.
    berth.agent.restart().await?;
    let claim = http.post(&url).bearer_auth(stolen).json(&thief).send().await?;
    assert_eq!(claim.status().as_u16(), 401);
    let stop = berth.admin.wish("stolen", "stop").await?;
    berth.admin.reach(&stop, ActualState::Stopped, PATIENCE).await?;
    let start = berth.admin.wish("stolen", "start").await?;
    berth.admin.running(&start).await?;

    // The agent is lost for good, and another one is installed in its cluster.
    berth.agent.stop().await?;
    let old: Agent = berth.admin.post("agents/agent/revoke", &json!({})).await?.expect()?;
    let new = berth.admin.create_agent("heir").await?;
    let adopts = ("BERTH_ADOPTS".to_owned(), old.id.to_string());
    let heir = berth.another_agent(new.token.context("no token")?.into(), "heir", vec![adopts]).await?;
    until(&berth, "heir", |agent| agent.prerequisites.is_some()).await?;
    let adopt = json!({"from": old.id});
    let adopted: WorkspacesAdopted = berth.admin.post("agents/heir/adopt", &adopt).await?.expect()?;
    assert_eq!(adopted.workspaces, 1);
    let moved = berth.admin.workspace("stolen").await?;
    let moved = berth.admin.running(&moved).await?;
    assert_eq!((moved.id, moved.agent_id), (running.id, new.agent.id));
    assert_eq!(berth.view.exec(&moved, &format!("cat {FILE}")).await?, b"content");
    assert_eq!(berth.view.exec(&moved, r#"printf %s "$KEPT""#).await?, b"value");
    let namespace = berth.view.namespace(&moved).await?.context("its namespace")?;
    let label = namespace.metadata.labels.and_then(|labels| labels.get("berth.dev/agent-id").cloned());
    assert_eq!(label, Some(new.agent.id.to_string()));
    let gone = berth.admin.wish("stolen", "terminate").await?;
    berth.admin.reach(&gone, ActualState::Terminated, PATIENCE).await?;
    assert!(berth.view.namespace(&moved).await?.is_none());
    drop(heir);
    Ok(())
}
