//! From a start to an editor that answers, with the tools in the volume already and without.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_integration_tests::{Installation, WORKSPACE_IMAGE, unique};
use berth_schema::ActualState;
use berth_schema::api::Workspace;
use berth_schema::kubernetes::EDITOR_PORT;

use crate::figure::{Figures, Goal, percentile};

const ROUNDS: usize = 5;
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let berth =
        Installation::start_with_tools().await?.context("the editor needs a node, which needs root")?;
    let (mut empty, mut filled) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let created = berth.admin.create_from_image(&unique("editor"), WORKSPACE_IMAGE).await?;
        empty.push(answering(&berth, &created, started).await?);
        let stop = berth.admin.wish(created.name.as_str(), "stop").await?;
        berth.admin.reach(&stop, ActualState::Stopped, LIMIT).await?;
        let started = Instant::now();
        let start = berth.admin.wish(created.name.as_str(), "start").await?;
        filled.push(answering(&berth, &start, started).await?);
        let terminate = berth.admin.wish(created.name.as_str(), "terminate").await?;
        berth.admin.reach(&terminate, ActualState::Terminated, LIMIT).await?;
    }
    for (samples, state, goal) in
        [(&mut empty, "an empty volume", 20_000.0), (&mut filled, "the tools in the volume", 10_000.0)]
    {
        let what = format!("start to editor answering, {state}, p50");
        figures.add(what, "ms", percentile(samples, 0.5), None, Goal::AtMost(goal));
    }
    Ok(())
}

async fn answering(
    berth: &Installation,
    workspace: &Workspace,
    started: Instant,
) -> anyhow::Result<Duration> {
    let running = berth.admin.reach(workspace, ActualState::Running, LIMIT).await?.0;
    let forward = berth.view.forward(&running, EDITOR_PORT).await?;
    let url = format!("http://{}/healthz", forward.address());
    while !berth_harness::answers(&url).await {
        ensure!(started.elapsed() < LIMIT, "the editor does not answer at {url}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(started.elapsed())
}
