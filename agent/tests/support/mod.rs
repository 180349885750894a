//! An API server of a few lines, for what a real one does too rarely to be waited for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use berth_agent::cluster::Cluster;
use berth_agent_core::{Action, Agent, Identity, Prepared};
use berth_schema::reconcile::{Action as Wish, ReconcileResponse, WorkspaceDirective};
use berth_schema::sealing::SealedBundle;
use berth_schema::variables::{SecretValue, VariableBundle};
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, WorkspaceId, WorkspaceName,
};
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

pub(crate) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/berth-w/deployments/w";
pub(crate) const NAMESPACE: &str = "/api/v1/namespaces/berth-w";
pub(crate) const CLAIM: &str = "/api/v1/namespaces/berth-w/persistentvolumeclaims/w-data";
pub(crate) const SECRET: &str = "/api/v1/namespaces/berth-w/secrets/w-env";

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
            workspace: WorkspaceId::random(),
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
                let (status, answer) = world.answer(&parts.method, parts.uri.path(), &body);
                let answer = Body::from(answer.to_string().into_bytes());
                Ok::<_, tower::BoxError>(Response::builder().status(status).body(answer).expect("a response"))
            }
        });
        Cluster { client: Client::new(service, "default"), agent: self.agent }
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

    fn answer(&self, method: &Method, path: &str, body: &[u8]) -> (u16, Value) {
        let mut objects = self.objects.lock().expect("unbroken");
        if let Some((code, message)) = (self.hook.lock().expect("unbroken"))(method, path, &mut objects) {
            return status(code, message);
        }
        let held = objects.get(path).cloned();
        match *method {
            Method::GET if path.ends_with('s') => (200, json!({ "metadata": {}, "items": [] })),
            Method::GET => held.map_or_else(|| status(404, "not found"), |object| (200, object)),
            Method::PATCH => {
                let mut object: Value = serde_json::from_slice(body).expect("JSON");
                let (given, live) = (&object["metadata"]["resourceVersion"], held.as_ref());
                let live = live.map(|held| held["metadata"]["resourceVersion"].clone());
                // As a real one does: where nothing is, a version is not looked at, but a uid is.
                let refused = match &live {
                    Some(live) => !given.is_null() && live != given,
                    None => !object["metadata"]["uid"].is_null(),
                };
                if refused {
                    return status(409, "the object has been modified");
                }
                let version: u32 = live.and_then(|live| live.as_str()?.parse().ok()).unwrap_or(1);
                object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
                objects.insert(path.to_owned(), object.clone());
                self.writes.lock().expect("unbroken").push(path.to_owned());
                (200, object)
            }
            _ => status(405, "not here"),
        }
    }

    /// What the agent prepares for a directive of this generation.
    pub(crate) fn prepared(&self, generation: i64) -> Action<Prepared> {
        let mut agent = Agent::new(Identity {
            agent: self.agent,
            namespace: "berth-agent".to_owned(),
            proxy_namespace: "berth-proxy".to_owned(),
            shared_namespace: None,
        });
        let response = ReconcileResponse {
            workspaces: vec![self.directive(generation)],
            ..ReconcileResponse::default()
        };
        let environment = BTreeMap::from([("A".to_owned(), SecretValue::new(b"hunter2".to_vec()))]);
        let bundle = VariableBundle { environment, files: BTreeMap::new() };
        let variables = [(self.workspace, bundle)].into_iter().collect();
        let mut plan = agent.respond(&[], response, variables, Instant::now(), &mut || 0.0);
        plan.actions.pop().unwrap_or_else(|| panic!("no action: {:?}", plan.skipped))
    }

    fn directive(&self, generation: i64) -> WorkspaceDirective {
        let object = |api_version: &str, kind: &str, name: &str| {
            let mut metadata = self.metadata(name, generation);
            metadata["namespace"] = json!("berth-w");
            metadata.as_object_mut().expect("an object").remove("uid");
            json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata })
        };
        let mut namespace = object("v1", "Namespace", "berth-w");
        namespace["metadata"].as_object_mut().expect("an object").remove("namespace");
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!("restricted");
        let mut deployment = object("apps/v1", "Deployment", "w");
        deployment["spec"]["template"]["metadata"]["labels"] = self.labels();
        WorkspaceDirective {
            workspace_id: self.workspace,
            name: WorkspaceName::new("w").expect("a name"),
            namespace: NamespaceName::new("berth-w").expect("a name"),
            action: Wish::Create,
            desired_state: DesiredState::Running,
            actual_state: ActualState::Unknown,
            deployment_resource_version: None,
            generation: Generation(generation),
            config_to_apply: Some(vec![
                namespace,
                object("v1", "PersistentVolumeClaim", "w-data"),
                deployment,
            ]),
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
