//! A thousand agents that return at the same moment, each with a full report of twenty workspaces, all of them changed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use berth_agent_core::Backoff;
use berth_harness::{Postgres, Server, ServerOptions};
use berth_schema::reconcile::ReconcileResponse;
use tokio::task::JoinSet;

use crate::figure::{Figures, Goal, percentile};
use crate::population::Owner;
use crate::process::{connections, resident_megabytes};
use crate::wire::{Reply, Wire, reconcile};

const AGENTS: usize = 1_000;
const WORKSPACES: i32 = 20;
const LIMIT: Duration = Duration::from_secs(180);

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let postgres = Postgres::start(None).await?;
    let url = postgres.create_database().await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&url, dir.path()).for_load()).await?;
    let owner = Owner::connect(&url).await?;
    let tokens = owner.populate(AGENTS, WORKSPACES).await?;
    owner.settle().await?;
    let mut requests = Vec::new();
    for token in &tokens {
        requests.push(reconcile(token, &owner.full_report(token.agent()).await?)?);
    }

    let (address, pid) = (server.address(), server.process().pid);
    let mut agents = JoinSet::new();
    let started = Instant::now();
    for request in requests {
        agents.spawn(async move { until_answered(address, &request, started).await });
    }
    let (mut memory, mut open) = (0.0_f64, 0.0_f64);
    let (mut times, mut refusals) = (Vec::new(), 0.0);
    while times.len() < AGENTS {
        tokio::select! {
            Some(answered) = agents.join_next() => {
                let (time, tries) = answered.context("an agent broke")??;
                times.push(time);
                refusals += tries;
            }
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                memory = memory.max(resident_megabytes(pid)?);
                open = open.max(connections(&url).await?);
            }
        }
    }
    memory = memory.max(resident_megabytes(pid)?);
    let who = format!("{AGENTS} agents x {WORKSPACES} returning");
    let (half, all) = (percentile(&mut times, 0.5) / 1e3, percentile(&mut times, 1.0) / 1e3);
    figures.add(format!("{who}: half of them answered"), "s", half, None, Goal::None);
    figures.add(format!("{who}: all of them answered"), "s", all, None, Goal::AtMost(60.0));
    figures.add(format!("{who}: refusals on the way"), "", refusals, None, Goal::None);
    figures.add(format!("{who}: server, resident at most"), "MB", memory, None, Goal::AtMost(512.0));
    figures.add(format!("{who}: database connections"), "", open, None, Goal::AtMost(20.0));
    Ok(())
}

/// As the agent does: again after a pause, longer each time. When it was answered, and after how many refusals.
async fn until_answered(
    address: SocketAddr,
    request: &[u8],
    started: Instant,
) -> anyhow::Result<(Duration, f64)> {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    let mut refusals = 0.0;
    loop {
        let reply = async { Wire::connect(address).await?.ask(request).await }.await;
        match reply {
            Ok(Reply { status: 200, body }) => {
                let answer: ReconcileResponse = serde_json::from_slice(&body)?;
                let told = usize::try_from(WORKSPACES)?;
                anyhow::ensure!(answer.workspaces.len() == told, "{} acknowledged", answer.workspaces.len());
                return Ok((started.elapsed(), refusals));
            }
            Ok(Reply { status: 429 | 503, .. }) | Err(_) if started.elapsed() < LIMIT => refusals += 1.0,
            Ok(Reply { status, .. }) => anyhow::bail!("status {status}"),
            Err(cause) => return Err(cause),
        }
        tokio::time::sleep(backoff.next(fastrand::f64())).await;
    }
}
