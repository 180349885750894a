//! `berth-server status`: the background tasks of a running server.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use jiff::Timestamp;

use super::ask;
use crate::identity::{Actor, Run};
use crate::tasks::Status;

/// A task that has begun nothing for so many periods is overdue: it hangs, or takes longer than it may.
const OVERDUE: f64 = 3.0;

pub(super) async fn run(address: SocketAddr) -> anyhow::Result<ExitCode> {
    let (status, body) =
        ask::get(address, "/tasks").await.with_context(|| format!("no server answers at {address}"))?;
    if status != 200 {
        bail!("{address} answers {status}; it has to be the address of a server's metrics");
    }
    let tasks: BTreeMap<String, Status> =
        serde_json::from_str(&body).context("the answer is not that of a server's metrics")?;
    let now = Run::begin(Actor::Command("status"), ()).now;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(table(&tasks, now).as_bytes()).and_then(|()| stdout.flush()).context("cannot print")?;
    let overdue = tasks.values().any(|task| is_overdue(task, now));
    Ok(if overdue { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What has not run yet waits for its first time.
fn is_overdue(task: &Status, now: Timestamp) -> bool {
    match (task.period_seconds, task.last_run_at) {
        (Some(period), Some(last)) => now.duration_since(last).as_secs_f64() > OVERDUE * period,
        _ => false,
    }
}

fn table(tasks: &BTreeMap<String, Status>, now: Timestamp) -> String {
    let mut lines = vec![["TASK", "EVERY", "LAST RUN", "TOOK", "RUNS", "FAILURES", ""].map(str::to_owned)];
    for (name, task) in tasks {
        let ago = |last: Timestamp| format!("{} s ago", now.duration_since(last).as_secs().max(0));
        lines.push([
            name.clone(),
            task.period_seconds.map_or_else(|| "event".to_owned(), |period| format!("{period} s")),
            task.last_run_at.map_or_else(|| "not yet".to_owned(), ago),
            task.last_duration_seconds.map_or_else(|| "-".to_owned(), |took| format!("{took:.3} s")),
            task.runs.to_string(),
            task.failures.to_string(),
            if is_overdue(task, now) { "overdue" } else { "" }.to_owned(),
        ]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_what_hangs_and_what_waits_for_its_first_time() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let task = |period, last| Status { period_seconds: period, last_run_at: last, ..Status::default() };
        let hangs = Status {
            last_duration_seconds: Some(0.25),
            runs: 7,
            failures: 2,
            ..task(Some(60.0), Some(at(800)))
        };
        let tasks = BTreeMap::from([
            ("hangs".to_owned(), hangs),
            ("listener".to_owned(), task(None, Some(at(1)))),
            ("waits".to_owned(), task(Some(600.0), None)),
        ]);
        let expected = "\
TASK      EVERY  LAST RUN   TOOK     RUNS  FAILURES
hangs     60 s   200 s ago  0.250 s  7     2         overdue
listener  event  999 s ago  -        0     0
waits     600 s  not yet    -        0     0
";
        assert_eq!(table(&tasks, at(1000)), expected);
    }
}
