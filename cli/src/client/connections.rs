//! The way into a workspace: what the server gives for it, and the tunnel through its agent's proxy.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use berth_schema::connection::{AskForConnection, ProgramConnection, TOKEN_HEADER};
use reqwest::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use reqwest::{StatusCode, Upgraded, Url};

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

/// A tunnel to the sshd of a workspace, as soon as its proxy has agreed.
pub(crate) async fn tunnel(
    connection: &ProgramConnection,
    ca_file: Option<&Path>,
    key: &str,
) -> Result<Upgraded, Error> {
    let name = &connection.name;
    let doing = || format!("get into workspace '{name}'");
    let url: Url =
        connection.tunnel.parse().ok().filter(|url: &Url| url.scheme() == "https").ok_or_else(|| {
            Error::Other(format!("cannot {}: the server names no address that begins with https://", doing()))
        })?;
    let mut token = HeaderValue::from_str(connection.token.expose())
        .map_err(|_| Error::Other(format!("cannot {}: the server's token is none", doing())))?;
    token.set_sensitive(true);
    let request = to(&url, ca_file)?
        .get(url.clone())
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, key)
        .header(TOKEN_HEADER, token);
    let silent = |_| Error::Other(format!("cannot {}: {} does not answer", doing(), at(&url)));
    let sent = tokio::time::timeout(PATIENCE, request.send()).await.map_err(silent)?;
    let unreachable = |source| Error::Unreachable { doing: doing(), url: at(&url), source };
    let mut response = sent.map_err(unreachable)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return response.upgrade().await.map_err(unreachable);
    }
    let status = response.status();
    let mut said = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        said.extend_from_slice(&chunk);
        if said.len() > MAX_REFUSAL {
            break;
        }
    }
    said.truncate(MAX_REFUSAL);
    let said = String::from_utf8_lossy(&said);
    let hint = match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => {
            format!("`berth start {name} --wait` starts it; {}", crate::error::why(name.as_str()))
        }
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => format!(
            "the workspace may be too new for its proxy to know; otherwise its agent's `proxy.public_port` or `dns_zone` \
             may lead to another proxy than {}",
            at(&url)
        ),
        _ => format!("is {} the proxy of the workspace's agent?", at(&url)),
    };
    let message = format!("cannot {}: {} ({})", doing(), said.trim(), status.as_u16());
    Err(Error::Lost { message, hint })
}

/// Whose address it is, without the path.
fn at(url: &Url) -> String {
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
