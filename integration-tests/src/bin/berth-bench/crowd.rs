//! The agent with five hundred workspaces: its memory, and what it does when nothing happens. There is no node: their pods are there and
//! stay Pending.

use std::time::Duration;

use crate::agent::memory;
use crate::figure::{Figures, Goal};
use crate::process::processor_seconds;
use crate::site::Site;

const WORKSPACES: usize = 500;
/// As long as the agent's watches run: each ends once and is taken up again.
const IDLE: Duration = Duration::from_mins(1);

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let mut site = Site::start().await?;
    site.workspaces("many", WORKSPACES).await?;
    let what = format!("{WORKSPACES} workspaces");
    memory(&mut site.agent, figures, &what, Goal::AtMost(40.0)).await?;
    let pid = site.agent.process().pid;
    let before = processor_seconds(pid)?;
    tokio::time::sleep(IDLE).await;
    let share = (processor_seconds(pid)? - before) / IDLE.as_secs_f64();
    figures.add(format!("agent, idle, {what}, of a core"), "%", 100.0 * share, None, Goal::AtMost(1.0));
    Ok(())
}
