//! The way into a workspace: what the server gives for it, and the tunnel through its agent's proxy.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use berth_schema::connection::{AskForConnection, ProgramConnection, TOKEN_HEADER};
use reqwest::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use reqwest::{RequestBuilder, Response, StatusCode, Upgraded, Url};

use super::{Call, Organization, http};
use crate::error::Error;
use crate::names::WorkspaceRef;

/// How long the proxy may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most of a refusal that is read, in bytes.
const MAX_REFUSAL: usize = 1_024;

impl Organization {
    /// `ssh_public_key`: what a certificate is wanted for.
    pub(crate) async fn connect(
        &self,
        workspace: &WorkspaceRef,
        ssh_public_key: Option<String>,
    ) -> Result<ProgramConnection, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "connection"]);
        let call = Call::post(format!("connect to workspace '{workspace}'"), url);
        self.client.send(call.body(&AskForConnection { ssh_public_key })?).await
    }
}

/// What is asked of a workspace's host, with its token.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) url: Url,
    token: HeaderValue,
    doing: String,
}

impl Asked {
    /// Only where the token goes by TLS.
    pub(super) fn new(connection: &ProgramConnection, address: &str, doing: String) -> Result<Self, Error> {
        let url = address.parse().ok().filter(|url: &Url| url.scheme() == "https").ok_or_else(|| {
            Error::Other(format!("cannot {doing}: the server names no address that begins with https://"))
        })?;
        let mut token = HeaderValue::from_str(connection.token.expose())
            .map_err(|_| Error::Other(format!("cannot {doing}: the server's token is none")))?;
        token.set_sensitive(true);
        Ok(Self { url, token, doing })
    }

    /// Until the answer begins.
    pub(super) async fn send(
        &self,
        ca_file: Option<&Path>,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Error> {
        let request = to(&self.url, ca_file)?.get(self.url.clone()).header(TOKEN_HEADER, self.token.clone());
        let silent = |_| Error::Other(format!("cannot {}: {} does not answer", self.doing, at(&self.url)));
        let sent = tokio::time::timeout(PATIENCE, with(request).send()).await.map_err(silent)?;
        sent.map_err(|source| self.unreachable(source))
    }

    fn unreachable(&self, source: reqwest::Error) -> Error {
        Error::Unreachable { doing: self.doing.clone(), url: at(&self.url), source }
    }

    /// What is said where it is refused.
    pub(super) async fn refusal(&self, mut response: Response) -> (StatusCode, String) {
        let mut said = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            said.extend_from_slice(&chunk);
            if said.len() > MAX_REFUSAL {
                break;
            }
        }
        said.truncate(MAX_REFUSAL);
        (response.status(), String::from_utf8_lossy(&said).trim().to_owned())
    }
}

/// A tunnel to the sshd of a workspace, as soon as its proxy has agreed.
pub(crate) async fn tunnel(
    connection: &ProgramConnection,
    ca_file: Option<&Path>,
    key: &str,
) -> Result<Upgraded, Error> {
    let name = &connection.name;
    let doing = format!("get into workspace '{name}'");
    let asked = Asked::new(connection, &connection.tunnel, doing.clone())?;
    let upgrade = |request: RequestBuilder| {
        request
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, key)
    };
    let response = asked.send(ca_file, upgrade).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return response.upgrade().await.map_err(|source| asked.unreachable(source));
    }
    let (status, said) = asked.refusal(response).await;
    let hint = match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => {
            format!("`berth start {name} --wait` starts it; {}", crate::error::why(name.as_str()))
        }
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => format!(
            "the workspace may be too new for its proxy to know; otherwise its agent's `proxy.public_port` or `dns_zone` \
             may lead to another proxy than {}",
            at(&asked.url)
        ),
        _ => format!("is {} the proxy of the workspace's agent?", at(&asked.url)),
    };
    let message = format!("cannot {doing}: {said} ({})", status.as_u16());
    Err(Error::Lost { message, hint })
}

/// Whose address it is, without the path.
pub(super) fn at(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn to(url: &Url, ca_file: Option<&Path>) -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("berth/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .http1_only();
    // What is typed is sent at once.
    let builder = builder.tcp_nodelay(true);
    let builder = match ca_file {
        Some(path) => builder.tls_certs_only(http::certificates(path)?),
        None => builder,
    };
    // Names below `localhost` are this machine's (RFC 6761), whatever a resolver knows of them.
    let builder = match url.host_str().filter(|host| host.ends_with(".localhost")) {
        Some(host) => {
            let own = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            let port = url.port_or_known_default().unwrap_or(443);
            builder.resolve_to_addrs(host, &own.map(|address| SocketAddr::new(address, port)))
        }
        None => builder,
    };
    builder.build().map_err(Error::Tls)
}
