//! Someone who talks to the REST API with a token.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use berth_schema::api::{AgentCreated, CreateWorkspace, Paged, VariableInput, WhoAmI, Workspace};
use berth_schema::variables::VariableKind;
use berth_schema::{ActualState, DesiredState, Generation, Problem};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A status and a body.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    /// The body of a success; the problem's words otherwise.
    pub fn expect<T: DeserializeOwned>(self) -> anyhow::Result<T> {
        if !self.status.is_success() {
            bail!("{}: {}", self.status, self.body);
        }
        serde_json::from_value(self.body).context("the answer has another shape")
    }

    pub fn problem(self) -> anyhow::Result<Problem> {
        serde_json::from_value(self.body).with_context(|| format!("{} without a problem", self.status))
    }
}

#[derive(Clone, Debug)]
pub struct Actor {
    http: reqwest::Client,
    server: String,
    organization: String,
    token: SecretString,
}

impl Actor {
    /// Learns from the server which organisation the token belongs to.
    pub async fn new(server: String, token: SecretString) -> anyhow::Result<Self> {
        berth_harness::install_crypto();
        let http = reqwest::Client::builder().tls_certs_only([]).timeout(Duration::from_secs(30)).build()?;
        let mut actor = Self { http, server, organization: String::new(), token };
        let path = "/api/v1/whoami".to_owned();
        let whoami: WhoAmI = actor.send(Method::GET, path, None, None).await?.expect()?;
        actor.organization = whoami.organization_id.to_string();
        Ok(actor)
    }

    pub fn token(&self) -> SecretString {
        self.token.clone()
    }

    async fn send(
        &self,
        method: Method,
        path: String,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.server))
            .bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// `path` is below the organisation.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, self.path(path), None, None).await
    }

    /// `path` is below the organisation.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, self.path(path), Some(body), None).await
    }

    /// [`Actor::post`] with an Idempotency-Key, so that it may be sent again.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, self.path(path), Some(body), Some(key)).await
    }

    /// `path` is below the organisation.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::PUT, self.path(path), Some(body), None).await
    }

    /// `path` is below the organisation.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::DELETE, self.path(path), None, None).await
    }

    /// The whole path of one below the organisation.
    pub fn path(&self, path: &str) -> String {
        format!("/api/v1/organizations/{}/{path}", self.organization)
    }

    pub async fn create_agent(&self, name: &str) -> anyhow::Result<AgentCreated> {
        self.post("agents", &json!({"name": name})).await?.expect()
    }

    pub async fn create(&self, workspace: &CreateWorkspace) -> anyhow::Result<Workspace> {
        self.post("workspaces", &serde_json::to_value(workspace)?).await?.expect()
    }

    /// A workspace around an image, without variables.
    pub async fn create_from_image(&self, name: &str, image: &str) -> anyhow::Result<Workspace> {
        self.post("workspaces", &json!({"name": name, "image": image})).await?.expect()
    }

    /// A workspace of a devfile, without variables.
    pub async fn create_from_devfile(&self, name: &str, devfile: &str) -> anyhow::Result<Workspace> {
        self.post("workspaces", &json!({"name": name, "devfile": devfile})).await?.expect()
    }

    pub async fn workspace(&self, name: &str) -> anyhow::Result<Workspace> {
        self.get(&format!("workspaces/{name}")).await?.expect()
    }

    pub async fn workspaces(&self) -> anyhow::Result<Vec<Workspace>> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page: Paged<Workspace> = self.get(&format!("workspaces?limit=100{after}")).await?.expect()?;
            all.extend(page.items);
            let Some(next) = page.next else { return Ok(all) };
            after = format!("&after={next}");
        }
    }

    /// `start`, `stop`, `restart` or `terminate`.
    pub async fn wish(&self, name: &str, wish: &str) -> anyhow::Result<Workspace> {
        self.post(&format!("workspaces/{name}/{wish}"), &json!({})).await?.expect()
    }

    pub async fn change_variables(&self, name: &str, change: &Value) -> anyhow::Result<Workspace> {
        let path = self.path(&format!("workspaces/{name}/variables"));
        self.send(Method::PATCH, path, Some(change), None).await?.expect()
    }

    pub async fn rebuild(&self, name: &str, image: &str) -> anyhow::Result<Workspace> {
        self.post(&format!("workspaces/{name}/rebuild"), &json!({"image": image})).await?.expect()
    }

    /// Waits until the cluster has proven `generation` or a later one and the state is reached. Gives the workspace and
    /// the different actual states on the way.
    pub async fn reach(
        &self,
        workspace: &Workspace,
        state: ActualState,
        limit: Duration,
    ) -> anyhow::Result<(Workspace, Vec<ActualState>)> {
        let started = Instant::now();
        let mut seen = Vec::new();
        loop {
            // By id: a terminated workspace is no longer found by its name.
            let now = self.workspace(&workspace.id.to_string()).await?;
            if seen.last() != Some(&now.actual_state) {
                seen.push(now.actual_state);
            }
            let proven =
                now.applied_generation >= workspace.generation && now.applied_generation == now.generation;
            let settled = proven && now.desired_state != DesiredState::RestartRequested;
            // What failed or is gone proves nothing any more.
            let unproven =
                matches!(state, ActualState::Terminated | ActualState::Failed | ActualState::Error);
            if now.actual_state == state && (settled || unproven) {
                return Ok((now, seen));
            }
            if started.elapsed() > limit {
                bail!(
                    "{} is not {state} after {} s, but {now:#?}; seen: {seen:?}",
                    now.name,
                    limit.as_secs()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// [`Actor::reach`] for what only the end matters of.
    pub async fn running(&self, workspace: &Workspace) -> anyhow::Result<Workspace> {
        Ok(self.reach(workspace, ActualState::Running, Duration::from_secs(60)).await?.0)
    }

    pub async fn generation(&self, workspace: &Workspace) -> anyhow::Result<Generation> {
        Ok(self.workspace(&workspace.id.to_string()).await?.generation)
    }
}

/// A variable as a request has it.
pub fn variable(kind: VariableKind, name: &str, value: &[u8]) -> VariableInput {
    use base64::Engine as _;
    VariableInput {
        name: name.to_owned(),
        kind,
        value: None,
        value_base64: Some(base64::engine::general_purpose::STANDARD.encode(value).into()),
    }
}
