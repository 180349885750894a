//! `make down`: stops everything in the order in which one needs the other.

use std::fs;

use anyhow::Context as _;
use berth_harness::Cluster;
use berth_harness::lock::Lock;

use crate::site::Site;
use crate::stages::Stages;
use crate::{agent, server};

pub(crate) async fn down(purge: bool) -> anyhow::Result<()> {
    let site = Site::open()?;
    let alone = Lock::wait(&site.root().join("lock"))?;
    let stages = Stages::new();
    let say = |stopped: bool| Ok(((), if stopped { "stopped" } else { "did not run" }.to_owned()));
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
        drop(alone);
        fs::remove_dir_all(site.root()).context("the data cannot be removed")?;
        anstream::println!("All data is removed.");
    } else {
        anstream::println!("The data is kept in {}; `make down PURGE=1` removes it.", site.root().display());
    }
    Ok(())
}
