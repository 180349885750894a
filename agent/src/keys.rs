//! Where the agent's own keys are kept: a Secret beside its Lease, or a file.

use std::path::PathBuf;

use berth_agent_core::KeyRing;
use berth_schema::AgentId;
use berth_secret_file::SecretFileError;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::failure::code;

/// The key of the Secret's data.
const KEYS: &str = "keys";

/// Why the keys cannot be had. It holds no part of one.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the agent's keys in {place} cannot be read or written")]
    Cluster { place: String, source: kube::Error },
    #[error("the file of the agent's keys, {place}")]
    File { place: String, source: SecretFileError },
    #[error("the agent's keys in {place} cannot be written")]
    Write { place: String, source: std::io::Error },
    #[error("the agent's keys in {place} are damaged: remove them and the agent makes new ones")]
    Damaged { place: String },
    #[error("no random numbers can be had from the system")]
    Random,
    #[error("another process of this agent changed the keys in {place} at the same moment")]
    Contended { place: String },
}

/// Where they are. Every process of an agent has the same.
#[derive(Clone)]
pub enum KeyStore {
    Secret { api: Box<Api<Secret>>, name: String },
    File(PathBuf),
}

impl std::fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeyStore").field(&self.place()).finish()
    }
}

impl KeyStore {
    /// A Secret in the agent's own namespace. Its name holds the agent's id: several agents may share a namespace. It has
    /// no label of Berth's, so that no watch takes it for a workspace's.
    pub fn secret(client: Client, namespace: &str, agent: AgentId) -> Self {
        let api = Box::new(Api::namespaced(client, namespace));
        Self::Secret { api, name: format!("berth-agent-keys-{agent}") }
    }

    /// A file, which may be missing still. One that others can read stops the start, not the first round.
    pub fn file(path: PathBuf) -> Result<Self, KeyError> {
        match berth_secret_file::read(&path) {
            Ok(_) | Err(SecretFileError::Missing) => Ok(Self::File(path)),
            Err(source) => Err(KeyError::File { place: path.display().to_string(), source }),
        }
    }

    /// The keys, with a new one if that is due.
    pub async fn load(&self, now: Timestamp) -> Result<KeyRing, KeyError> {
        let (mut keys, version) = self.read().await?;
        if keys.is_due(now) {
            let mut random = Zeroizing::new([0; 32]);
            SystemRandom::new().fill(random.as_mut()).map_err(|_| KeyError::Random)?;
            keys.add(&random, now);
            self.write(&keys, version).await?;
            tracing::info!(place = self.place(), key = ?keys.newest(), "made a new key");
        }
        Ok(keys)
    }

    fn place(&self) -> String {
        match self {
            Self::Secret { name, .. } => format!("Secret/{name}"),
            Self::File(path) => path.display().to_string(),
        }
    }

    fn cluster(&self) -> impl FnOnce(kube::Error) -> KeyError {
        let place = self.place();
        move |source| match code(&source) {
            Some(409) => KeyError::Contended { place },
            _ => KeyError::Cluster { place, source },
        }
    }

    /// The keys that are there, and the metadata of the object that holds them.
    async fn read(&self) -> Result<(KeyRing, Option<ObjectMeta>), KeyError> {
        let damaged = || KeyError::Damaged { place: self.place() };
        match self {
            Self::Secret { api, name } => {
                let Some(secret) = api.get_opt(name).await.map_err(self.cluster())? else {
                    return Ok((KeyRing::default(), None));
                };
                let bytes = secret.data.and_then(|mut data| data.remove(KEYS)).ok_or_else(damaged)?;
                let bytes = Zeroizing::new(bytes.0);
                let text = std::str::from_utf8(&bytes).map_err(|_| damaged())?;
                Ok((text.parse().map_err(|_| damaged())?, Some(secret.metadata)))
            }
            Self::File(path) => match berth_secret_file::read(path) {
                Ok(text) => Ok((text.parse().map_err(|_| damaged())?, None)),
                Err(SecretFileError::Missing) => Ok((KeyRing::default(), None)),
                Err(source) => Err(KeyError::File { place: self.place(), source }),
            },
        }
    }

    /// Writes on condition that nobody else has since it was read.
    async fn write(&self, keys: &KeyRing, read: Option<ObjectMeta>) -> Result<(), KeyError> {
        let text = keys.to_text();
        match self {
            Self::Secret { api, name } => {
                let data = ByteString(text.as_bytes().to_vec());
                let metadata = ObjectMeta {
                    name: Some(name.clone()),
                    resource_version: read.as_ref().and_then(|metadata| metadata.resource_version.clone()),
                    ..ObjectMeta::default()
                };
                let secret =
                    Secret { metadata, data: Some([(KEYS.to_owned(), data)].into()), ..Secret::default() };
                let parameters = PostParams::default();
                let written = if read.is_some() {
                    api.replace(name, &parameters, &secret).await
                } else {
                    api.create(&parameters, &secret).await
                };
                written.map(drop).map_err(self.cluster())
            }
            Self::File(path) => berth_secret_file::replace(path, text.as_bytes())
                .map_err(|source| KeyError::Write { place: self.place(), source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + k8s_openapi::jiff::SignedDuration::from_hours(hours)
    }

    #[tokio::test]
    async fn a_key_is_made_once_kept_for_its_owner_alone_and_renewed_after_a_day() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keys");
        let store = KeyStore::File(path.clone());
        let first = store.load(at(0)).await.expect("made").newest();
        assert!(first.is_some());
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(store.load(at(23)).await.expect("read").newest(), first);
        let second = store.load(at(24)).await.expect("renewed").newest();
        assert_ne!(second, first);
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn damaged_keys_are_not_replaced_by_themselves() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keys");
        std::fs::write(&path, "hunter2").expect("a file");
        let open = KeyStore::file(path.clone()).expect_err("readable by others");
        assert!(matches!(open, KeyError::File { source: SecretFileError::Open(_), .. }), "{open:?}");
        berth_secret_file::replace(&path, b"hunter2").expect("a file");
        let error = KeyStore::File(path.clone()).load(at(0)).await.expect_err("damaged");
        assert!(matches!(error, KeyError::Damaged { .. }));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "hunter2");
    }
}
