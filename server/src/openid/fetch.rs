//! One request to somebody whom an organisation has named: to public addresses and those that are allowed, without redirects, and
//! bounded in time and size. No proxy of the environment stands between, which would look the host up itself.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use berth_oidc::{Reachable, UrlRefused};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Response};
use tokio::time::timeout;
use url::Url;

/// A whole answer arrives within it. A sign-in takes four of them at the most.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(3);
/// The largest answer.
const MAX_ANSWER: usize = 256 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{0}")]
    Refused(#[from] UrlRefused),
    #[error("cannot be reached at an address that is public or allowed")]
    Unreachable(#[source] reqwest::Error),
    #[error("does not answer within {} seconds", TIMEOUT.as_secs())]
    Slow,
    #[error("answers with more than {MAX_ANSWER} bytes")]
    TooLarge,
    #[error("answers with a redirect, which is not followed")]
    Redirect,
    #[error("answers with status {0}")]
    Status(u16),
    #[error("cannot be asked: {0}")]
    Client(String),
}

/// What asks.
pub struct Fetcher {
    reachable: Reachable,
    /// The only authorities that are trusted; `None`: the system's.
    authorities: Option<Vec<Certificate>>,
    /// For `https`, and for this machine alone. Made when they are needed: the system's authorities are read then.
    clients: [OnceLock<Result<Client, String>>; 2],
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("reachable", &self.reachable).finish_non_exhaustive()
    }
}

impl Default for Fetcher {
    fn default() -> Self {
        Self::new(Reachable::default(), None)
    }
}

/// Looks hosts up, and keeps of the addresses those that may be connected to: what is asked is what was checked.
struct Resolver(Reachable);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reachable = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let held: Vec<SocketAddr> = found.filter(|address| reachable.holds(address.ip())).collect();
            if held.is_empty() {
                return Err("the host has no address that is public or allowed".into());
            }
            Ok(Box::new(held.into_iter()) as Addrs)
        })
    }
}

impl Fetcher {
    pub fn new(reachable: Reachable, authorities: Option<Vec<Certificate>>) -> Self {
        Self { reachable, authorities, clients: [OnceLock::new(), OnceLock::new()] }
    }

    /// The authorities of a PEM file.
    ///
    /// # Errors
    /// Where it cannot be read, or holds none.
    pub fn authorities(file: &Path) -> anyhow::Result<Vec<Certificate>> {
        let pem = std::fs::read(file).with_context(|| file.display().to_string())?;
        let found = Certificate::from_pem_bundle(&pem).with_context(|| file.display().to_string())?;
        anyhow::ensure!(!found.is_empty(), "{}: holds no certificate in PEM form", file.display());
        Ok(found)
    }

    pub const fn reachable(&self) -> &Reachable {
        &self.reachable
    }

    /// The body of a successful answer.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn get(&self, url: &Url, bearer: Option<&str>) -> Result<Vec<u8>, FetchError> {
        let request = self.client(url)?.get(url.clone());
        let request = match bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        match ask(request).await? {
            (200, body) => Ok(body),
            (status, _) => Err(FetchError::Status(status)),
        }
    }

    /// The status and the body of an answer to a form. `basic`: a client and its secret, both encoded as in a form.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn post(
        &self,
        url: &Url,
        form: String,
        basic: Option<(&str, &str)>,
    ) -> Result<(u16, Vec<u8>), FetchError> {
        let request = self.client(url)?.post(url.clone());
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let request = match basic {
            Some((name, secret)) => request.basic_auth(name, Some(secret)),
            None => request,
        };
        ask(request).await
    }

    /// What may ask that URL.
    fn client(&self, url: &Url) -> Result<&Client, FetchError> {
        self.reachable.check(url.as_str())?;
        let is_https = url.scheme() == "https";
        let client = self.clients[usize::from(is_https)].get_or_init(|| self.build(is_https));
        client.as_ref().map_err(|why| FetchError::Client(why.clone()))
    }

    fn build(&self, is_https: bool) -> Result<Client, String> {
        // An error says that there is one already: this one, since nothing else of this process installs any.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .user_agent(concat!("berth-server/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .no_proxy()
            .dns_resolver(Arc::new(Resolver(self.reachable.clone())));
        let builder = match (&self.authorities, is_https) {
            (Some(authorities), true) => builder.tls_certs_only(authorities.clone()),
            (None, true) => builder,
            (_, false) => builder.tls_certs_only([]),
        };
        builder.build().map_err(|error| error.to_string())
    }
}

async fn ask(request: RequestBuilder) -> Result<(u16, Vec<u8>), FetchError> {
    let answered = async {
        let response = request.header(ACCEPT, "application/json").send().await;
        let response = response.map_err(|error| {
            if error.is_timeout() { FetchError::Slow } else { FetchError::Unreachable(error.without_url()) }
        })?;
        let status = response.status();
        if status.is_redirection() {
            return Err(FetchError::Redirect);
        }
        Ok((status.as_u16(), body(response).await?))
    };
    timeout(TIMEOUT, answered).await.map_err(|_| FetchError::Slow)?
}

async fn body(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| FetchError::Unreachable(error.without_url()))?
    {
        // Counted as it is decompressed.
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
