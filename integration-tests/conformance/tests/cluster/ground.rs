//! Where a case runs: two agents' access to a cluster, a namespace in it, and what others do there.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use berth_agent_core::Kind;
use berth_conformance::kubernetes::{Hands, RealAccess};
use berth_harness::{Cluster, shared_control_plane};
use berth_schema::kubernetes::{AGENT_ID, GENERATION, WORKSPACE_ID};
use berth_schema::{AgentId, WorkspaceId};
use berth_simulation::cluster::{AgentAccess, ApiError, ClusterApi, SimulatedCluster};
use berth_simulation::environment::Env;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::RwLock;
use uuid::Uuid;

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId::from_uuid(Uuid::from_u128(0x33));

pub(crate) trait Ground {
    type Api: ClusterApi;

    fn agent(&self) -> AgentId;
    fn api(&self) -> &Self::Api;
    /// Another agent's access to the same cluster.
    fn other(&self) -> (AgentId, &Self::Api);
    /// A namespace that is there and holds nothing.
    fn namespace(&self) -> &str;
    /// Until the controllers have nothing more to do with the namespace's Deployments.
    fn settle(&self) -> impl Future<Output = ()>;
    fn pause(&self) -> impl Future<Output = ()>;
    /// Somebody else sets a label, an annotation or the finalizers; `None` removes it.
    fn edit(&self, kind: Kind, name: &str, edit: Edit) -> impl Future<Output = ()>;
    fn scale(&self, name: &str) -> impl Future<Output = ()>;
    /// All watches end, and older versions are forgotten.
    fn forget(&self) -> impl Future<Output = ()>;
}

#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Label(&'static str, Option<String>),
    Annotation(&'static str, Option<String>),
    Finalizers(Vec<String>),
}

pub(crate) struct Simulated {
    env: Env,
    agents: [AgentAccess; 2],
}

impl Simulated {
    pub(crate) async fn new(env: &Env) -> Self {
        let cluster = SimulatedCluster::start(env);
        let access = |number| AgentAccess { cluster: cluster.clone(), agent: agent(number) };
        let ground = Self { env: Env::clone(env), agents: [access(1), access(2)] };
        ground.api().apply(Kind::Namespace, namespace(ground.agent(), "home")).await.expect("a namespace");
        ground
    }
}

impl Ground for Simulated {
    type Api = AgentAccess;

    fn agent(&self) -> AgentId {
        self.agents[0].agent
    }

    fn api(&self) -> &AgentAccess {
        &self.agents[0]
    }

    fn other(&self) -> (AgentId, &AgentAccess) {
        (self.agents[1].agent, &self.agents[1])
    }

    fn namespace(&self) -> &'static str {
        "home"
    }

    async fn settle(&self) {
        self.pause().await;
        while !self.agents[0].cluster.is_at_rest() {
            self.pause().await;
        }
    }

    async fn pause(&self) {
        self.env.runtime.sleep(Duration::from_millis(500)).await;
    }

    async fn edit(&self, kind: Kind, name: &str, edit: Edit) {
        let set = |fields: &mut Option<std::collections::BTreeMap<String, String>>, key: &str, value| {
            let fields = fields.get_or_insert_default();
            match value {
                Some(value) => fields.insert(key.to_owned(), value),
                None => fields.remove(key),
            };
        };
        self.agents[0].cluster.edit(kind, self.namespace(), name, |metadata| match edit {
            Edit::Label(key, value) => set(&mut metadata.labels, key, value),
            Edit::Annotation(key, value) => set(&mut metadata.annotations, key, value),
            Edit::Finalizers(all) => metadata.finalizers = (!all.is_empty()).then_some(all),
        });
    }

    async fn scale(&self, _: &str) {
        self.agents[0].cluster.scale(WORKSPACE);
    }

    async fn forget(&self) {
        self.agents[0].cluster.end_watches(true);
    }
}

/// One control plane for all cases. Whoever restarts its API server waits until the others have ended.
struct Shared {
    runtime: Runtime,
    calm: RwLock<()>,
}

static SHARED: std::sync::LazyLock<Shared> = std::sync::LazyLock::new(|| Shared {
    runtime: Runtime::new().expect("a runtime"),
    calm: RwLock::const_new(()),
});

static NEXT: AtomicU64 = AtomicU64::new(1);

pub(crate) struct Real {
    agents: [RealAccess; 2],
    hands: Hands,
    namespace: String,
    cluster: &'static Cluster,
}

/// Runs a case on the real API server while nobody restarts it.
pub(crate) fn real(case: impl AsyncFnOnce(&Real)) {
    SHARED.runtime.block_on(async {
        let _calm = SHARED.calm.read().await;
        case(&Real::new().await).await;
    });
}

/// Runs a case that restarts the API server.
pub(crate) fn real_alone(case: impl AsyncFnOnce(&Real)) {
    SHARED.runtime.block_on(async {
        let _alone = SHARED.calm.write().await;
        case(&Real::new().await).await;
    });
}

