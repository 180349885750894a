//! The agent with a hundred workspaces.

use std::time::Duration;

use anyhow::Context as _;
use berth_integration_tests::{Installation, WORKSPACE_IMAGE};
use berth_schema::ActualState;

use crate::figure::{Figures, Goal};
use crate::process::resident_megabytes;

const WORKSPACES: usize = 100;
const SETTLE: Duration = Duration::from_secs(5);

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let mut berth =
        Installation::start().await?.context("the agent's figures need a node, which needs root")?;
    // Stopped workspaces have every object but the pod: a node holds about a hundred pods at most.
    berth.agent.stop().await?;
    let mut all = Vec::new();
    for number in 0..WORKSPACES {
        let created = berth.admin.create_from_image(&format!("memory-{number}"), WORKSPACE_IMAGE).await?;
        all.push(berth.admin.wish(created.name.as_str(), "stop").await?);
    }
    berth.agent.start_again().await?;
    for workspace in &all {
        berth.admin.reach(workspace, ActualState::Stopped, Duration::from_secs(240)).await?;
    }
    tokio::time::sleep(SETTLE).await;
    let memory = resident_megabytes(berth.agent.process().pid)?;
    figures.add("agent, resident, 100 workspaces just applied", "MB", memory, None, Goal::AtMost(25.0));
    berth.agent.restart().await?;
    tokio::time::sleep(SETTLE).await;
    let memory = resident_megabytes(berth.agent.process().pid)?;
    figures.add("agent, resident, 100 workspaces, after a restart", "MB", memory, None, Goal::AtMost(25.0));
    Ok(())
}
