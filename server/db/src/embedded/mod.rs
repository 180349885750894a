//! A Postgres of our own, for development and tests: the installed one, started in a directory that is kept.
//!
//! It listens on a Unix socket alone, in a directory that only its user (and root) can enter, and so needs no password.
//! It does not outlive the process that started it, not even one that is killed.

mod install;
mod process;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

pub(crate) use install::newest_program;
use install::{Installation, RunAs};
use process::Process;

use crate::roles::LOGIN;

/// The role that owns everything, the tables included.
const OWNER: &str = "berth";
/// The database that [`EmbeddedPostgres::url`] names.
const DATABASE: &str = "berth";
/// A socket has a port in its name although nothing listens on it.
const PORT: u16 = 5432;
/// What the kernel allows a socket's path, in bytes.
const MAX_SOCKET_PATH: usize = 107;
/// A crash recovery takes a while; a start without one takes 0.1 s.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// Why there is no Postgres.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("Postgres is not installed: apt-get install postgresql (or name a running one by DATABASE_URL)")]
    NotInstalled,
    #[error("the data in {} is of Postgres {found}, which is not installed: apt-get install postgresql-{found}", directory.display())]
    OtherVersion { directory: PathBuf, found: String },
    #[error("Postgres refuses to run as root, and there is no user 'postgres' to run it as")]
    NoUser,
    #[error("the user 'postgres', as whom Postgres runs, cannot enter {}: choose another directory", .0.display())]
    Unreachable(PathBuf),
    #[error("{} is too long for a socket's path: choose a shorter directory", .0.display())]
    PathTooLong(PathBuf),
    #[error("another Postgres (process {process}) works in {}", directory.display())]
    InUse { directory: PathBuf, process: u32 },
    #[error("{what} failed: {said}")]
    Failed { what: &'static str, said: String },
    #[error("{what}")]
    Io { what: String, source: io::Error },
    #[error("the embedded Postgres refuses a statement")]
    Statement(#[from] tokio_postgres::Error),
}

/// Where and how.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// Made when it is missing, and owned by this module. As root it is given to the user `postgres`, who must be able to
    /// enter the directories above it.
    pub directory: PathBuf,
    /// Whether what is committed survives a crash of the machine. Only tests can do without.
    pub durable: bool,
}

impl EmbeddedConfig {
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), durable: true }
    }
}

/// A running Postgres. [`Self::stop`] ends it cleanly; dropping it tells it to end and does not wait.
pub struct EmbeddedPostgres {
    layout: Layout,
    installation: Installation,
    process: Process,
}

impl fmt::Debug for EmbeddedPostgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedPostgres").field("directory", &self.layout.root).finish_non_exhaustive()
    }
}

/// What is where in the directory.
#[derive(Clone, Debug)]
struct Layout {
    root: PathBuf,
    data: PathBuf,
    /// Holds the socket.
    run: PathBuf,
    log: PathBuf,
}

impl Layout {
    fn new(directory: &Path) -> Result<Self, EmbeddedError> {
        let root = std::path::absolute(directory).map_err(io_error("cannot find the data directory"))?;
        let layout =
            Self { data: root.join("data"), run: root.join("run"), log: root.join("postgres.log"), root };
        let socket = layout.run.join(format!(".s.PGSQL.{PORT}"));
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(EmbeddedError::PathTooLong(layout.root));
        }
        Ok(layout)
    }
}

impl EmbeddedPostgres {
    /// Starts Postgres, after making its data directory if this is the first time. Until it answers: 0.1 s, the first
    /// time about a second more.
    pub async fn start(config: &EmbeddedConfig) -> Result<Self, EmbeddedError> {
        let layout = Layout::new(&config.directory)?;
        let durable = config.durable;
        let prepared = tokio::task::spawn_blocking(move || prepare(layout, durable)).await;
        let (layout, installation, command) =
            prepared.map_err(|error| io_error("the preparation stopped")(io::Error::other(error)))??;
        process::wait_until_unused(&layout.data).await?;
        let process = Process::start(command)?;
        let postgres = Self { layout, installation, process };
        postgres.wait_until_ready().await?;
        postgres.create_database(DATABASE).await?;
        Ok(postgres)
    }

