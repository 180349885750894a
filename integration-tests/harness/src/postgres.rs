//! A Postgres of one's own, from the installed programs.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use tokio::time::sleep;
use tokio_postgres::NoTls;

use crate::command::output;
use crate::process::{ProcessId, is_root, log_file};

/// Who runs it where this process is root: Postgres refuses to.
const NOBODY: u32 = 65_534;

/// A running Postgres with a data directory of its own. It stops when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    /// The shell of [`WITH_PARENT`].
    child: Child,
    process: ProcessId,
    programs: PathBuf,
    home: PathBuf,
    /// Its data goes when it ends.
    temporary: bool,
    port: u16,
    databases: AtomicU32,
}

impl Postgres {
    /// Starts one. Without a directory its data is temporary, and it does not wait for the disk.
    pub async fn start(dir: Option<&Path>) -> anyhow::Result<Self> {
        let programs = programs()?;
        let scratch = match dir {
            Some(_) => None,
            None => Some(
                tempfile::Builder::new()
                    .prefix("berth-postgres-")
                    .tempdir()
                    .context("no room for Postgres")?,
            ),
        };
        let temporary = scratch.is_some();
        // The shell removes it, since a Postgres in a static is never dropped.
        let kept = scratch.map(tempfile::TempDir::keep);
        let home = dir.map(Path::to_owned).or(kept).context("no directory")?;
        fs::create_dir_all(&home).with_context(|| format!("{} cannot be made", home.display()))?;
        if is_root() {
            chown(&home, Some(NOBODY), Some(NOBODY)).context("Postgres cannot be given its directory")?;
        }
        let data = home.join("data");
        if !data.join("PG_VERSION").exists() {
            let mut initdb = unprivileged(Command::new("setpriv"), &programs.join("initdb"), &home);
            initdb.args([
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ]);
            initdb.arg("--pgdata").arg(&data).stdin(Stdio::null());
            output(&mut initdb.into()).await?;
        }
        let port = free_port()?;
        let (child, process) = Self::run(&programs, &home, port, temporary).await?;
        let postgres = Self { child, process, programs, home, temporary, port, databases: AtomicU32::new(0) };
        postgres.execute(include_str!("../../../server/db/src/roles.sql")).await?;
        Ok(postgres)
    }

    /// Launches it and waits until it answers.
    async fn run(
        programs: &Path,
        home: &Path,
        port: u16,
        temporary: bool,
    ) -> anyhow::Result<(Child, ProcessId)> {
        let mut child = Self::launch(programs, home, port, temporary)?;
        match wait(port, &child).await {
            Ok(process) => Ok((child, process)),
            Err(cause) => {
                let log = fs::read_to_string(home.join("postgres.log")).unwrap_or_default();
                drop(child.stdin.take());
                child.wait().context("Postgres cannot be ended")?;
                Err(cause.context(crate::command::last_lines(&log, 5)))
            }
        }
    }

    fn launch(programs: &Path, home: &Path, port: u16, temporary: bool) -> anyhow::Result<Child> {
        let log = log_file(&home.join("postgres.log"))?;
        let mut shell = Command::new("sh");
        shell.args(["-c", WITH_PARENT]).arg(if temporary { home } else { Path::new("") }).arg("setpriv");
        let mut postgres = unprivileged(shell, &programs.join("postgres"), home);
        postgres.arg("-D").arg(home.join("data"));
        let mut set = |setting: &str| {
            postgres.args(["-c", setting]);
        };
        set("listen_addresses=127.0.0.1");
        set(&format!("port={port}"));
        set("unix_socket_directories=");
        set("max_connections=300");
        if temporary {
            set("fsync=off");
            set("full_page_writes=off");
            set("synchronous_commit=off");
        }
        postgres.stdout(log.try_clone().context("a log's handle cannot be duplicated")?).stderr(log);
        postgres.stdin(Stdio::piped()).spawn().context("Postgres cannot be started")
    }

    /// One of the installed programs, such as `pgbench`.
    pub fn program(name: &str) -> anyhow::Result<PathBuf> {
        Ok(programs()?.join(name))
    }

