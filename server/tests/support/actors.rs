//! Who asks: an administrator, an agent, anyone.

use std::net::SocketAddr;
use std::sync::OnceLock;

use berth_schema::api::{AgentCreated, Workspace};
use berth_schema::git::CredentialBundle;
use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse, WorkspaceAgentInfo};
use berth_schema::variables::VariableBundle;
use berth_schema::{AccessToken, AgentId, OrganizationId};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder};
use serde_json::{Value, json};

use super::sealing::Key;
use super::{Reply, described};

fn client() -> Client {
    builder().build().expect("a client")
}

pub(super) fn builder() -> ClientBuilder {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        rustls::crypto::ring::default_provider().install_default().expect("the only provider");
    });
    Client::builder().tls_certs_only([])
}

/// Requests as somebody.
pub(crate) trait Requests {
    fn address(&self) -> SocketAddr;
    fn client(&self) -> &Client;
    fn token(&self) -> Option<&str>;

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client().request(method, format!("http://{}{path}", self.address()));
        match self.token() {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn get(&self, path: &str) -> Reply {
        send(self.request(Method::GET, path)).await
    }

    async fn put(&self, path: &str, body: &Value) -> Reply {
        send(self.request(Method::PUT, path).json(body)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        send(self.request(Method::POST, path).json(body)).await
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Reply {
    let (client, request) = request.build_split();
    let request = request.expect("a request");
    let (method, path) = (request.method().clone(), request.url().path().to_owned());
    let reply = Reply::of(client.execute(request).await.expect("the server answers")).await;
    described::look(&method, &path, &reply);
    reply
}

macro_rules! requests {
    ($Actor:ty, $self:ident => $token:expr) => {
        impl Requests for $Actor {
            fn address(&self) -> SocketAddr {
                self.address
            }
            fn client(&self) -> &Client {
                &self.client
            }
            fn token(&$self) -> Option<&str> {
                $token
            }
        }
    };
}

/// Somebody with any token or none.
#[derive(Clone, Debug)]
pub(crate) struct Anyone {
    address: SocketAddr,
    client: Client,
    token: Option<String>,
}

requests!(Anyone, self => self.token.as_deref());

impl Anyone {
    pub(crate) fn new(address: SocketAddr, token: Option<&str>) -> Self {
        Self { address, client: client(), token: token.map(str::to_owned) }
    }
}

/// An organisation's administrator.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    address: SocketAddr,
    client: Client,
    pub(crate) token: AccessToken,
}

requests!(Admin, self => Some(self.token.expose()));

impl Admin {
    pub(crate) fn new(address: SocketAddr, token: AccessToken) -> Self {
        Self { address, client: client(), token }
    }

    pub(crate) fn organization(&self) -> OrganizationId {
        self.token.organization()
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/api/v1/organizations/{}{rest}", self.organization())
    }

    pub(crate) async fn create_agent(&self, name: &str) -> Agent {
        let created: AgentCreated =
            self.post(&self.path("/agents"), &json!({"name": name})).await.expect(201);
        let agent = Agent {
            address: self.address,
            client: client(),
            id: created.agent.id,
            token: created.token.expect("a new agent's token is shown"),
        };
        agent.register(agent.key()).await.expect::<Value>(200);
        agent
    }

    pub(crate) async fn create(&self, body: &Value) -> Reply {
        self.post(&self.path("/workspaces"), body).await
    }

    /// Sets a variable of the organisation.
    pub(crate) async fn request_variable(&self, body: &Value) -> Reply {
        send(self.request(Method::PUT, &self.path("/variables")).json(body)).await
    }

    /// Creates a workspace of an image on the only agent.
    pub(crate) async fn create_workspace(&self, name: &str) -> Workspace {
        self.create(&json!({"name": name, "image": "debian:13"})).await.expect(201)
    }

    pub(crate) async fn wish(&self, workspace: &str, wish: &str) -> Reply {
        send(self.request(Method::POST, &self.path(&format!("/workspaces/{workspace}/{wish}")))).await
    }

    pub(crate) async fn workspace(&self, workspace: &str) -> Workspace {
        self.get(&self.path(&format!("/workspaces/{workspace}"))).await.expect(200)
    }
}

/// An agent, which speaks the protocol by hand.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    address: SocketAddr,
    client: Client,
    pub(crate) id: AgentId,
    pub(crate) token: String,
}

requests!(Agent, self => Some(&self.token));

pub(crate) const RECONCILE: &str = "/api/v1/agent/reconcile";

impl Agent {
    /// The key that it registers when it is created.
    pub(crate) fn key(&self) -> Key {
        Key::new(self.id.as_uuid().as_bytes())
    }

    /// The same agent with another token.
    pub(crate) fn with_token(&self, token: String) -> Self {
        Self { token, ..self.clone() }
    }

    /// The same agent at another server.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    pub(crate) async fn register(&self, key: Key) -> Reply {
        self.post("/api/v1/agent/key", &json!({"public_key": key.public})).await
    }

    /// The variables of a workspace in an answer to a message of the first epoch.
    pub(crate) fn variables(&self, response: &ReconcileResponse, workspace: &str) -> Option<VariableBundle> {
        self.key().open(self.id, 1, response, workspace)
    }

    /// The Git credentials of a workspace, as an answer to a message of the first epoch has them.
    pub(crate) fn credentials(
        &self,
        response: &ReconcileResponse,
        workspace: &str,
    ) -> Option<CredentialBundle> {
        self.key().open_credentials(self.id, 1, response, workspace)
    }

    pub(crate) async fn send(&self, request: &ReconcileRequest) -> Reply {
        self.post(RECONCILE, &serde_json::to_value(request).expect("JSON")).await
    }

    /// A partial message that nothing is waited for with.
    pub(crate) async fn partial(&self, sequence: i64, infos: Vec<WorkspaceAgentInfo>) -> ReconcileResponse {
        self.send(&message(sequence, infos)).await.expect(200)
    }
}

/// A partial message of the first epoch.
pub(crate) fn message(sequence: i64, infos: Vec<WorkspaceAgentInfo>) -> ReconcileRequest {
    ReconcileRequest {
        epoch: 1,
        sequence,
        workspace_agent_infos: infos.into(),
        ..ReconcileRequest::default()
    }
}
