//! `make down`: stops everything in the order in which one needs the other.

use std::fs;

use anyhow::Context as _;
use berth_harness::Cluster;
use berth_harness::lock::Lock;

use crate::site::Site;
use crate::stages::Stages;
use crate::{agent, server, window};

pub(crate) async fn down(purge: bool) -> anyhow::Result<()> {
    let site = Site::open()?;
    let alone = Lock::wait(&site.root().join("lock"))?;
    let stages = Stages::new();
    let say = |stopped: bool| Ok(((), if stopped { "stopped" } else { "did not run" }.to_owned()));
    window::close(&site).await;
    if agent::runs_here(&site) {
        stages.run("agent", async { say(agent::stop(&site).await) }).await?;
    }
    stages.run("server", async { say(server::stop(&site).await) }).await?;
    stages
        .run("Kubernetes", async {
            match Cluster::attach(&site.cluster()) {
                Some(cluster) => cluster.stop().await.map(|()| ((), "stopped".to_owned())),
                None => say(false),
            }
        })
        .await?;
    if purge {
        stop_named(&site, &stages).await?;
        drop(alone);
        site.remove()?;
        anstream::println!("All data is removed.");
    } else {
        anstream::println!("The data is kept in {}; `make down PURGE=1` removes it.", site.root().display());
    }
    Ok(())
}

/// Clusters of a name of their own (`berth-dev cluster start`) keep their data below the state directory too, and their mounts
/// are in its way.
async fn stop_named(site: &Site, stages: &Stages) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(site.clusters()) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry.context("the state directory cannot be read")?.path();
        let Some(cluster) = Cluster::attach(&path) else { continue };
        let stage = format!("Kubernetes '{}'", path.file_name().unwrap_or_default().to_string_lossy());
        stages.run(&stage, async { cluster.stop().await.map(|()| ((), "stopped".to_owned())) }).await?;
    }
    Ok(())
}
