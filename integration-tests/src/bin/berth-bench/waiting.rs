//! A thousand agents that wait for a minute.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use berth_harness::{Postgres, Server, ServerOptions};
use tokio::task::JoinSet;

use crate::figure::{Figures, Goal};
use crate::population::{Owner, nothing_new};
use crate::process::{processor_seconds, resident_megabytes, rows_written};
use crate::wire::{Wire, reconcile};

const AGENTS: usize = 1_000;
const MINUTE: Duration = Duration::from_secs(60);
/// Longer than the default interval of 10 s: a large installation sets it so.
const HOLD_SECONDS: u64 = 50;

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    for hold in [HOLD_SECONDS, 10] {
        hold_for(figures, hold).await?;
    }
    Ok(())
}

async fn hold_for(figures: &mut Figures, hold: u64) -> anyhow::Result<()> {
    let postgres = Postgres::start(None).await?;
    let url = postgres.create_database().await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&url, dir.path()).for_load()).await?;
    let owner = Owner::connect(&url).await?;
    let mut agents = JoinSet::new();
    let address = server.address();
    let start = Instant::now();
    for token in owner.populate(AGENTS, 20).await? {
        let request = reconcile(&token, &nothing_new(hold))?;
        agents.spawn(async move {
            // As agents do that have been up for a while: at any moment of the interval.
            tokio::time::sleep(Duration::from_secs(hold.min(10)).mul_f64(fastrand::f64())).await;
            let mut wire = Wire::connect(address).await?;
            loop {
                let reply = wire.ask(&request).await?;
                anyhow::ensure!(reply.status == 200, "status {}", reply.status);
            }
        });
    }
    // Until everyone waits.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let pid = server.process().pid;
    let (rows, processor, began) = (rows_written(&url).await?, processor_seconds(pid)?, Instant::now());
    tokio::select! {
        broken = agents.join_next() => {
            let broken: anyhow::Result<()> = broken.context("no agent")?.context("an agent broke")?;
            broken.context("an agent was not answered")?;
        }
        () = tokio::time::sleep(MINUTE) => {}
    }
    let share = (processor_seconds(pid)? - processor) / began.elapsed().as_secs_f64() * 100.0;
    let memory = resident_megabytes(pid)?;
    let written = rows_written(&url).await? - rows;
    let who = format!("{AGENTS} agents waiting, {hold} s each");
    let goal = |limit| if hold == HOLD_SECONDS { Goal::AtMost(limit) } else { Goal::None };
    figures.add(format!("{who}: share of a core"), "%", share, None, goal(2.0));
    figures.add(format!("{who}: server, resident"), "MB", memory, None, goal(100.0));
    figures.add(format!("{who}: rows written in a minute"), "rows", written, None, goal(0.0));
    anyhow::ensure!(start.elapsed() > MINUTE, "it was no minute");
    Ok(())
}
