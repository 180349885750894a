//! An API server of a few lines, for what a real one does too rarely to be waited for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use berth_agent::apply;
use berth_agent::cluster::Cluster;
use berth_agent::failure::Failure;
use berth_agent_core::{Action, Agent, Identity, Outcome, Prepared, Task};
use berth_schema::reconcile::{Action as Wish, ReconcileResponse, WorkspaceDirective};
use berth_schema::sealing::SealedBundle;
use berth_schema::variables::{SecretValue, VariableBundle};
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, WorkspaceId, WorkspaceName,
};
use http::{Method, Request, Response, Uri};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

#[path = "../../core/tests/fixtures/mod.rs"]
mod fixtures;

/// Its first digits are in the paths below.
const WORKSPACE: WorkspaceId = WorkspaceId::from_uuid(uuid::Uuid::from_bytes([2; 16]));
pub(crate) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/berth-w-02020202/deployments/w";
pub(crate) const NAMESPACE: &str = "/api/v1/namespaces/berth-w-02020202";
pub(crate) const ACCOUNT: &str = "/api/v1/namespaces/berth-w-02020202/serviceaccounts/w";
pub(crate) const QUOTA: &str = "/api/v1/namespaces/berth-w-02020202/resourcequotas/w";
pub(crate) const POLICY: &str = "/apis/networking.k8s.io/v1/namespaces/berth-w-02020202/networkpolicies/w";
pub(crate) const CLAIM: &str = "/api/v1/namespaces/berth-w-02020202/persistentvolumeclaims/w-data";
pub(crate) const SECRET: &str = "/api/v1/namespaces/berth-w-02020202/secrets/w-env";

