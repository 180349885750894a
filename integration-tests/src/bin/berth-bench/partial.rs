//! How many agents without news the server answers in a second, beside what `pgbench` reads in the same database.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use berth_harness::{Postgres, Server, ServerOptions};
use berth_schema::AgentToken;
use tokio::task::JoinSet;

use crate::figure::{Figures, Goal};
use crate::population::{Owner, nothing_new};
use crate::wire::{Wire, reconcile};

const CONNECTIONS: usize = 16;
const TIME: Duration = Duration::from_secs(5);
const ROUNDS: usize = 3;

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let postgres = Postgres::start(None).await?;
    let url = postgres.create_database().await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&url, dir.path()).for_load()).await?;
    let owner = Owner::connect(&url).await?;
    let tokens = owner.populate(CONNECTIONS, 20).await?;
    owner.settle().await?;
    pgbench(&url, &["--initialize", "--scale=10", "--quiet"]).await?;

    // In turns, and the best of each: the machine is rarely alone with either.
    let (mut best, mut floor) = (0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        floor = floor.max(reads(&url).await?);
        best = best.max(rounds(&server, &tokens).await?);
    }
    figures.add(
        format!("partial reconciles with nothing new, {CONNECTIONS} connections"),
        "1/s",
        best,
        Some(floor),
        Goal::ShareOfFloor(0.7),
    );
    Ok(())
}

/// Answers in a second, from first to last over connections that ask again as soon as they are answered.
async fn rounds(server: &Server, tokens: &[AgentToken]) -> anyhow::Result<f64> {
    let address = server.address();
    let mut clients = JoinSet::new();
    let started = Instant::now();
    for token in tokens {
        let request = reconcile(token, &nothing_new(0))?;
        clients.spawn(async move {
            let mut wire = Wire::connect(address).await?;
            let mut count = 0.0;
            while started.elapsed() < TIME {
                let reply = wire.ask(&request).await?;
                anyhow::ensure!(reply.status == 200, "status {}", reply.status);
                count += 1.0;
            }
            Ok(count)
        });
    }
    let mut total = 0.0;
    while let Some(count) = clients.join_next().await {
        total += count.context("a client broke")??;
    }
    Ok(total / started.elapsed().as_secs_f64())
}

async fn reads(url: &str) -> anyhow::Result<f64> {
    let (clients, time) = (format!("--client={CONNECTIONS}"), format!("--time={}", TIME.as_secs()));
    let arguments = ["--select-only", "--protocol=prepared", "--jobs=2", "--no-vacuum", &clients, &time];
    let output = pgbench(url, &arguments).await?;
    let speed =
        output.lines().find_map(|line| line.strip_prefix("tps = ")).context("pgbench said no speed")?;
    speed.split(' ').next().context("no number")?.parse().context("no number")
}

async fn pgbench(url: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = berth_harness::command::command(&Postgres::program("pgbench")?);
    command.args(arguments).arg(url);
    let output = command.output().await.context("pgbench cannot be started")?;
    anyhow::ensure!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
