//! One workspace in two hundred that the API server refuses: what the others feel of it.
//!
//! Without a node, so that two hundred have room: a workspace is there when its Deployment is applied.

use std::time::{Duration, Instant};

use anyhow::ensure;
use berth_integration_tests::refuse_deployments;
use berth_schema::ActualState;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::figure::{Figures, Goal, percentile};
use crate::site::Site;

const BATCH: usize = 50;
/// People who create at the same time.
const USERS: usize = 4;
const IMAGE: &str = "registry.example/dev:1";
const POISON: &str = "poison";

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let site = Site::start().await?;
    refuse_deployments(&site.client, POISON, "no berth for poison").await?;
    // Without, with, with, without: the cluster fills meanwhile, which must not be held against either.
    let mut without = batch(&site, "a").await?;
    site.admin.create_from_image(POISON, IMAGE).await?;
    let refused = refused(&site).await?;
    let mut with = batch(&site, "b").await?;
    with.extend(batch(&site, "c").await?);
    site.admin.wish(POISON, "terminate").await?;
    without.extend(batch(&site, "d").await?);
    for (share, name) in [(0.5, "p50"), (0.95, "p95")] {
        let (floor, measured) = (percentile(&mut without, share), percentile(&mut with, share));
        let what = format!("create to applied beside one poison in 200, {name}");
        figures.add(what, "ms", measured, Some(floor), Goal::TimesFloor(1.2));
    }
    figures.add(
        "poison shows Error (two rounds: 20 s)",
        "s",
        refused.as_secs_f64(),
        None,
        Goal::AtMost(20.0),
    );
    Ok(())
}

async fn refused(site: &Site) -> anyhow::Result<Duration> {
    let started = Instant::now();
    loop {
        let poison = site.admin.workspace(POISON).await?;
        if poison.actual_state == ActualState::Error {
            let words = poison.reason.map(|reason| reason.message).unwrap_or_default();
            ensure!(words.contains("no berth for poison"), "other words: {words}");
            return Ok(started.elapsed());
        }
        ensure!(started.elapsed() < Duration::from_secs(60), "the poison is {}", poison.actual_state);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn batch(site: &Site, name: &str) -> anyhow::Result<Vec<Duration>> {
    let creations = (0..BATCH).map(|number| async move {
        let started = Instant::now();
        let workspace = site.admin.create_from_image(&format!("{name}-{number}"), IMAGE).await?;
        anyhow::Ok(site.applied(&workspace).await? - started)
    });
    stream::iter(creations).buffer_unordered(USERS).try_collect().await
}
