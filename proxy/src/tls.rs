//! The certificate of the zones, from files that are read again when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// The longest chain that is read, in bytes.
const MAX_CHAIN: u64 = 256 * 1_024;

/// Two files, and what was in them last.
#[derive(Debug)]
pub(crate) struct Certificate {
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
    pub(crate) fn load(chain: &Path, key: &Path) -> anyhow::Result<Self> {
        let current = RwLock::new(load(chain, key)?);
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), current })
    }

    /// HTTP/2 and HTTP/1.1, TLS 1.2 and 1.3.
    pub(crate) fn config(self: &Arc<Self>) -> ServerConfig {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(self) as _;
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }

    /// Looks again and again. What cannot be read leaves what there is.
    pub(crate) async fn follow(self: Arc<Self>) -> anyhow::Result<()> {
        loop {
            tokio::time::sleep(LOOK).await;
            match load(&self.chain, &self.key) {
                Ok(loaded) => {
                    let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                    if loaded.bytes != current.bytes {
                        tracing::info!(file = %self.chain.display(), "another certificate is taken up");
                        *current = loaded;
                    }
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(error, "the certificate cannot be read again: the one before stays");
                }
            }
        }
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
