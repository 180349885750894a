//! The server on its own: start, memory, and silence towards the database.

use std::time::{Duration, Instant};

use berth_harness::{Postgres, Server, ServerOptions};

use crate::figure::{Figures, Goal, percentile};
use crate::process::{resident_megabytes, rows_written};

const STARTS: usize = 10;
const IDLE: Duration = Duration::from_secs(15);

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let postgres = Postgres::start(None).await?;
    let dir = tempfile::tempdir()?;

    let mut empty = Vec::new();
    for number in 0..3 {
        let url = postgres.create_database().await?;
        let started = Instant::now();
        let server =
            Server::start(ServerOptions::new(&url, dir.path().join(format!("empty-{number}"))).for_load())
                .await?;
        empty.push(started.elapsed());
        drop(server);
    }
    figures.add(
        "server ready on an empty database, median",
        "ms",
        percentile(&mut empty, 0.5),
        None,
        Goal::AtMost(1_000.0),
    );

    let url = postgres.create_database().await?;
    let mut server = Server::start(ServerOptions::new(&url, dir.path().join("server")).for_load()).await?;
    let mut migrated = Vec::new();
    for _ in 0..STARTS {
        server.stop().await?;
        let started = Instant::now();
        server.start_again().await?;
        migrated.push(started.elapsed());
    }
    figures.add(
        "server ready on a migrated database, p95",
        "ms",
        percentile(&mut migrated, 0.95),
        None,
        Goal::AtMost(150.0),
    );

    let before = rows_written(&url).await?;
    tokio::time::sleep(IDLE).await;
    let after = rows_written(&url).await?;
    figures.add("rows written by an idle server in 15 s", "rows", after - before, None, Goal::AtMost(0.0));
    let memory = resident_megabytes(server.process().pid)?;
    figures.add("server, resident, idle", "MB", memory, None, Goal::AtMost(40.0));
    Ok(())
}
