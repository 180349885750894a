//! The server process: it lives as long as the thread that started it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{EmbeddedError, io_error};

/// How long a Postgres may take to end once it is told to.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take until the one of a killed server is told to.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);

/// A running server.
#[derive(Debug)]
pub(super) struct Process {
    /// How it ended, once it did.
    exit: watch::Receiver<Option<String>>,
}

impl Process {
    /// Starts it from a thread of its own that waits for it: the parent-death signal comes when the *thread* that started
    /// a process ends, and threads of a runtime come and go.
    pub(super) fn start(mut command: Command) -> Result<Self, EmbeddedError> {
        let (exited, exit) = watch::channel(None);
        let (started, start) = std::sync::mpsc::channel();
        let guard = move || match command.spawn() {
            Ok(mut child) => {
                let _ = started.send(Ok(()));
                let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                exited.send_replace(Some(status));
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        };
        thread::Builder::new()
            .name("postgres-guard".to_owned())
            .spawn(guard)
            .map_err(io_error("cannot start a thread"))?;
        start
            .recv()
            .map_err(|error| io_error("the thread of Postgres ended")(std::io::Error::other(error)))?
            .map_err(io_error("cannot start Postgres (by setpriv of util-linux)"))?;
        Ok(Self { exit })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.exit.borrow().is_some()
    }

    pub(super) async fn ended(&self) -> String {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(status) => status.clone().unwrap_or_default(),
            Err(_) => "lost".to_owned(),
        }
    }
}

/// Waits for the Postgres of a run that was killed to end, and removes its lock if it left one.
///
/// Postgres itself takes a lock for valid as long as any process has the number in it, whichever that is by now. What counts
/// is whether somebody works in the directory.
pub(super) async fn wait_until_unused(data: &Path) -> Result<(), EmbeddedError> {
    let data = data.canonicalize().map_err(io_error("cannot find the data directory"))?;
    let lock = data.join("postmaster.pid");
    let started = Instant::now();
    while let Some(process) = works_in(&data) {
        let stopping = fs::read_to_string(&lock).is_ok_and(|status| status.contains("stopping"));
        if started.elapsed() > if stopping { SHUTDOWN_TIMEOUT } else { SIGNAL_TIMEOUT } {
            return Err(EmbeddedError::InUse { directory: data, process });
        }
        tokio::time::sleep(POLL).await;
    }
    match fs::remove_file(lock) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io_error("cannot remove the lock that an earlier Postgres left")(error))
        }
        _ => Ok(()),
    }
}

/// A process whose working directory it is: every process of a Postgres has its data directory for that.
fn works_in(data: &Path) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let directory: PathBuf = fs::read_link(entry.path().join("cwd")).ok()?;
        (directory == data).then_some(process)
    })
}
