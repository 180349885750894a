//! What the server is asked.

use std::time::Duration;

use anyhow::Context as _;
use berth_schema::activity::TellActivity;
use berth_schema::connected::TellConnected;
use berth_schema::connection::{
    Changes, Credential, Decision, OpenBySsh, OpenConnection, Opened, OpenedBySsh, SshHostKey,
};
use berth_schema::logs::{LogsOpened, ReadLogs};
use berth_schema::{TokenUrl, WorkspaceId, WorkspaceName};
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::identity::TokenFile;

const CONNECT: Duration = Duration::from_secs(3);
/// How long a browser waits for a decision.
const PATIENCE: Duration = Duration::from_secs(8);
/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1_024;
/// How long the server holds the answer where nothing was changed. A connection that died unseen is noticed after it.
const HELD: Duration = Duration::from_secs(20);

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("the token cannot be read")]
    Token(#[source] anyhow::Error),
    #[error("the server cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// 422: what the browser brought is not good.
    #[error("the code is not good")]
    Code,
    #[error("the server refuses (HTTP {0})")]
    Refused(u16),
    #[error("the server's answer cannot be understood")]
    Malformed,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) workspace: WorkspaceId,
    pub(crate) name: WorkspaceName,
    pub(crate) port: u16,
}

/// The proxy's access to its server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    client: Client,
    connections: Url,
    decision: Url,
    changes: Url,
    logs: Url,
    activity: Url,
    connected: Url,
    ssh_connections: Url,
    ssh_host_key: Url,
    token: TokenFile,
}

impl Server {
    /// `authorities`: the PEM of the only certificate authorities to trust; by default the system's.
    pub(crate) fn new(url: &TokenUrl, token: TokenFile, authorities: Option<&[u8]>) -> anyhow::Result<Self> {
        let builder = Client::builder()
            .user_agent(concat!("berth-proxy/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
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
        Ok(Self {
            client: builder.build().context("cannot make an HTTP client")?,
            connections: url.join(["api", "v1", "proxy", "connections"]),
            decision: url.join(["api", "v1", "proxy", "decision"]),
            changes: url.join(["api", "v1", "proxy", "changes"]),
            logs: url.join(["api", "v1", "proxy", "logs"]),
            activity: url.join(["api", "v1", "proxy", "activity"]),
            connected: url.join(["api", "v1", "proxy", "connected"]),
            ssh_connections: url.join(["api", "v1", "proxy", "ssh-connections"]),
            ssh_host_key: url.join(["api", "v1", "proxy", "ssh-host-key"]),
            token,
        })
    }

    /// A browser has brought a code.
    pub(crate) async fn open(&self, opening: &OpenConnection) -> Result<Opened, ServerError> {
        self.send(self.client.post(self.connections.clone()).json(opening)).await
    }

    /// Whether whoever has that grant may connect there; without one, whoever has not signed in.
    pub(crate) async fn decide(
        &self,
        grant: Option<&Credential>,
        port: &Target,
    ) -> Result<Decision, ServerError> {
        self.question(grant, port).await
    }

    async fn question<T: DeserializeOwned>(
        &self,
        grant: Option<&Credential>,
        port: &Target,
    ) -> Result<T, ServerError> {
        let query = [
            ("workspace", port.workspace.to_string()),
            ("name", port.name.to_string()),
            ("port", port.port.to_string()),
        ];
        let request = self.client.get(self.decision.clone()).query(&query);
        let request = match grant {
            Some(grant) => request.header("berth-grant", grant.expose()),
            None => request,
        };
        self.send(request).await
    }

    /// What was changed after a place in the server's record, as soon as something was.
    pub(crate) async fn changes(&self, after: Option<u64>) -> Result<Changes, ServerError> {
        let mut query = vec![("wait", HELD.as_secs())];
        query.extend(after.map(|after| ("after", after)));
        let request = self.client.get(self.changes.clone()).query(&query).timeout(HELD + PATIENCE);
        self.send(request).await
    }

    /// Whether a program that shows that token may connect there, and what it goes on by.
    pub(crate) async fn begin(&self, token: &Credential, port: &Target) -> Result<Opened, ServerError> {
        self.question(Some(token), port).await
    }

    /// Whether whoever shows that, a token or a session, may read what a workspace's containers write; it is on record.
    pub(crate) async fn read_logs(
        &self,
        shown: &Credential,
        asked: &ReadLogs,
    ) -> Result<LogsOpened, ServerError> {
        let request = self.client.post(self.logs.clone()).header("berth-grant", shown.expose());
        self.send(request.json(asked)).await
    }

    /// Whether a key that somebody has shown lets them into a workspace, and what gets us there.
    pub(crate) async fn open_by_ssh(&self, asked: &OpenBySsh) -> Result<OpenedBySsh, ServerError> {
        self.send(self.client.post(self.ssh_connections.clone()).json(asked)).await
    }

    /// By what this proxy is known to ssh.
    pub(crate) async fn ssh_host_key(&self) -> Result<SshHostKey, ServerError> {
        self.send(self.client.get(self.ssh_host_key.clone())).await
    }

    /// Where something happens.
    pub(crate) async fn tell(&self, activity: &TellActivity) -> Result<(), ServerError> {
        self.deliver(&self.activity, activity).await
    }

    /// Who is connected.
    pub(crate) async fn tell_who(&self, connected: &TellConnected) -> Result<(), ServerError> {
        self.deliver(&self.connected, connected).await
    }

    async fn deliver(&self, to: &Url, message: &(impl Serialize + Sync)) -> Result<(), ServerError> {
        let response = self.answer(self.client.post(to.clone()).json(message)).await?;
        match response.status() {
            StatusCode::NO_CONTENT => Ok(()),
            other => Err(ServerError::Refused(other.as_u16())),
        }
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response, ServerError> {
        let token = self.token.read().map_err(ServerError::Token)?;
        request.bearer_auth(token.expose()).send().await.map_err(ServerError::Unreachable)
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ServerError> {
        let mut response = self.answer(request).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNPROCESSABLE_ENTITY => return Err(ServerError::Code),
            other => return Err(ServerError::Refused(other.as_u16())),
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(ServerError::Unreachable)? {
            if answer.len() + chunk.len() > MAX_ANSWER {
                return Err(ServerError::Malformed);
            }
            answer.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&answer).map_err(|_| ServerError::Malformed)
    }
}
