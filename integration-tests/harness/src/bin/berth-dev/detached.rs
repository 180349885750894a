//! Programs of this workspace that go on when the command has ended.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use berth_harness::process::{ProcessId, log_file};
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(60);

/// Starts it in a session of its own, with its output in a log.
pub(crate) fn spawn(mut command: Command, log: &Path) -> anyhow::Result<ProcessId> {
    let file = log_file(log)?;
    command.stdin(Stdio::null()).stdout(file.try_clone().context("a log's handle")?).stderr(file);
    let child = command.spawn().context("setsid cannot be started")?;
    // `setsid` becomes the program: the number stays.
    ProcessId::of(child.id()).with_context(|| format!("it ended at once; see {}", log.display()))
}

/// `setsid PROGRAM`.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new("setsid");
    command.arg(program);
    command
}

/// Waits until `url` answers 200, or says how the log ends.
pub(crate) async fn ready(process: ProcessId, url: &str, log: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + LIMIT;
    while !berth_harness::answers(url).await {
        if !process.is_alive() || Instant::now() > deadline {
            let text = fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<_> = text.lines().rev().take(10).collect();
            let last: Vec<_> = lines.into_iter().rev().collect();
            bail!("it is not ready; the end of {}:\n{}", log.display(), last.join("\n"));
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Whether the process still runs the program that is built now.
pub(crate) fn is_current(process: ProcessId, program: &Path) -> bool {
    // A file that was replaced is shown with "(deleted)".
    fs::read_link(format!("/proc/{}/exe", process.pid)).is_ok_and(|running| running == program)
}

/// `wanted`, or some other port where that is taken.
pub(crate) fn address(ip: IpAddr, wanted: u16) -> anyhow::Result<SocketAddr> {
    let listener =
        TcpListener::bind((ip, wanted)).or_else(|_| TcpListener::bind((ip, 0))).context("no free port")?;
    Ok(listener.local_addr()?)
}

pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
