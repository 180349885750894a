//! What the kernel says of a process, and Postgres of a database.

use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio_postgres::NoTls;

/// Resident memory in megabytes (10^6 bytes).
pub(crate) fn resident_megabytes(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")?;
    Ok(kibibytes * 1_024.0 / 1e6)
}

/// Lets this process, and what it starts, open as many files as the machine allows.
pub(crate) fn raise_open_files() -> anyhow::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let wanted = Rlimit { current: maximum, maximum };
    setrlimit(Resource::Nofile, wanted).context("the limit of open files cannot be raised")
}

/// A process and all that it has started, and they.
pub(crate) fn family(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(parent) = all.get(next) {
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        let children = children.context("the process has ended")?;
        all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        next += 1;
    }
    Ok(all)
}

/// Processor time of all its threads so far, in seconds.
pub(crate) fn processor_seconds(pid: u32) -> anyhow::Result<f64> {
    /// Linux' `USER_HZ`, the same on every machine that Berth runs on.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has ended")?;
    let (_, fields) = stat.rsplit_once(')').context("a stat without a name")?;
    let ticks = |index: usize| -> anyhow::Result<f64> {
        fields.split_whitespace().nth(index).context("a short stat")?.parse().context("no number")
    };
    Ok((ticks(11)? + ticks(12)?) / TICKS)
}

/// Rows inserted, updated and deleted in the database so far.
pub(crate) async fn rows_written(url: &str) -> anyhow::Result<f64> {
    // Statistics are flushed by the backend when it has been idle for a moment.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let query = "SELECT (tup_inserted + tup_updated + tup_deleted)::float8 FROM pg_stat_database \
                 WHERE datname = current_database()";
    one(url, query).await
}

/// Connections to the database, without the one that asks.
pub(crate) async fn connections(url: &str) -> anyhow::Result<f64> {
    one(url, "SELECT count(*)::float8 - 1 FROM pg_stat_activity WHERE datname = current_database()").await
}

/// The number that a query gives.
async fn one(url: &str, query: &str) -> anyhow::Result<f64> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let number = client.query_one(query, &[]).await?.get(0);
    drop(client);
    connection.await.context("the connection's task")??;
    Ok(number)
}
