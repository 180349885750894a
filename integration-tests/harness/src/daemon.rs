//! A built binary of this workspace as a process: logged, killed, started again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::process::{ProcessId, log_file};

/// How a binary is started, each time.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// Where its output goes.
    pub(crate) log: PathBuf,
    /// Whose 200 says that it is ready.
    pub(crate) ready_url: String,
}

#[derive(Debug)]
pub(crate) struct Daemon {
    recipe: Recipe,
    child: Child,
    process: ProcessId,
}

impl Daemon {
    /// Starts it, ready or not.
    pub(crate) fn spawn(recipe: Recipe) -> anyhow::Result<Self> {
        let log = log_file(&recipe.log)?;
        let mut command = Command::new(&recipe.program);
        command.args(&recipe.arguments).envs(recipe.environment.iter().cloned());
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("a log's handle cannot be duplicated")?)
            .stderr(log);
        let child =
            command.spawn().with_context(|| format!("{} cannot be started", recipe.program.display()))?;
        let process = ProcessId::of(child.id())
            .with_context(|| format!("it ended at once; see {}", recipe.log.display()))?;
        Ok(Self { recipe, child, process })
    }

    /// Waits for its 200.
    pub(crate) async fn ready(&self, limit: Duration) -> anyhow::Result<()> {
        let name = self.recipe.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let deadline = Instant::now() + limit;
        while !answers(&self.recipe.ready_url).await {
            if !self.process.is_alive() {
                bail!("{name} ended; its last words:\n{}", self.last_words());
            }
            if Instant::now() > deadline {
                bail!(
                    "{name} was not ready within {} s; its last words:\n{}",
                    limit.as_secs(),
                    self.last_words()
                );
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    pub(crate) fn process(&self) -> ProcessId {
        self.process
    }

    pub(crate) fn log(&self) -> &Path {
        &self.recipe.log
    }

    pub(crate) fn kill9(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::KILL);
        self.child.wait().context("it cannot be waited for")?;
        Ok(())
    }

    /// SIGTERM, and time to finish what it does.
    pub(crate) async fn stop(&mut self, grace: Duration) -> anyhow::Result<()> {
        self.process.stop(grace).await;
        self.child.wait().context("it cannot be waited for")?;
        Ok(())
    }

    /// Starts it again as it was started first. It must have ended.
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        let old = std::mem::replace(self, Self::spawn(self.recipe.clone())?);
        anyhow::ensure!(!old.process.is_alive(), "it still ran");
        Ok(())
    }

    /// Changes a variable that [`Self::start_again`] starts it with.
    pub(crate) fn set_environment(&mut self, name: &str, value: &str) {
        self.recipe.environment.retain(|(known, _)| known != name);
        self.recipe.environment.push((name.to_owned(), value.to_owned()));
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.recipe.log).unwrap_or_default();
        crate::command::last_lines(&text, 15)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.process.signal(Signal::KILL);
        // Reaped, so that a test process does not collect zombies.
        let _ = self.child.wait();
    }
}

/// Whether the URL answers 200 within a second.
pub async fn answers(url: &str) -> bool {
    get(url).await.is_ok()
}

/// What a plain HTTP URL answers, within a second.
pub async fn get(url: &str) -> anyhow::Result<String> {
    crate::install_crypto();
    let client = reqwest::Client::builder().tls_certs_only([]).timeout(Duration::from_secs(1));
    let answer = client.build()?.get(url).send().await?.error_for_status()?;
    Ok(answer.text().await?)
}

/// An address whose port was free a moment ago.
pub fn free_address(ip: std::net::IpAddr) -> anyhow::Result<std::net::SocketAddr> {
    let listener = std::net::TcpListener::bind((ip, 0)).with_context(|| format!("no free port on {ip}"))?;
    Ok(listener.local_addr()?)
}
