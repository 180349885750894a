//! Options of the program, each with its environment variable, its unit and its default.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use berth_proxy_core::{SealKey, Zones};
use berth_schema::server_url::InTheClear;
use berth_schema::{ServerUrl, TokenUrl};
use clap::{Parser, ValueEnum};
use tracing_subscriber::EnvFilter;
use url::Url;

/// Berth's proxy: lets people into the workspaces of one agent, as its server says.
#[derive(Debug, Parser)]
#[command(name = "berth-proxy", version)]
pub struct Args {
    /// Where the server answers this program, for example https://berth.example.com
    #[arg(long, env = "BERTH_SERVER_URL")]
    pub server_url: ServerUrl,

    /// Where browsers find the server, as its --public-url; by default where this program does
    #[arg(long, env = "BERTH_PUBLIC_URL")]
    pub public_url: Option<Url>,

    /// File that holds the proxy's token, which the agent renews: read again before each request
    #[arg(long, env = "BERTH_PROXY_TOKEN_FILE")]
    pub token_file: PathBuf,

    /// File that holds 32 random bytes in base64, the same for every proxy of the cluster: what cookies are sealed with
    #[arg(long, env = "BERTH_SEAL_KEY_FILE")]
    pub seal_key_file: PathBuf,

    /// The domain below which workspaces answer, as the agent's configuration names it (dns_zone); several, separated by commas
    #[arg(long = "zone", env = "BERTH_ZONES", value_delimiter = ',', required = true)]
    pub zones: Vec<String>,

    /// The port that browsers know the proxy by
    #[arg(long, env = "BERTH_PUBLIC_PORT", default_value_t = 443)]
    pub public_port: u16,

    /// PEM file with the certificate of the zones (*.zone) and those between it and its authority; read again when it changes
    #[arg(long, env = "BERTH_CERTIFICATE_FILE")]
    pub certificate_file: PathBuf,

    /// PEM file with the certificate's private key
    #[arg(long, env = "BERTH_CERTIFICATE_KEY_FILE")]
    pub certificate_key_file: PathBuf,

    /// Seconds between two looks at whether open streams are still allowed
    #[arg(long, env = "BERTH_RECHECK_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub recheck_seconds: u64,

    /// Seconds that it goes on after it was told to stop, not ready any more: until nobody is sent here
    #[arg(long, env = "BERTH_LINGER_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=60))]
    pub linger_seconds: u64,

    /// The most connections of browsers at a time
    #[arg(long, env = "BERTH_MAX_CONNECTIONS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,

    /// Where browsers are answered, over TLS
    #[arg(long, env = "BERTH_LISTEN", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,

    /// Where plain ssh is answered, for example 0.0.0.0:2222; by default nowhere
    #[arg(long, env = "BERTH_SSH_LISTEN")]
    pub ssh_listen: Option<SocketAddr>,

    /// Where /healthz, /readyz and /metrics answer
    #[arg(long, env = "BERTH_HEALTH_LISTEN", default_value = "0.0.0.0:8081")]
    pub health_listen: SocketAddr,

    /// PEM file with the certificate authorities of the server; only these are trusted then
    #[arg(long, env = "BERTH_CA_FILE")]
    pub ca_file: Option<PathBuf>,

    /// Allow http:// to a server that is not on this machine: the token travels in the clear
    #[arg(long, env = "BERTH_ALLOW_HTTP")]
    pub allow_http: bool,

    /// Outside a cluster: the kubeconfig context to work in; the current one if KUBECONFIG is set
    #[arg(long, env = "BERTH_KUBE_CONTEXT")]
    pub context: Option<String>,

    #[arg(long, env = "BERTH_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,

    /// What is logged, for example info or berth_proxy=debug,kube=info
    #[arg(long, env = "BERTH_LOG", default_value = "info", value_parser = filter)]
    pub log: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Json,
    Text,
}

fn filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

impl Args {
    pub fn server(&self) -> anyhow::Result<TokenUrl> {
        self.server_url.for_token(self.allow_http).context(InTheClear::HINT)
    }

    /// The origin at which browsers know the server.
    pub fn public_origin(&self) -> anyhow::Result<String> {
        let named = match &self.public_url {
            Some(url) => url.clone(),
            None => self.server_url.to_string().parse().context("--server-url")?,
        };
        let origin = named.origin();
        ensure!(origin.is_tuple(), "--public-url: must be http:// or https:// with a host");
        Ok(origin.ascii_serialization())
    }

    pub fn zones(&self) -> anyhow::Result<Zones> {
        for zone in &self.zones {
            let is_right =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
            let is_zone = zone.bytes().all(is_right) && zone.split('.').all(|label| !label.is_empty());
            ensure!(is_zone, "--zone {zone}: must be a domain in lower case, without a dot at its ends");
        }
        Ok(Zones::new(self.zones.iter().cloned(), self.public_port))
    }

    pub fn seal_key(&self) -> anyhow::Result<SealKey> {
        let name = || format!("--seal-key-file {}", self.seal_key_file.display());
        let text = berth_secret_file::read(&self.seal_key_file).with_context(name)?;
        SealKey::parse(&text).with_context(name)
    }

    pub const fn linger(&self) -> Duration {
        Duration::from_secs(self.linger_seconds)
    }

    pub const fn recheck(&self) -> Duration {
        Duration::from_secs(self.recheck_seconds)
    }
}
