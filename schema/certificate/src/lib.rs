//! The certificate of a TLS listener, from files that are read again when they change. Whoever listens looks again and again, every [`LOOK`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// How often the files are looked at.
pub const LOOK: Duration = Duration::from_secs(10);
/// The longest chain that is read, in bytes.
const MAX_CHAIN: u64 = 256 * 1_024;

/// Two files, and what was in them last.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    current: RwLock<Loaded>,
}

#[derive(Clone, Debug)]
struct Loaded {
    bytes: Vec<u8>,
    key: Arc<CertifiedKey>,
}

impl Certificate {
    /// # Errors
    /// When there is no certificate with its key.
    pub fn load(chain: &Path, key: &Path) -> anyhow::Result<Self> {
        let current = RwLock::new(load(chain, key)?);
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), current })
    }

    /// TLS 1.2 and 1.3 by ring, for these protocols (ALPN), the one that is liked best first.
    ///
    /// # Errors
    /// None that can happen: ring knows both versions.
    pub fn config(self: &Arc<Self>, protocols: &[&str]) -> anyhow::Result<ServerConfig> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(self) as _;
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(&[&TLS13, &TLS12])?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(config)
    }

    /// Takes up what the files hold now.
    ///
    /// # Errors
    /// Where that is no certificate with its key: the one before stays.
    pub fn look(&self) -> anyhow::Result<()> {
        let loaded = load(&self.chain, &self.key)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if loaded.bytes != current.bytes {
            tracing::info!(file = %self.chain.display(), "another certificate is taken up");
            *current = loaded;
        }
        Ok(())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

fn load(chain: &Path, key: &Path) -> anyhow::Result<Loaded> {
    let name = || format!("the certificate {}", chain.display());
    let length = std::fs::metadata(chain).with_context(name)?.len();
    anyhow::ensure!(length <= MAX_CHAIN, "{} is longer than {MAX_CHAIN} bytes", name());
    let bytes = std::fs::read(chain).with_context(name)?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().with_context(name)?;
    anyhow::ensure!(!certificates.is_empty(), "{} holds no certificate", name());
    let text = berth_secret_file::read(key).with_context(|| format!("the key {}", key.display()))?;
    // The parser's own words could repeat a part of it.
    let private =
        PrivateKeyDer::from_pem_slice(text.as_bytes()).ok().context("the key is no private key in PEM")?;
    let signing = any_supported_type(&private).context("the key is of no kind that is known")?;
    let certified = CertifiedKey::new(certificates, signing);
    certified.keys_match().context("the key is not the certificate's")?;
    Ok(Loaded { bytes, key: Arc::new(certified) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn write(folder: &Path, name: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
        let made = rcgen::generate_simple_self_signed([format!("*.{name}")])?;
        let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
        std::fs::write(&chain, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
        Ok((chain, key))
    }

    #[test]
    fn what_cannot_be_read_again_leaves_what_there_is() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let (chain, key) = write(folder.path(), "a.example")?;
        let certificate = Certificate::load(&chain, &key)?;
        let shown = || certificate.current.read().expect("not poisoned").bytes.clone();
        let before = shown();
        std::fs::write(&chain, "")?;
        certificate.look().expect_err("an empty file");
        assert_eq!(shown(), before);
        write(folder.path(), "b.example")?;
        certificate.look()?;
        assert_ne!(shown(), before);
        Ok(())
    }

    #[test]
    fn a_certificate_needs_its_own_key() -> anyhow::Result<()> {
        let (one, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let (chain, key) = write(one.path(), "a.example")?;
        let before = load(&chain, &key)?;
        let (_, another) = write(other.path(), "b.example")?;
        assert!(load(&chain, &another).is_err());
        std::fs::write(&another, "hunter2")?;
        let error = format!("{:#}", load(&chain, &another).expect_err("no key"));
        assert!(!error.contains("hunter2"), "{error}");
        write(one.path(), "c.example")?;
        assert_ne!(load(&chain, &key)?.bytes, before.bytes);
        std::fs::write(&chain, "")?;
        assert!(load(&chain, &key).is_err());
        Ok(())
    }
}
