//! The agent's real binary, outside the cluster: with a kubeconfig instead of a service account.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};

use crate::daemon::{Daemon, Recipe, free_address};
use crate::paths;
use crate::process::ProcessId;

/// How an agent is started.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    pub server_url: String,
    pub token: SecretString,
    pub kubeconfig: PathBuf,
    /// Keeps the token's file and the log.
    pub dir: PathBuf,
    /// Further environment, for options that a test changes (`BERTH_…`).
    pub environment: Vec<(String, String)>,
}

/// A running `berth-agent`; killed when this is dropped.
#[derive(Debug)]
pub struct AgentProcess {
    daemon: Daemon,
    health: SocketAddr,
}

impl AgentProcess {
    /// Starts it and waits until it says that it watches the cluster and talks to the server.
    pub async fn start(options: AgentOptions) -> anyhow::Result<Self> {
        let agent = Self::spawn(options)?;
        agent.ready().await?;
        Ok(agent)
    }

    /// Starts it, for tests in which it cannot become ready.
    pub fn spawn(options: AgentOptions) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&options.dir)
            .with_context(|| format!("{} cannot be made", options.dir.display()))?;
        let token = options.dir.join("agent-token");
        berth_secret_file::replace(&token, options.token.expose_secret().as_bytes())
            .context("the agent's token cannot be kept")?;
        let health = free_address(Ipv4Addr::LOCALHOST.into())?;
        let mut environment = vec![
            ("BERTH_SERVER_URL".to_owned(), options.server_url),
            ("BERTH_AGENT_TOKEN_FILE".to_owned(), token.display().to_string()),
            ("KUBECONFIG".to_owned(), options.kubeconfig.display().to_string()),
            ("BERTH_HEALTH_LISTEN".to_owned(), health.to_string()),
            // As in its image.
            ("MIMALLOC_PURGE_DELAY".to_owned(), "0".to_owned()),
        ];
        // An administrator who allows what a server's configuration may ask for; a test of the agent's refusals takes it back.
        environment.extend(
            ["PRIVILEGE_ESCALATION", "CONTROL_PLANE", "OPEN_NETWORK"]
                .map(|allowed| (format!("BERTH_ALLOW_{allowed}"), "true".to_owned())),
        );
        environment.extend(options.environment);
        let daemon = Daemon::spawn(Recipe {
            program: paths::program("berth-agent")?,
            arguments: Vec::new(),
            environment,
            log: options.dir.join("agent.log"),
            ready_url: format!("http://{health}/readyz"),
        })?;
        Ok(Self { daemon, health })
    }

    pub async fn ready(&self) -> anyhow::Result<()> {
        self.daemon.ready(Duration::from_secs(60)).await
    }

    /// Where `/readyz` and `/metrics` answer.
    pub fn health_url(&self) -> String {
        format!("http://{}", self.health)
    }

    pub fn process(&self) -> ProcessId {
        self.daemon.process()
    }

    pub fn log(&self) -> &Path {
        self.daemon.log()
    }

    pub fn kill9(&mut self) -> anyhow::Result<()> {
        self.daemon.kill9()
    }

    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.daemon.stop(Duration::from_secs(20)).await
    }

    /// Whether it runs.
    pub fn is_alive(&self) -> bool {
        self.daemon.process().is_alive()
    }

    /// Starts it again, after it ended in whatever way, ready or not.
    pub fn spawn_again(&mut self) -> anyhow::Result<()> {
        self.daemon.start_again()
    }

    /// Starts it again, after it ended in whatever way, and waits until it is ready.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.daemon.start_again()?;
        self.ready().await
    }

    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.start_again().await
    }
}
