//! A server that says what it likes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use berth_schema::WorkspaceId;
use berth_schema::prerequisites::ManifestReport;
use berth_schema::reconcile::{MessageType, ReconcileRequest, WorkspaceAgentInfo};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// How long an answer is held that says nothing.
const HELD: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
struct State {
    /// Said again in each answer until the agent has told of the workspace.
    directives: BTreeMap<WorkspaceId, Value>,
    /// Said again in each answer, whatever the agent tells.
    insisted: BTreeMap<WorkspaceId, Value>,
    orphans: BTreeMap<WorkspaceId, Value>,
    manifests: Vec<Value>,
    heard: BTreeMap<WorkspaceId, WorkspaceAgentInfo>,
    installed: Vec<ManifestReport>,
    rounds: u64,
}

#[derive(Debug)]
pub(crate) struct HostileServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    task: JoinHandle<()>,
}

impl HostileServer {
    /// `manifests`: what it wants to be in the proxy's namespace.
    pub(crate) async fn start(manifests: Vec<Value>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no free port")?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State { manifests, ..State::default() }));
        let changed = Arc::new(Notify::new());
        let (state_there, changed_there) = (Arc::clone(&state), Arc::clone(&changed));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (state, changed) = (Arc::clone(&state_there), Arc::clone(&changed_there));
                connections.spawn(async move {
                    let service = service_fn(|request| answer(request, &state, &changed));
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, state, changed, task })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Says a directive from now on, until the agent tells of its workspace. Of one that was told of before, a report may be on
    /// its way that knows nothing of the directive: see [`Self::insist`].
    pub(crate) fn direct(&self, workspace: WorkspaceId, directive: Value) {
        let mut state = self.state();
        state.heard.remove(&workspace);
        state.directives.insert(workspace, directive);
    }

    /// Says a directive from now on, in every answer.
    pub(crate) fn insist(&self, workspace: WorkspaceId, directive: Value) {
        let mut state = self.state();
        state.heard.remove(&workspace);
        state.insisted.insert(workspace, directive);
    }

    /// Says that a workspace which nobody asked about is to be removed.
    pub(crate) fn disown(&self, workspace: WorkspaceId, name: &str, namespace: &str) {
        let orphan =
            json!({ "workspace_id": workspace, "name": name, "namespace": namespace, "verdict": "remove" });
        self.state().orphans.insert(workspace, orphan);
    }

    /// What the agent says of the proxy's objects.
    pub(crate) fn installed(&self) -> Vec<ManifestReport> {
        self.state().installed.clone()
    }

    pub(crate) fn heard(&self, workspace: WorkspaceId) -> Option<WorkspaceAgentInfo> {
        self.state().heard.get(&workspace).cloned()
    }

    /// The error that the agent tells of a workspace.
    pub(crate) fn error(&self, workspace: WorkspaceId) -> String {
        let details = self.heard(workspace).and_then(|info| info.error_details);
        details.map(|details| details.error_message.to_string()).unwrap_or_default()
    }

    /// Until the agent has told of each workspace that it was directed about.
    pub(crate) async fn until_told(&self, patience: Duration) -> anyhow::Result<()> {
        self.until(patience, |state| state.directives.is_empty() && state.orphans.is_empty()).await
    }

    /// Until it was answered a number of times from now on, so that it has followed what it was told.
    pub(crate) async fn rounds(&self, more: u64, patience: Duration) -> anyhow::Result<()> {
        let until = self.state().rounds + more;
        self.until(patience, |state| state.rounds >= until).await
    }

    pub(crate) async fn until_heard(
        &self,
        workspace: WorkspaceId,
        patience: Duration,
        holds: impl Fn(&WorkspaceAgentInfo) -> bool,
    ) -> anyhow::Result<()> {
        self.until(patience, |state| state.heard.get(&workspace).is_some_and(&holds)).await
    }

    pub(crate) async fn until_installed(&self, patience: Duration) -> anyhow::Result<()> {
        self.until(patience, |state| !state.installed.is_empty()).await
    }

    async fn until(&self, patience: Duration, holds: impl Fn(&State) -> bool) -> anyhow::Result<()> {
        let waited = tokio::time::timeout(patience, async {
            while !holds(&self.state()) {
                let _ = tokio::time::timeout(HELD, self.changed.notified()).await;
            }
        });
        if waited.await.is_err() {
            let state = self.state();
            bail!("not in time; pending: {:?}, heard: {:?}", state.directives.keys(), state.heard);
        }
        Ok(())
    }
}

impl Drop for HostileServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
    request: Request<Incoming>,
    state: &Mutex<State>,
    changed: &Notify,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let Ok(body) = request.into_body().collect().await else { return Ok(respond(400, &json!({}))) };
    let body = body.to_bytes();
    if path.ends_with("/agent/key") {
        let mut key: Value = serde_json::from_slice(&body).unwrap_or_default();
        key["registered_at"] = json!("2026-01-01T00:00:00Z");
        return Ok(respond(200, &key));
    }
    let Ok(request) = serde_json::from_slice::<ReconcileRequest>(&body) else {
        return Ok(respond(400, &json!({})));
    };
    let answer = state_of(&request, &mut lock(state));
    changed.notify_waiters();
    if answer["workspaces"] == json!([]) {
        tokio::time::sleep(HELD).await;
    }
    Ok(respond(200, &answer))
}

fn state_of(request: &ReconcileRequest, state: &mut State) -> Value {
    state.rounds += 1;
    if request.message_type == MessageType::Prerequisites {
        state.installed = request.prerequisites.clone().map(|has| has.manifests).unwrap_or_default();
        return json!({ "workspaces": [], "settings": settings(), "manifests": state.manifests });
    }
    for info in request.workspace_agent_infos.iter() {
        let id = info.workspace_id;
        let settled = info.error_details.is_some() || info.applied_generation.is_some();
        let leaves = info.termination_progress.is_some();
        if settled || leaves {
            state.directives.remove(&id);
            state.orphans.remove(&id);
        }
        state.heard.insert(id, info.clone());
    }
    // What was told is acknowledged, or it would be told again and again.
    let told = request.workspace_agent_infos.iter().filter(|info| {
        ![&state.directives, &state.insisted].iter().any(|all| all.contains_key(&info.workspace_id))
    });
    let said = state.directives.values().chain(state.insisted.values());
    let workspaces: Vec<Value> = said.cloned().chain(told.map(acknowledgement)).collect();
    let orphans: Vec<&Value> = state.orphans.values().collect();
    json!({ "workspaces": workspaces, "orphans": orphans, "settings": settings() })
}

fn acknowledgement(info: &WorkspaceAgentInfo) -> Value {
    let version =
        info.latest_k8s_deployment_info.as_ref().map(|deployment| deployment.resource_version.clone());
    json!({
        "workspace_id": info.workspace_id, "name": info.name, "namespace": info.namespace, "action": "none",
        "desired_state": "Stopped", "actual_state": "Unknown", "generation": 1, "deployment_resource_version": version,
    })
}

/// A full report, with a look at the prerequisites before it, as often as the agent lets itself be told.
fn settings() -> Value {
    json!({ "full_reconciliation_interval_seconds": 10, "partial_reconciliation_interval_seconds": 1 })
}

fn respond(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::new(Bytes::from(body.to_string()))).expect("a response")
}
