//! What a partial reconcile costs with 10,000 and with 1,000,000 workspaces in the database.

use std::time::{Duration, Instant};

use berth_harness::{Postgres, Server, ServerOptions};
use berth_schema::AgentToken;
use tempfile::TempDir;

use crate::figure::{Figures, Goal, percentile};
use crate::population::{Owner, nothing_new};
use crate::wire::{Wire, reconcile};

/// Twenty workspaces each.
const FEW: usize = 500;
const MANY: usize = 50_000;
const WORKSPACES: i32 = 20;
/// Agents of one statement.
const BATCH: usize = 5_000;
const ROUNDS: usize = 2_000;

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let postgres = Postgres::start(None).await?;
    let few = Installation::start(&postgres, FEW).await?;
    let many = Installation::start(&postgres, MANY).await?;
    // The server does not wait for ever for a request of who has connected.
    let mut few_wire = Wire::connect(few.server.address()).await?;
    let mut many_wire = Wire::connect(many.server.address()).await?;
    // In turns, so that both see the same machine.
    let (mut with_few, mut with_many) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        with_few.push(few.ask(&mut few_wire).await?);
        with_many.push(many.ask(&mut many_wire).await?);
    }
    for (share, name) in [(0.5, "p50"), (0.95, "p95")] {
        let floor = percentile(&mut with_few, share);
        let measured = percentile(&mut with_many, share);
        let what = format!("partial reconcile, 1,000,000 rows beside 10,000, {name}");
        figures.add(what, "ms", measured, Some(floor), Goal::TimesFloor(1.2));
    }
    Ok(())
}

struct Installation {
    tokens: Vec<AgentToken>,
    server: Server,
    _dir: TempDir,
}

impl Installation {
    async fn start(postgres: &Postgres, agents: usize) -> anyhow::Result<Self> {
        let url = postgres.create_database().await?;
        let dir = tempfile::tempdir()?;
        let server = Server::start(ServerOptions::new(&url, dir.path()).for_load()).await?;
        let owner = Owner::connect(&url).await?;
        let mut tokens = Vec::new();
        while tokens.len() < agents {
            tokens.extend(owner.populate(BATCH.min(agents - tokens.len()), WORKSPACES).await?);
        }
        owner.settle().await?;
        Ok(Self { tokens, server, _dir: dir })
    }

    /// Any of the agents.
    async fn ask(&self, wire: &mut Wire) -> anyhow::Result<Duration> {
        let token = &self.tokens[fastrand::usize(..self.tokens.len())];
        let request = reconcile(token, &nothing_new(0))?;
        let started = Instant::now();
        let reply = wire.ask(&request).await?;
        anyhow::ensure!(reply.status == 200, "status {}", reply.status);
        Ok(started.elapsed())
    }
}