impl Real {
    pub(crate) async fn new() -> Self {
        let cluster = shared_control_plane().await.expect("a control plane");
        let client = cluster.client().await.expect("a client");
        let access = || RealAccess {
            client: client.clone(),
            agent: AgentId::random(),
            home: "default".to_owned(),
            watch_seconds: 60,
        };
        let name = format!("case-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (agents, hands) = ([access(), access()], Hands(client.clone()));
        agents[0].apply(Kind::Namespace, namespace(agents[0].agent, &name)).await.expect("a namespace");
        Self { agents, hands, namespace: name, cluster }
    }

    /// The same with watches that end soon.
    pub(crate) fn with_short_watches(mut self) -> Self {
        self.agents[0].watch_seconds = 4;
        self
    }
}

impl Ground for Real {
    type Api = RealAccess;

    fn agent(&self) -> AgentId {
        self.agents[0].agent
    }

    fn api(&self) -> &RealAccess {
        &self.agents[0]
    }

    fn other(&self) -> (AgentId, &RealAccess) {
        (self.agents[1].agent, &self.agents[1])
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    async fn settle(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut before = None;
        loop {
            let found = self.api().deployment(&self.namespace, "d").await.expect("it can be read");
            let settled = found.as_ref().is_none_or(|found| {
                let status = found.status.as_ref();
                status.and_then(|status| status.observed_generation) == found.metadata.generation
                    && status.and_then(|status| status.conditions.as_ref()).is_some_and(|all| all.len() > 1)
            });
            let now = Some(found.map(|found| found.metadata.resource_version));
            if settled && now == before {
                return;
            }
            assert!(Instant::now() < deadline, "the Deployment does not settle");
            before = now;
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    async fn edit(&self, kind: Kind, name: &str, edit: Edit) {
        let metadata = match edit {
            Edit::Label(key, value) => json!({ "labels": { key: value } }),
            Edit::Annotation(key, value) => json!({ "annotations": { key: value } }),
            Edit::Finalizers(all) => json!({ "finalizers": all }),
        };
        let patch = json!({ "metadata": metadata });
        match self.hands.edit(kind, &self.namespace, name, &patch).await {
            Ok(()) | Err(ApiError { code: Some(404), .. }) => {}
            Err(error) => panic!("cannot edit {name}: {error}"),
        }
    }

    async fn scale(&self, name: &str) {
        let found = self.api().deployment(&self.namespace, name).await.expect("it can be read");
        if let Some(spec) = found.and_then(|found| found.spec) {
            let replicas = 1 - spec.replicas.unwrap_or_default().clamp(0, 1);
            self.hands.scale(&self.namespace, name, replicas).await.expect("it can be scaled");
        }
    }

    async fn forget(&self) {
        // What the API server remembers of older versions is in its memory.
        self.cluster.kill("kube-apiserver").await.expect("it can be killed");
        for _ in 0..5 {
            self.cluster.start_component("kube-apiserver").await.expect("it can be started");
            // Its port is one of the host's: somebody may have it for a moment.
            if self.cluster.wait_for_api().await.is_ok() {
                return;
            }
        }
        let log = std::fs::read_to_string(self.cluster.dir().join("log/kube-apiserver.log"));
        let log = log.unwrap_or_default();
        panic!("the API server does not come back: {}", &log[log.len().saturating_sub(2000)..]);
    }
}

fn agent(number: u128) -> AgentId {
    AgentId::from_uuid(Uuid::from_u128(number))
}

fn metadata(agent: AgentId, name: &str) -> Value {
    json!({
        "name": name,
        "labels": { AGENT_ID: agent, WORKSPACE_ID: WORKSPACE },
        "annotations": { GENERATION: "1" },
    })
}

pub(crate) fn namespace(agent: AgentId, name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata(agent, name) })
}

/// An object of the ground's first agent.
pub(crate) fn object<G: Ground>(ground: &G, kind: Kind, name: &str) -> Value {
    let mut metadata = metadata(ground.agent(), name);
    metadata["namespace"] = ground.namespace().into();
    let mut object = json!({ "apiVersion": kind.api_version(), "kind": kind.as_str(), "metadata": metadata });
    match kind {
        Kind::Secret => object["data"] = json!({ "key": "dmFsdWU=" }),
        Kind::PersistentVolumeClaim => {
            object["spec"] = json!({
                "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "1Mi" } },
            });
        }
        Kind::Deployment => {
            let container = json!({ "name": "main", "image": "registry.example/image:1" });
            object["spec"] = json!({
                "replicas": 0,
                "selector": { "matchLabels": { "app": name } },
                "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [container] } },
            });
        }
        _ => {}
    }
    object
}

pub(crate) async fn look<G: Ground>(ground: &G, kind: Kind, name: &str) -> Option<ObjectMeta> {
    let namespace = if kind == Kind::Namespace { "" } else { ground.namespace() };
    ground.api().metadata(kind, namespace, name).await.expect("it can be read")
}

/// The metadata of what has to be there.
pub(crate) async fn there<G: Ground>(ground: &G, kind: Kind, name: &str) -> ObjectMeta {
    look(ground, kind, name).await.unwrap_or_else(|| panic!("{kind:?} {name} is not there"))
}

pub(crate) fn version(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).expect("a version")
}

pub(crate) fn label<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.labels.as_ref()?.get(name).map(String::as_str)
}

pub(crate) fn annotation<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

pub(crate) fn code<T>(result: Result<T, ApiError>) -> Result<(), u16> {
    result.map(drop).map_err(|error| error.code.expect("an answer"))
}
