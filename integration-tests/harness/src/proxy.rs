//! The proxy's real binary, outside the cluster: with a kubeconfig instead of a service account.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::authority::key_hash;
use crate::daemon::{Daemon, Recipe, free_address};
use crate::paths;
use crate::process::ProcessId;

/// How a proxy is started.
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    pub server_url: String,
    /// Where browsers find the server.
    pub public_url: String,
    /// The proxy's token, which its agent has asked for.
    pub token: String,
    pub zone: String,
    pub kubeconfig: PathBuf,
    /// Keeps its keys, its certificate and the log.
    pub dir: PathBuf,
}

/// A running `berth-proxy`; killed when this is dropped.
#[derive(Debug)]
pub struct ProxyProcess {
    daemon: Daemon,
    address: SocketAddr,
    /// Where plain ssh is answered.
    ssh: SocketAddr,
    zone: String,
    dir: PathBuf,
    /// SHA-256 of the certificate's public key, in base64.
    key_hash: String,
}

impl ProxyProcess {
    /// Starts it on free ports, with a certificate of its own, and waits until it knows what the cluster has.
    pub async fn start(options: ProxyOptions) -> anyhow::Result<Self> {
        let dir = options.dir;
        std::fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        let free = || free_address(Ipv4Addr::LOCALHOST.into());
        let (address, ssh, health) = (free()?, free()?, free()?);
        let keep = |name: &str, text: &str| {
            let path = dir.join(name);
            berth_secret_file::replace(&path, text.as_bytes())
                .with_context(|| format!("{} cannot be kept", path.display()))?;
            anyhow::Ok(path.display().to_string())
        };
        let key = KeyPair::generate().context("no key")?;
        let certificate = CertificateParams::new(vec![format!("*.{}", options.zone)])
            .and_then(|parameters| parameters.self_signed(&key))
            .context("no certificate")?;
        let mut seal = [0; 32];
        SystemRandom::new().fill(&mut seal).ok().context("no random numbers")?;
        let environment = [
            ("BERTH_SERVER_URL", options.server_url),
            ("BERTH_PUBLIC_URL", options.public_url),
            ("BERTH_PROXY_TOKEN_FILE", keep("proxy-token", &options.token)?),
            ("BERTH_SEAL_KEY_FILE", keep("seal-key", &STANDARD.encode(seal))?),
            ("BERTH_ZONES", options.zone.clone()),
            ("BERTH_PUBLIC_PORT", address.port().to_string()),
            ("BERTH_CERTIFICATE_FILE", keep("certificate.pem", &certificate.pem())?),
            ("BERTH_CERTIFICATE_KEY_FILE", keep("certificate-key.pem", &key.serialize_pem())?),
            ("BERTH_LISTEN", address.to_string()),
            ("BERTH_SSH_LISTEN", ssh.to_string()),
            ("BERTH_HEALTH_LISTEN", health.to_string()),
            ("BERTH_RECHECK_SECONDS", "1".to_owned()),
            ("KUBECONFIG", options.kubeconfig.display().to_string()),
        ];
        let daemon = Daemon::spawn(Recipe {
            program: paths::program("berth-proxy")?,
            arguments: Vec::new(),
            environment: environment.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            log: dir.join("proxy.log"),
            ready_url: format!("http://{health}/readyz"),
        })?;
        daemon.ready(Duration::from_secs(60)).await?;
        let key_hash = key_hash(&key);
        Ok(Self { daemon, address, ssh, zone: options.zone, dir, key_hash })
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where plain ssh is answered.
    pub const fn ssh(&self) -> SocketAddr {
        self.ssh
    }

    /// The host of a port of a workspace.
    pub fn host(&self, port: u16, workspace: &str) -> String {
        format!("{port}-{workspace}.{}", self.zone)
    }

    /// The origin of a port of a workspace.
    pub fn origin(&self, port: u16, workspace: &str) -> String {
        format!("https://{}:{}", self.host(port, workspace), self.address.port())
    }

    /// By what a browser knows its certificate.
    pub fn key_hash(&self) -> &str {
        &self.key_hash
    }

    /// Its certificate, in PEM.
    pub fn certificate(&self) -> anyhow::Result<Vec<u8>> {
        std::fs::read(self.dir.join("certificate.pem")).context("no certificate")
    }

    pub fn process(&self) -> ProcessId {
        self.daemon.process()
    }

    /// Where its `certificate.pem` and `certificate-key.pem` are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn log(&self) -> &Path {
        self.daemon.log()
    }
}
