//! Providers, and what is remembered of them for a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use berth_oidc::{Claims, ClientProof, Keys, Metadata, NoKeys, NoMetadata, UrlRefused};
use berth_schema::variables::SecretValue;
use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::fetch::{FetchError, Fetcher};

/// How long a discovery document and keys are good. A key that is not known is asked for at once.
const METADATA_LIFE: Duration = Duration::from_secs(60 * 60);
const KEYS_LIFE: Duration = Duration::from_secs(10 * 60);
/// A provider that has just failed is not asked again so soon: whoever waited for it is answered.
const PAUSE: Duration = Duration::from_secs(3);
/// Keys that are not known are asked for so often in that time.
const MAX_REFRESHES: u32 = 5;
const REFRESHES: Duration = Duration::from_secs(60);
/// Issuers that are remembered at once.
const MAX_REMEMBERED: usize = 1_000;

/// Why a provider is of no use at the moment. No text of its own is repeated but the code of an error (RFC 6749, 5.2).
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("the issuer {0}")]
    Issuer(UrlRefused),
    #[error("the provider's {0} {1}")]
    Fetch(&'static str, #[source] FetchError),
    #[error("the provider's discovery document {0}")]
    Metadata(NoMetadata),
    #[error("the provider's list of keys {0}")]
    Keys(NoKeys),
    #[error("the provider has failed a moment ago")]
    Paused,
    #[error("the provider does not take the code: {0}")]
    Code(String),
    #[error("the provider's {0} is not what it has to be")]
    Malformed(&'static str),
}

/// What this server is called at a provider.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    pub id: &'a str,
    pub secret: Option<&'a SecretValue>,
}

impl fmt::Debug for Client<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a provider gives for a code.
pub struct Granted {
    pub id_token: Zeroizing<String>,
    pub access_token: Option<Zeroizing<String>>,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct TokenError {
    error: String,
}

/// Providers by their issuers. Shared by all workers.
#[derive(Debug, Default)]
pub struct Providers {
    fetcher: Fetcher,
    known: Mutex<HashMap<String, Arc<AsyncMutex<Known>>>>,
}

/// What is remembered of one. Whoever asks holds it, so that a provider is asked once at a time.
#[derive(Debug, Default)]
struct Known {
    metadata: Option<(Arc<Metadata>, Instant)>,
    keys: Option<(Arc<Keys>, Instant)>,
    failed: Option<Instant>,
    /// Since when keys that are not known were asked for, and how often.
    refreshed: Option<(Instant, u32)>,
}

impl Providers {
    pub fn new(fetcher: Fetcher) -> Self {
        Self { fetcher, known: Mutex::default() }
    }

    pub const fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    fn known(&self, issuer: &str) -> Arc<AsyncMutex<Known>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED && !known.contains_key(issuer) {
            known.clear();
        }
        Arc::clone(known.entry(issuer.to_owned()).or_default())
    }

