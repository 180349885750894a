//! The agent with a hundred workspaces.

use std::time::Duration;

use anyhow::Context as _;
use berth_harness::AgentProcess;
use berth_integration_tests::{Installation, WORKSPACE_IMAGE};
use berth_schema::ActualState;

use crate::figure::{Figures, Goal};
use crate::process::resident_megabytes;

const WORKSPACES: usize = 100;
const SETTLE: Duration = Duration::from_secs(5);

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let mut berth = with_workspaces().await?;
    memory(&mut berth.agent, figures, &format!("{WORKSPACES} workspaces"), Goal::AtMost(25.0)).await
}

/// A whole Berth whose agent has just applied that many stopped workspaces, all of them at once. They have every object but
/// the pod, of which a node holds a hundred at most.
async fn with_workspaces() -> anyhow::Result<Installation> {
    let mut berth =
        Installation::start().await?.context("the agent's figures need a node, which needs root")?;
    berth.agent.stop().await?;
    let mut all = Vec::new();
    for number in 0..WORKSPACES {
        let created = berth.admin.create_from_image(&format!("many-{number}"), WORKSPACE_IMAGE).await?;
        all.push(berth.admin.wish(created.name.as_str(), "stop").await?);
    }
    berth.agent.start_again().await?;
    for workspace in &all {
        berth.admin.reach(workspace, ActualState::Stopped, Duration::from_secs(600)).await?;
    }
    Ok(berth)
}

/// What it takes right after the burst, and as a new process.
pub(crate) async fn memory(
    agent: &mut AgentProcess,
    figures: &mut Figures,
    what: &str,
    goal: Goal,
) -> anyhow::Result<()> {
    for moment in ["just applied", "after a restart"] {
        tokio::time::sleep(SETTLE).await;
        let memory = resident_megabytes(agent.process().pid)?;
        figures.add(format!("agent, resident, {what}, {moment}"), "MB", memory, None, goal);
        if moment == "just applied" {
            agent.restart().await?;
        }
    }
    Ok(())
}
