//! Long-running processes: known again by pid and start time, ended in order, logging to a file.

use std::fs::{self, File};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

/// A process of this machine. The start time tells it from a later one that got the same pid, and the boot from one that did so
/// after the machine was started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: u32,
    /// In clock ticks since the machine started: field 22 of `/proc/<pid>/stat`.
    pub started: u64,
    /// Records of before it was noted are of this boot.
    #[serde(default = "this_boot")]
    boot: u64,
}

impl ProcessId {
    /// The process that has this pid now.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, started: start_time(pid)?, boot: this_boot() })
    }

    /// Whether it still runs. A zombie does not.
    pub fn is_alive(self) -> bool {
        self.boot == this_boot() && start_time(self.pid) == Some(self.started)
    }

    /// Sends a signal, unless the process has ended.
    pub fn signal(self, signal: Signal) {
        // The handle first: whoever gets the number after it ended is not behind the handle.
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
            && let Ok(handle) = pidfd_open(pid, PidfdFlags::empty())
            && self.is_alive()
        {
            // It may end between the check and the signal, which is as good.
            let _ = pidfd_send_signal(&handle, signal);
        }
    }

    /// Waits until it has ended; false when it has not within `limit`.
    pub async fn ended_within(self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(Duration::from_millis(10)).await;
        }
        true
    }

    /// As [`ProcessId::ended_within`], for `Drop`, which cannot await.
    pub(crate) fn wait_blocking(self, limit: Duration) {
        const STEP: Duration = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        while self.is_alive() && waited < limit {
            pause_blocking(STEP);
            waited += STEP;
        }
    }

    /// SIGTERM, and SIGKILL when it is still there after `grace`.
    pub async fn stop(self, grace: Duration) {
        self.signal(Signal::TERM);
        if !self.ended_within(grace).await {
            self.signal(Signal::KILL);
            self.ended_within(Duration::from_secs(5)).await;
        }
    }

    /// The program's name, cut to 15 characters.
    pub fn name(self) -> Option<String> {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.pid)).ok()?;
        Some(name.trim_end().to_owned())
    }

    /// Its direct children.
    pub fn children(self) -> Vec<Self> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| Self::of(pid.parse().ok()?)).collect()
    }
}

/// Where nothing can be awaited: in `Drop`, and at the very end of a process.
#[expect(clippy::disallowed_methods, reason = "nothing else runs on this thread meanwhile")]
pub(crate) fn pause_blocking(time: Duration) {
    std::thread::sleep(time);
}

/// Which start of the machine this is: the first half of what the kernel draws at each.
fn this_boot() -> u64 {
    static BOOT: LazyLock<u64> = LazyLock::new(|| {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        u64::from_str_radix(&digits, 16).unwrap_or_default()
    });
    *BOOT
}

/// The start time of a process of which a thread still runs.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name stands in parentheses and may itself hold blanks and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // A first thread that has ended already is a zombie too; what the others hold, such as a port, is still held.
    let others_run =
        fields.get(17).and_then(|threads| threads.parse::<u32>().ok()).is_some_and(|all| all > 1);
    if matches!(fields.first(), Some(&("Z" | "X"))) && !others_run {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// Opens a log for appending, making its directory.
pub fn log_file(path: &Path) -> anyhow::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
    }
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("{} cannot be opened", path.display()))
}

/// Writes a whole file or leaves the old one: readers never see half of it.
pub fn write_atomically(path: &Path, contents: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, contents).with_context(|| format!("{} cannot be written", partial.display()))?;
    fs::rename(&partial, path).with_context(|| format!("{} cannot be replaced", path.display()))
}

/// Whether this process may do everything: make namespaces, mounts and interfaces.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_that_was_given_to_another_process_is_not_signalled() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().expect("sleep starts");
        let real = ProcessId::of(child.id()).expect("it runs");
        let stale = ProcessId { started: real.started - 1, ..real };
        assert!(!stale.is_alive());
        stale.signal(Signal::KILL);
        assert!(real.is_alive(), "a signal for an earlier process reached a later one");
        real.signal(Signal::KILL);
        child.wait().expect("it ends");
        assert!(!real.is_alive());
    }

    #[test]
    fn a_record_of_before_the_machine_was_started_again_is_nobodys() {
        let now = ProcessId::of(std::process::id()).expect("it runs");
        let earlier = ProcessId { boot: now.boot ^ 1, ..now };
        assert!(now.is_alive() && !earlier.is_alive());
        let text = format!(r#"{{"pid":{},"started":{}}}"#, now.pid, now.started);
        assert_eq!(serde_json::from_str::<ProcessId>(&text).expect("without a boot"), now);
    }

    #[test]
    fn a_zombie_counts_as_ended() {
        let mut child = std::process::Command::new("true").spawn().expect("true starts");
        let pid = child.id();
        pause_blocking(Duration::from_millis(200));
        assert_eq!(ProcessId::of(pid), None);
        child.wait().expect("it ended");
    }
}