    /// The owner's connection to the database `berth`.
    pub fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// The owner's connection to any database of it.
    pub fn url_of(&self, database: &str) -> String {
        self.url_as(OWNER, database)
    }

    /// For `DATABASE_URL`: the connection of the server's login ([`crate::roles::ensure`]) to the database `berth`.
    pub fn login_url(&self) -> String {
        self.url_as(LOGIN, DATABASE)
    }

    fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@{}:{PORT}/{database}", percent_encoded(&self.layout.run))
    }

    /// Creates a database unless it is there.
    pub async fn create_database(&self, name: &str) -> Result<(), EmbeddedError> {
        let client = self.client().await?;
        if client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await?.is_none() {
            client.batch_execute(&format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""))).await?;
        }
        Ok(())
    }

    /// Ends once Postgres has ended, for whatever reason, and says how.
    pub async fn ended(&self) -> String {
        self.process.ended().await
    }

    /// Ends it: running statements are cut off, what is committed is on disk.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        let mut command = self.stop_command(true);
        let stopped = tokio::task::spawn_blocking(move || install::run("pg_ctl stop", &mut command)).await;
        stopped.map_err(|error| io_error("the stop was cut off")(io::Error::other(error)))??;
        self.process.ended().await;
        Ok(())
    }

    fn stop_command(&self, wait: bool) -> Command {
        let mut command = self.installation.command("pg_ctl");
        command.arg("stop").arg("-D").arg(&self.layout.data).args(["-m", "fast", "-s"]);
        command.arg(if wait { "-w" } else { "-W" });
        command
    }

    async fn client(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.url_of("postgres"), NoTls).await?;
        // Ends with the client.
        tokio::spawn(connection);
        Ok(client)
    }

    async fn wait_until_ready(&self) -> Result<(), EmbeddedError> {
        let deadline = Instant::now() + START_TIMEOUT;
        while self.client().await.is_err() {
            if self.process.has_ended() || Instant::now() > deadline {
                let said = install::last_lines(&self.layout.log);
                return Err(EmbeddedError::Failed { what: "starting Postgres", said });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

impl Drop for EmbeddedPostgres {
    fn drop(&mut self) {
        if !self.process.has_ended() {
            // Nobody is left to be told that it failed; the parent-death signal remains.
            let _ = self.stop_command(false).status();
        }
    }
}

/// Everything before the start that waits for other programs.
fn prepare(layout: Layout, durable: bool) -> Result<(Layout, Installation, Command), EmbeddedError> {
    let run_as = RunAs::detect()?;
    let installation = Installation::find(&layout.data, run_as)?;
    installation.own_directories(&layout.root, &layout.run)?;
    if !layout.data.join("PG_VERSION").exists() {
        installation.create_cluster(&layout.data, OWNER, durable)?;
    }
    let command = installation.server_command(&layout, durable)?;
    Ok((layout, installation, command))
}

impl Installation {
    fn server_command(&self, layout: &Layout, durable: bool) -> Result<Command, EmbeddedError> {
        let log = std::fs::File::create(&layout.log).map_err(io_error("cannot write Postgres' log"))?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(&layout.data);
        let socket_directory = format!("unix_socket_directories=\"{}\"", layout.run.display());
        let mut settings = vec![
            socket_directory.as_str(),
            "unix_socket_permissions=0700",
            "listen_addresses=",
            "port=5432",
            "max_connections=200",
            "log_min_messages=warning",
        ];
        if !durable {
            settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"]);
        }
        for setting in settings {
            command.args(["-c", setting]);
        }
        let again = log.try_clone().map_err(io_error("cannot write Postgres' log"))?;
        command.stdout(log).stderr(again).stdin(std::process::Stdio::null());
        Ok(command)
    }
}

/// A path as a host in a URL.
fn percent_encoded(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut encoded = String::new();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            encoded.push(char::from(*byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> EmbeddedError {
    let what = what.into();
    move |source| EmbeddedError::Io { what, source }
}