    /// Asks a provider that somebody is about to rely on, whatever is remembered.
    ///
    /// # Errors
    /// Why it is of no use.
    pub async fn try_out(&self, issuer: &str) -> Result<(), Fault> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(issuer);
        let metadata = self.metadata(issuer).await?;
        self.keys(issuer, &metadata).await.map(drop)
    }

    /// Where it is asked for what.
    ///
    /// # Errors
    /// Why it is of no use.
    pub async fn metadata(&self, issuer: &str) -> Result<Arc<Metadata>, Fault> {
        let known = self.known(issuer);
        let mut known = known.lock().await;
        if let Some((metadata, since)) = &known.metadata
            && since.elapsed() < METADATA_LIFE
        {
            return Ok(Arc::clone(metadata));
        }
        known.check_pause()?;
        let result = self.discover(issuer).await;
        let metadata = Arc::new(known.note(result)?);
        known.metadata = Some((Arc::clone(&metadata), Instant::now()));
        Ok(metadata)
    }

    async fn discover(&self, issuer: &str) -> Result<Metadata, Fault> {
        let reachable = self.fetcher.reachable();
        let url = Metadata::address(issuer, reachable).map_err(Fault::Issuer)?;
        let document = self.fetcher.get(&url, None).await;
        let document = document.map_err(|error| Fault::Fetch("discovery document", error))?;
        Metadata::read(&document, issuer, reachable).map_err(Fault::Metadata)
    }

    /// Its keys.
    ///
    /// # Errors
    /// Why it is of no use.
    pub async fn keys(&self, issuer: &str, metadata: &Metadata) -> Result<Arc<Keys>, Fault> {
        let known = self.known(issuer);
        let mut known = known.lock().await;
        match &known.keys {
            Some((keys, since)) if since.elapsed() < KEYS_LIFE => Ok(Arc::clone(keys)),
            _ => self.fetch_keys(&mut known, metadata).await,
        }
    }

    /// Its keys, where those that were `seen` lack one. `None`: it was asked often enough.
    ///
    /// # Errors
    /// Why it is of no use.
    pub async fn newer_keys(
        &self,
        issuer: &str,
        metadata: &Metadata,
        seen: &Arc<Keys>,
    ) -> Result<Option<Arc<Keys>>, Fault> {
        let known = self.known(issuer);
        let mut known = known.lock().await;
        if let Some((keys, _)) = &known.keys
            && !Arc::ptr_eq(keys, seen)
        {
            // Somebody else has asked meanwhile.
            return Ok(Some(Arc::clone(keys)));
        }
        let (since, times) = match known.refreshed {
            Some((since, times)) if since.elapsed() < REFRESHES => (since, times),
            _ => (Instant::now(), 0),
        };
        if times >= MAX_REFRESHES {
            return Ok(None);
        }
        known.refreshed = Some((since, times + 1));
        self.fetch_keys(&mut known, metadata).await.map(Some)
    }

    async fn fetch_keys(&self, known: &mut Known, metadata: &Metadata) -> Result<Arc<Keys>, Fault> {
        known.check_pause()?;
        let fetched = self.fetcher.get(&metadata.jwks_uri, None).await;
        let fetched = fetched.map_err(|error| Fault::Fetch("list of keys", error));
        let keys = fetched.and_then(|document| Keys::read(&document).map_err(Fault::Keys));
        let keys = Arc::new(known.note(keys)?);
        known.keys = Some((Arc::clone(&keys), Instant::now()));
        Ok(keys)
    }

    /// What it gives for a code.
    ///
    /// # Errors
    /// Why it gives nothing.
    pub async fn redeem(
        &self,
        metadata: &Metadata,
        client: Client<'_>,
        (code, redirect_uri, verifier): (&str, &str, &str),
    ) -> Result<Granted, Fault> {
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let secret = client.secret.map(|secret| String::from_utf8_lossy(secret.expose()));
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("code_verifier", verifier)
            .append_pair("client_id", client.id);
        let mut basic = None;
        match (&secret, metadata.client_proof) {
            (Some(secret), ClientProof::Form) => {
                form.append_pair("client_secret", secret);
            }
            // RFC 6749, 2.3.1: both encoded as in a form.
            (Some(secret), ClientProof::Header) => {
                basic = Some((encoded(client.id), Zeroizing::new(encoded(secret))));
            }
            (None, _) => {}
        }
        let basic = basic.as_ref().map(|(name, secret)| (name.as_str(), secret.as_str()));
        let answered = self.fetcher.post(&metadata.token_endpoint, form.finish(), basic).await;
        let (status, body) = answered.map_err(|error| Fault::Fetch("token endpoint", error))?;
        let body = Zeroizing::new(body);
        if status != 200 {
            let error = serde_json::from_slice::<TokenError>(&body).ok().map(|answer| answer.error);
            let is_code = |code: &String| {
                (1..=50).contains(&code.len())
                    && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            };
            return Err(Fault::Code(error.filter(is_code).unwrap_or_else(|| format!("status {status}"))));
        }
        let answer: TokenAnswer =
            serde_json::from_slice(&body).map_err(|_| Fault::Malformed("answer to a code"))?;
        let access_token = answer.access_token.map(Zeroizing::new);
        Ok(Granted { id_token: Zeroizing::new(answer.id_token), access_token })
    }

    /// What it tells of the person whose token it is.
    ///
    /// # Errors
    /// Why it tells nothing.
    pub async fn userinfo(&self, url: &url::Url, access_token: &str) -> Result<Claims, Fault> {
        let told = self.fetcher.get(url, Some(access_token)).await;
        let told = told.map_err(|error| Fault::Fetch("userinfo endpoint", error))?;
        serde_json::from_slice(&told).map_err(|_| Fault::Malformed("answer about a person"))
    }
}

impl Known {
    fn check_pause(&self) -> Result<(), Fault> {
        if self.failed.is_some_and(|failed| failed.elapsed() < PAUSE) { Err(Fault::Paused) } else { Ok(()) }
    }

    fn note<T>(&mut self, result: Result<T, Fault>) -> Result<T, Fault> {
        self.failed = result.is_err().then(Instant::now);
        result
    }
}