type Hook = Box<dyn FnMut(&Method, &str, &mut BTreeMap<String, Value>) -> Option<(u16, &'static str)> + Send>;

/// What the API server holds, by path, and what was asked of it.
pub(crate) struct World {
    pub(crate) agent: AgentId,
    pub(crate) workspace: WorkspaceId,
    objects: Mutex<BTreeMap<String, Value>>,
    writes: Mutex<Vec<String>>,
    /// Sees each request first: may change the world, or refuse with a status and a message.
    hook: Mutex<Hook>,
}

impl World {
    pub(crate) fn new(
        hook: impl FnMut(&Method, &str, &mut BTreeMap<String, Value>) -> Option<(u16, &'static str)>
        + Send
        + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            agent: AgentId::random(),
            workspace: WORKSPACE,
            objects: Mutex::default(),
            writes: Mutex::default(),
            hook: Mutex::new(Box::new(hook)),
        })
    }

    pub(crate) fn cluster(self: &Arc<Self>) -> Cluster {
        let world = Arc::clone(self);
        let service = service_fn(move |request: Request<Body>| {
            let world = Arc::clone(&world);
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.expect("a body").to_bytes();
                let (status, answer) = world.answer(&parts.method, &parts.uri, &body);
                let answer = Body::from(answer.to_string().into_bytes());
                Ok::<_, tower::BoxError>(Response::builder().status(status).body(answer).expect("a response"))
            }
        });
        Cluster::new(Client::new(service, "default"), Identity::of(self.agent))
    }

    /// Puts an object there, labelled as this workspace's.
    pub(crate) fn put(&self, path: &str, generation: i64) {
        let object = self.object(path, generation);
        self.objects.lock().expect("unbroken").insert(path.to_owned(), object);
    }

    /// As the API server holds it.
    pub(crate) fn object(&self, path: &str, generation: i64) -> Value {
        let mut metadata = self.metadata(path.rsplit('/').next().expect("a name"), generation);
        metadata["resourceVersion"] = json!("2");
        json!({ "metadata": metadata })
    }

    pub(crate) fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        change(self.objects.lock().expect("unbroken").get_mut(path).expect("it is there"));
    }

    /// Paths of successful writes, in order.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.writes.lock().expect("unbroken").clone()
    }

    pub(crate) fn labels(&self) -> Value {
        json!({ "berth.dev/agent-id": self.agent, "berth.dev/workspace-id": self.workspace })
    }

    fn metadata(&self, name: &str, generation: i64) -> Value {
        let annotations = json!({ "berth.dev/generation": generation.to_string() });
        json!({ "name": name, "labels": self.labels(), "annotations": annotations, "uid": format!("uid-{name}") })
    }

    fn answer(&self, method: &Method, uri: &Uri, body: &[u8]) -> (u16, Value) {
        let (path, query) = (uri.path(), uri.query());
        let mut objects = self.objects.lock().expect("unbroken");
        if let Some((code, message)) = (self.hook.lock().expect("unbroken"))(method, path, &mut objects) {
            return status(code, message);
        }
        let held = objects.get(path).cloned();
        match *method {
            // A list: of one object, by its name, or of nothing.
            Method::GET if path.ends_with('s') => {
                let named =
                    query.and_then(|query| query.split_once("metadata.name%3D")).map(|(_, rest)| rest);
                let name = named.map(|rest| rest.split('&').next().unwrap_or_default());
                let found = name.and_then(|name| objects.get(&format!("{path}/{name}")).cloned());
                (200, json!({ "metadata": {}, "items": found.into_iter().collect::<Vec<_>>() }))
            }
            Method::GET => held.map_or_else(|| status(404, "not found"), |object| (200, object)),
            Method::PATCH => {
                let mut object: Value = serde_json::from_slice(body).expect("JSON");
                let (given, live) = (&object["metadata"]["resourceVersion"], held.as_ref());
                let uid = &object["metadata"]["uid"];
                // As a real one does: where nothing is, a version is not looked at, but a uid is.
                let refused = match live.map(|held| &held["metadata"]) {
                    Some(live) => {
                        let other = !uid.is_null() && live["uid"] != *uid;
                        other || (!given.is_null() && live["resourceVersion"] != *given)
                    }
                    None => !uid.is_null(),
                };
                let live = live.map(|held| held["metadata"]["resourceVersion"].clone());
                if refused {
                    return status(409, "the object has been modified");
                }
                let version: u32 = live.and_then(|live| live.as_str()?.parse().ok()).unwrap_or(1);
                object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
                object["metadata"]["uid"] =
                    json!(format!("uid-{}", path.rsplit('/').next().unwrap_or_default()));
                objects.insert(path.to_owned(), object.clone());
                self.writes.lock().expect("unbroken").push(path.to_owned());
                (200, object)
            }
            _ => status(405, "not here"),
        }
    }

    /// What the agent prepares for a directive of this generation.
    pub(crate) fn prepared(&self, generation: i64) -> Action<Prepared> {
        self.prepared_for(self.directive(generation))
    }

    /// An apply that leaves the Secrets as they are.
    pub(crate) async fn without_variables(self: &Arc<Self>, generation: i64) -> Result<Outcome, Failure> {
        let action = self.prepared_for(WorkspaceDirective { variables: None, ..self.directive(generation) });
        let Prepared(Task::Apply(set)) = &action.stage else { panic!("not an apply") };
        apply::run(&self.cluster(), &action, set).await.map(|(outcome, _)| outcome)
    }

    fn prepared_for(&self, directive: WorkspaceDirective) -> Action<Prepared> {
        let mut agent = Agent::new(Identity::of(self.agent));
        let sealed = directive.variables.is_some();
        let response = ReconcileResponse { workspaces: vec![directive], ..ReconcileResponse::default() };
        let environment = BTreeMap::from([("A".to_owned(), SecretValue::new(b"hunter2".to_vec()))]);
        let bundle = VariableBundle { environment, files: BTreeMap::new() };
        let variables = sealed.then_some((self.workspace, bundle)).into_iter().collect();
        let mut plan = agent.respond(&[], response, variables, Instant::now(), &mut || 0.0);
        plan.actions.pop().unwrap_or_else(|| panic!("no action: {:?}", plan.skipped))
    }

    /// New credentials, and nothing else.
    pub(crate) async fn deliver(self: &Arc<Self>) -> Result<Outcome, Failure> {
        let action = self.prepared(1);
        let Prepared(Task::Apply(mut set)) = action.stage else { panic!("not an apply") };
        let [secret, _] = set.secrets.take().expect("variables were sent");
        apply::deliver(&self.cluster(), &self.prepared(1), &secret).await
    }

    fn directive(&self, generation: i64) -> WorkspaceDirective {
        let (agent, workspace) = (self.agent.to_string(), self.workspace.to_string());
        let set = fixtures::Set {
            agent: &agent,
            workspace: &workspace,
            name: "w",
            namespace: "berth-w-02020202",
            generation,
        };
        let mut objects = set.objects();
        // What each kind has in common is tried with a few of them.
        objects.retain(|object| !matches!(object["kind"].as_str(), Some("Service" | "ConfigMap")));
        let pod = &mut objects.last_mut().expect("a Deployment")["spec"]["template"]["spec"];
        pod["volumes"].as_array_mut().expect("volumes").retain(|volume| volume.get("configMap").is_none());
        WorkspaceDirective {
            workspace_id: self.workspace,
            name: WorkspaceName::new("w").expect("a name"),
            namespace: NamespaceName::new("berth-w-02020202").expect("a name"),
            action: Wish::Create,
            desired_state: DesiredState::Running,
            actual_state: ActualState::Unknown,
            deployment_resource_version: None,
            generation: Generation::of(generation),
            config_to_apply: Some(objects),
            variables: Some(SealedBundle { position: 0, ciphertext: vec![] }),
            credentials: None,
        }
    }
}

fn status(code: u16, message: &str) -> (u16, Value) {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        _ => "Forbidden",
    };
    let kind = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure" });
    let mut answer = kind;
    answer["code"] = json!(code);
    answer["message"] = json!(message);
    answer["reason"] = json!(reason);
    (code, answer)
}
