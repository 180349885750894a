//! The conversation with the server.

use std::time::Duration;

use anyhow::Context as _;
use berth_agent_core::weighs_at_most;
use berth_schema::connection::ProxyToken;
use berth_schema::reconcile::{MAX_MESSAGE_BYTES, ReconcileRequest, ReconcileResponse};
use berth_schema::sealing::{PublicKey, RegisterKey, RegisteredKey};
use berth_schema::{Problem, Text, TokenUrl};
use reqwest::header::RETRY_AFTER;
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::token::TokenSource;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take beyond the time that it may be held.
const PATIENCE: Duration = Duration::from_secs(20);
/// The largest answer that is read, uncompressed. A server keeps to [`MAX_MESSAGE_BYTES`], but for one workspace that is larger by
/// itself: its objects fit into the cluster's store, and its variables into Secrets.
const MAX_ANSWER_BYTES: usize = 2 * MAX_MESSAGE_BYTES;
/// What an answer may take in memory when it is read.
const MAX_ANSWER_WEIGHT: usize = 64 * 1024 * 1024;
/// The largest explanation of a refusal that is read.
const MAX_PROBLEM_BYTES: usize = 64 * 1024;

/// Why the server did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("the server has seen a later epoch of this agent: {detail}")]
    StaleEpoch { detail: Text<500> },
    #[error(
        "the server does not accept this agent's token (HTTP {status}): it was revoked, or belongs elsewhere"
    )]
    Denied { status: u16 },
    #[error("the server refuses (HTTP {status}): {detail}")]
    Refused {
        status: u16,
        detail: Text<500>,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    #[error("the server cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the server's answer is larger than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
    #[error("the server's answer would take more than {MAX_ANSWER_WEIGHT} bytes of memory")]
    TooHeavy,
    /// Without the parser's own words: they could repeat a value.
    #[error("the server's answer cannot be understood (line {line}, column {column})")]
    Malformed { line: usize, column: usize },
}

impl ServerError {
    /// A name for counting.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::StaleEpoch { .. } => "stale_epoch",
            Self::Denied { .. } => "denied",
            Self::Refused { .. } => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::TooLarge | Self::TooHeavy => "too_large",
            Self::Malformed { .. } => "malformed",
        }
    }
}

/// One agent's access to its server.
#[derive(Clone)]
pub struct Server {
    client: Client,
    endpoint: Url,
    key_endpoint: Url,
    proxy_token_endpoint: Url,
    token: TokenSource,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

impl Server {
    /// `authorities`: the PEM of the only certificate authorities to trust; by default the system's.
    pub fn new(url: &TokenUrl, token: TokenSource, authorities: Option<&[u8]>) -> anyhow::Result<Self> {
        let endpoint = url.join(["api", "v1", "agent", "reconcile"]);
        let key_endpoint = url.join(["api", "v1", "agent", "key"]);
        let proxy_token_endpoint = url.join(["api", "v1", "agent", "proxy-token"]);
        let builder = Client::builder()
            .user_agent(concat!("berth-agent/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none());
        // A name of this machine is not left to a resolver, and what is not encrypted to no proxy of the environment.
        let builder = match url.own_machine() {
            Some((name, addresses)) => builder.resolve_to_addrs(name, &addresses),
            None => builder,
        };
        let builder = if url.is_https() { builder } else { builder.no_proxy() };
        let builder = match authorities {
            Some(pem) => {
                builder.tls_certs_only(Certificate::from_pem_bundle(pem).context("no PEM certificates")?)
            }
            // Plain HTTP needs no authority, and there may be none in the image.
            None if !url.is_https() => builder.tls_certs_only([]),
            None => builder,
        };
        let client = builder.build().context("cannot make an HTTP client")?;
        Ok(Self { client, endpoint, key_endpoint, proxy_token_endpoint, token })
    }

    /// Shows the newest token from now on; answers with how often it was replaced.
    pub fn refresh_token(&self) -> u64 {
        self.token.refresh()
    }

    /// Sends one message and waits for the answer; dropping the future gives the wait up and harms nothing.
    pub async fn reconcile(&self, request: &ReconcileRequest) -> Result<ReconcileResponse, ServerError> {
        let wait = Duration::from_secs(request.wait_seconds) + PATIENCE;
        self.post(&self.endpoint, wait, request).await
    }

    /// Has the server seal variables to this key from now on.
    pub async fn register_key(&self, public_key: PublicKey) -> Result<RegisteredKey, ServerError> {
        self.post(&self.key_endpoint, PATIENCE, &RegisterKey { public_key }).await
    }

    /// Another token for this agent's proxy.
    pub async fn proxy_token(&self) -> Result<ProxyToken, ServerError> {
        self.send(self.client.post(self.proxy_token_endpoint.clone()).timeout(PATIENCE)).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        endpoint: &Url,
        wait: Duration,
        body: &impl Serialize,
    ) -> Result<T, ServerError> {
        self.send(self.client.post(endpoint.clone()).timeout(wait).json(body)).await
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ServerError> {
        let request = request.bearer_auth(self.token.current().expose());
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if !status.is_success() {
            return Err(refusal(status, response).await);
        }
        let body = bounded_body(response, MAX_ANSWER_BYTES).await?;
        if !weighs_at_most(&body, MAX_ANSWER_WEIGHT) {
            return Err(ServerError::TooHeavy);
        }
        serde_json::from_slice(&body)
            .map_err(|error| ServerError::Malformed { line: error.line(), column: error.column() })
    }
}

/// The URL is in the log already, and it could hold what does not belong there.
fn unreachable(error: reqwest::Error) -> ServerError {
    ServerError::Unreachable(error.without_url())
}

async fn bounded_body(mut response: Response, most: usize) -> Result<Vec<u8>, ServerError> {
    let mut body = vec![];
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > most {
            return Err(ServerError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn refusal(status: StatusCode, response: Response) -> ServerError {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let problem = bounded_body(response, MAX_PROBLEM_BYTES).await.ok();
    let problem = problem.and_then(|body| serde_json::from_slice::<Problem>(&body).ok());
    // Whoever answers may be anybody: what goes to the log is one line.
    let detail: Text<500> = problem.map_or_else(Text::default, |problem| {
        let fields = problem.errors.iter().map(|error| format!("; {}: {}", error.field, error.message));
        let text = format!("{} {}{}", problem.title, problem.detail, fields.collect::<String>());
        text.into()
    });
    match status.as_u16() {
        409 => ServerError::StaleEpoch { detail },
        status @ (401 | 403) => ServerError::Denied { status },
        status => ServerError::Refused { status, detail, retry_after: seconds.map(Duration::from_secs) },
    }
}