    /// Its database `postgres`, as superuser.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// A new empty database, and its owner's URL.
    pub async fn create_database(&self) -> anyhow::Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(self.url_of(&name))
    }

    /// A copy of a database that nobody is connected to, and its owner's URL.
    pub async fn copy_database(&self, owner_url: &str) -> anyhow::Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let (_, original) = owner_url.rsplit_once('/').context("a URL without a database")?;
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE {original}")).await?;
        Ok(self.url_of(&name))
    }

    /// The same database for a server's own login, which owns nothing.
    pub fn login_url(owner_url: &str) -> String {
        owner_url.replacen("://postgres@", "://berth_server@", 1)
    }

    async fn execute(&self, statement: &str) -> anyhow::Result<()> {
        let (client, connection) =
            tokio_postgres::connect(&self.url(), NoTls).await.context("Postgres is gone")?;
        let connection = tokio::spawn(connection);
        client.batch_execute(statement).await.context("Postgres refuses a statement")?;
        drop(client);
        connection.await.context("the connection's task")??;
        Ok(())
    }

    /// The server process, for tests that kill it.
    pub fn process(&self) -> ProcessId {
        self.process
    }

    /// `kill -9` of the server process and of every process that it made, as when the machine's memory ran out.
    pub async fn kill9(&mut self) -> anyhow::Result<()> {
        ensure!(!self.temporary, "a Postgres whose data goes with it cannot be started again");
        let backends = self.process.children();
        self.process.signal(Signal::KILL);
        for backend in &backends {
            backend.signal(Signal::KILL);
        }
        for process in backends.into_iter().chain([self.process]) {
            ensure!(process.ended_within(Duration::from_secs(60)).await, "Postgres cannot be killed");
        }
        Ok(())
    }

    /// Starts it again on the same data and port, and waits until it has recovered. It must have ended.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        self.child.wait().context("Postgres' shell cannot be ended")?;
        (self.child, self.process) = Self::run(&self.programs, &self.home, self.port, self.temporary).await?;
        Ok(())
    }

    /// Stops it in order: connections are ended, everything is written.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.process.signal(Signal::INT);
        ensure!(self.process.ended_within(Duration::from_secs(30)).await, "Postgres does not stop");
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The immediate way. Its children notice within moments, and must have before their directory goes.
        self.process.signal(Signal::QUIT);
        self.process.wait_blocking(Duration::from_secs(5));
        // The shell waits for the end of its standard input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Everything a database holds, as text.
pub fn pg_dump(url: &str) -> anyhow::Result<Vec<u8>> {
    let output = Command::new(programs()?.join("pg_dump")).arg(format!("--dbname={url}")).output();
    let output = output.context("pg_dump cannot be started")?;
    if !output.status.success() {
        bail!("pg_dump failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

/// The newest installed version's programs.
fn programs() -> anyhow::Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("initdb").exists())
        .collect();
    versions.sort();
    let Some((_, newest)) = versions.pop() else {
        bail!("Postgres is not installed (Debian: `apt-get install postgresql`)");
    };
    Ok(newest)
}

/// Runs a command until standard input ends, which is when this process does, however it ends; then removes the directory that
/// is given, if one is.
const WITH_PARENT: &str = r#""$@" & child=$!
cat > /dev/null
kill -QUIT "$child" 2> /dev/null
wait "$child"
cd / && [ -z "$0" ] || rm -rf -- "$0""#;

/// A command that never runs as root, nor in a directory that its user may not enter. `setpriv` is `setpriv`, or ends with it.
fn unprivileged(mut setpriv: Command, program: &Path, home: &Path) -> Command {
    if is_root() {
        let nobody = NOBODY.to_string();
        setpriv.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
    }
    setpriv.arg("--").arg(program).current_dir(home);
    setpriv
}

fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// Waits until it answers, and gives the server process, which is the shell's only child.
async fn wait(port: u16, shell: &Child) -> anyhow::Result<ProcessId> {
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let shell = ProcessId::of(shell.id()).context("Postgres ended at once")?;
    for _ in 0..3000 {
        let answers = tokio_postgres::connect(&url, NoTls).await.is_ok();
        let server = shell.children().into_iter().find(|child| child.name().as_deref() == Some("postgres"));
        if let (true, Some(server)) = (answers, server) {
            return Ok(server);
        }
        ensure!(shell.is_alive(), "Postgres ended at its start");
        sleep(Duration::from_millis(20)).await;
    }
    bail!("Postgres did not answer within a minute")
}
