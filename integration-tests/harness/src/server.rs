//! The server's real binary.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use secrecy::SecretString;

use crate::authority::Authority;
use crate::daemon::{Daemon, Recipe, free_address};
use crate::paths;
use crate::postgres::Postgres;
use crate::process::ProcessId;

/// How a server is started.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// A database of its own, as its owner: [`crate::Postgres::create_database`]. The server logs in by
    /// [`crate::Postgres::login_url`].
    pub database_url: String,
    /// Keeps its key-encryption key, the first token and its log.
    pub dir: PathBuf,
    /// The key-encryption key of another server on the same database; by default one of its own is made.
    pub kek: Option<PathBuf>,
    /// Addresses beside 127.0.0.1, where it serves by TLS alone, for instance [`crate::Cluster::host_address`].
    pub also_listen: Vec<IpAddr>,
    /// Further environment, for options that a test changes (`BERTH_…`).
    pub environment: Vec<(String, String)>,
}

impl ServerOptions {
    pub fn new(database_url: impl Into<String>, dir: impl Into<PathBuf>) -> Self {
        Self {
            database_url: database_url.into(),
            dir: dir.into(),
            kek: None,
            also_listen: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// For a client that asks as fast as it can: what is looked at is how fast the server is, and not what it grants to one.
    #[must_use]
    pub fn for_load(mut self) -> Self {
        let most = "1000000";
        let names = ["BERTH_REQUESTS_PER_SECOND", "BERTH_REQUESTS_BURST"];
        self.environment.extend(names.map(|name| (name.to_owned(), most.to_owned())));
        self
    }
}

/// A running `berth-server`; killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    daemon: Daemon,
    address: SocketAddr,
    metrics: SocketAddr,
    first_token: PathBuf,
    first_link: PathBuf,
    kek: PathBuf,
    authority: PathBuf,
}

impl Server {
    /// Starts it on free ports and waits until `/readyz` answers 200.
    pub async fn start(options: ServerOptions) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&options.dir)
            .with_context(|| format!("{} cannot be made", options.dir.display()))?;
        let address = free_address(Ipv4Addr::LOCALHOST.into())?;
        let metrics = free_address(Ipv4Addr::LOCALHOST.into())?;
        let kek = options.kek.unwrap_or_else(|| options.dir.join("kek"));
        if !kek.exists() {
            write_kek(&kek)?;
        }
        let first_token = options.dir.join("first-token");
        let mut arguments = vec![
            format!("--listen={address}"),
            format!("--metrics-listen={metrics}"),
            format!("--kek-file={}", kek.display()),
            format!("--first-token-file={}", first_token.display()),
            format!("--first-link-file={}", options.dir.join("first-link").display()),
            format!("--public-url=http://localhost:{}", address.port()),
        ];
        let authority = Authority::open(&options.dir.join("authority"))?;
        if !options.also_listen.is_empty() {
            let names: Vec<_> = options.also_listen.iter().map(ToString::to_string).collect();
            let (certificate, key) = authority.sign(&names)?.files;
            let also = options.also_listen.iter().map(|ip| SocketAddr::new(*ip, address.port()).to_string());
            arguments.push(format!("--tls-listen={}", also.collect::<Vec<_>>().join(",")));
            arguments.push(format!("--certificate-file={}", certificate.display()));
            arguments.push(format!("--certificate-key-file={}", key.display()));
        }
        // By environment, since a command line is everyone's to read.
        let mut environment: Vec<_> =
            databases(&options.database_url).map(|(name, url)| (name.to_owned(), url)).into();
        environment.extend(options.environment);
        let daemon = Daemon::spawn(Recipe {
            program: paths::program("berth-server")?,
            arguments,
            environment,
            log: options.dir.join("server.log"),
            ready_url: format!("http://{address}/readyz"),
        })?;
        daemon.ready(Duration::from_secs(60)).await?;
        let first_link = options.dir.join("first-link");
        let authority = authority.certificate();
        Ok(Self { daemon, address, metrics, first_token, first_link, kek, authority })
    }

    /// On 127.0.0.1.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// On 127.0.0.1, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// On another of its addresses, by TLS.
    pub fn url_at(&self, ip: IpAddr) -> String {
        format!("https://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// The file of the authority that signed its certificate.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    pub fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.metrics)
    }

    /// The first administrator's token, written at the first start on an empty database.
    pub fn first_token(&self) -> anyhow::Result<SecretString> {
        let text = std::fs::read_to_string(&self.first_token).context("the server wrote no first token")?;
        Ok(text.trim().into())
    }

    /// The link that signs the first administrator in, once, at `localhost`.
    pub fn first_link(&self) -> anyhow::Result<String> {
        let text = std::fs::read_to_string(&self.first_link).context("the server wrote no first link")?;
        Ok(text.trim().to_owned())
    }

    /// The file of its key-encryption keys, for another server on the same database.
    pub fn kek(&self) -> &Path {
        &self.kek
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

    /// SIGTERM; it drains.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.daemon.stop(Duration::from_secs(60)).await
    }

    /// Whether it runs.
    pub fn is_alive(&self) -> bool {
        self.daemon.process().is_alive()
    }

    /// Starts it again on the same addresses, ready or not.
    pub fn spawn_again(&mut self) -> anyhow::Result<()> {
        self.daemon.start_again()
    }

    /// Starts it again on the same addresses and waits until it is ready.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.daemon.start_again()?;
        self.daemon.ready(Duration::from_secs(60)).await
    }

    /// From the next start on it has another database; as [`ServerOptions::database_url`].
    pub fn use_database(&mut self, database_url: &str) {
        for (name, url) in databases(database_url) {
            self.daemon.set_environment(name, &url);
        }
    }

    /// [`Server::stop`] and [`Server::start_again`].
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.start_again().await
    }
}

/// Where a server finds its database: its own login, and the owner's for migrations.
fn databases(owner_url: &str) -> [(&'static str, String); 2] {
    [
        ("DATABASE_URL", Postgres::login_url(owner_url)),
        ("BERTH_MIGRATIONS_DATABASE_URL", owner_url.to_owned()),
    ]
}

/// A key-encryption key as the server reads it.
fn write_kek(path: &Path) -> anyhow::Result<()> {
    let mut key = [0_u8; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut key).context("no randomness")?;
    let line = format!("test {}\n", base64::engine::general_purpose::STANDARD.encode(key));
    berth_secret_file::replace(path, line.as_bytes()).context("the key cannot be kept")
}
