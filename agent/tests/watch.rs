//! What the index makes of lists and watches, with an API server whose lists can be wrong.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use berth_agent::cluster::Cluster;
use berth_agent::shared::Shared;
use berth_agent::watch;
use berth_agent_core::{Identity, Kind, Watched};
use berth_schema::kubernetes::{GENERATION, WORKSPACE_ID, WORKSPACE_NAME};
use berth_schema::{AgentId, Generation};
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::service_fn;

const WORKSPACES: usize = 10;
const DEPLOYMENTS: Watched = Watched::Applied(Kind::Deployment);

/// An API server that has nothing but Deployments.
struct World {
    /// The next lists of Deployments: version and objects. The last is repeated.
    lists: Mutex<VecDeque<(&'static str, Vec<Value>)>>,
    /// The versions from which Deployments were watched, and what `Accept` of each request for Secrets said.
    watched_from: Mutex<Vec<String>>,
    secrets_accepted: Mutex<Vec<String>>,
}

impl World {
    fn answer(&self, request: &Request<Body>) -> (u16, Vec<u8>) {
        let query = request.uri().query().unwrap_or_default();
        let path = request.uri().path();
        if path.ends_with("/secrets") {
            let accept = request.headers()["accept"].to_str().expect("text");
            self.secrets_accepted.lock().expect("unbroken").push(accept.to_owned());
        }
        let deployments = path.ends_with("/deployments");
        if query.contains("watch=") {
            return self.watch(deployments, query);
        }
        let (version, items) = if deployments { self.list() } else { ("1", vec![]) };
        (200, json!({ "metadata": { "resourceVersion": version }, "items": items }).to_string().into_bytes())
    }

    fn list(&self) -> (&'static str, Vec<Value>) {
        let mut lists = self.lists.lock().expect("unbroken");
        let next = lists.front().cloned().expect("a list");
        if lists.len() > 1 {
            lists.pop_front();
        }
        next
    }

    /// The first watch finds its version too old, so that everything is listed anew; the others end without an event.
    fn watch(&self, deployments: bool, query: &str) -> (u16, Vec<u8>) {
        let version = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="));
        if deployments {
            let mut watched_from = self.watched_from.lock().expect("unbroken");
            watched_from.push(version.expect("a version").to_owned());
            if watched_from.len() == 1 {
                let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                    "code": 410, "reason": "Expired", "message": "too old resource version" });
                let event = json!({ "type": "ERROR", "object": status });
                return (200, format!("{event}\n").into_bytes());
            }
        }
        (200, vec![])
    }
}

fn deployments(generation: i64) -> Vec<Value> {
    let deployment = |number| {
        let id = uuid::Uuid::from_bytes([number; 16]);
        json!({
            "metadata": {
                "name": format!("w{number}"), "namespace": format!("berth-w{number}"),
                "resourceVersion": generation.to_string(),
                "labels": { WORKSPACE_ID: id, WORKSPACE_NAME: format!("w{number}") },
                "annotations": { GENERATION: generation.to_string() },
            },
            "spec": { "replicas": 1, "selector": {}, "template": {} },
        })
    };
    (1..=u8::try_from(WORKSPACES).expect("few")).map(deployment).collect()
}

fn start(world: &Arc<World>) -> (Arc<Shared>, JoinSet<anyhow::Result<()>>) {
    let served = Arc::clone(world);
    let service = service_fn(move |request: Request<Body>| {
        let (status, body) = served.answer(&request);
        async move {
            // As long as a watch without events lasts.
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, tower::BoxError>(
                Response::builder().status(status).body(Body::from(body)).expect("a response"),
            )
        }
    });
    let agent = AgentId::random();
    let identity = Identity::of(agent);
    let cluster = Cluster::new(Client::new(service, "default"), identity.clone());
    let shared = Arc::new(Shared::new(identity));
    let mut tasks = JoinSet::new();
    watch::start(&cluster, &shared, &mut tasks);
    (shared, tasks)
}

fn world(lists: Vec<(&'static str, Vec<Value>)>) -> Arc<World> {
    let (watched_from, secrets_accepted) = (Mutex::default(), Mutex::default());
    Arc::new(World { lists: Mutex::new(lists.into()), watched_from, secrets_accepted })
}

/// The watcher backs off for a second or two, and the second look takes its time.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn generations(shared: &Shared) -> Vec<Option<Generation>> {
    shared.agent().full().flat_map(|(_, infos)| infos).map(|info| info.applied_generation).collect()
}

#[tokio::test]
async fn after_a_list_that_is_doubted_the_second_one_says_what_the_objects_are_and_the_watch_goes_on_from_there()
 {
    let lists = vec![("10", deployments(1)), ("20", vec![]), ("30", deployments(2))];
    let world = world(lists);
    let (shared, _tasks) = start(&world);
    until("the first list", || generations(&shared) == [Some(Generation::of(1)); WORKSPACES]).await;
    until("doubts", || shared.agent().index().has_doubts(DEPLOYMENTS)).await;
    assert_eq!(generations(&shared), [Some(Generation::of(1)); WORKSPACES]);
    until("the second list", || generations(&shared) == [Some(Generation::of(2)); WORKSPACES]).await;
    assert!(!shared.agent().index().has_doubts(DEPLOYMENTS));
    let watches = || world.watched_from.lock().expect("unbroken").len();
    until("a second watch", || watches() > 1).await;
    let watched_from = world.watched_from.lock().expect("unbroken").clone();
    assert_eq!(watched_from[..2], ["10", "30"], "the doubted list is nothing to go on from");
}

#[tokio::test]
async fn what_two_lists_lack_is_gone() {
    let world = world(vec![("10", deployments(1)), ("20", vec![]), ("30", vec![])]);
    let (shared, _tasks) = start(&world);
    let count = || shared.agent().index().count(DEPLOYMENTS);
    until("the first list", || count() == WORKSPACES).await;
    until("doubts", || shared.agent().index().has_doubts(DEPLOYMENTS)).await;
    assert_eq!(count(), WORKSPACES);
    until("the second list", || count() == 0).await;
}

#[tokio::test]
async fn of_secrets_only_the_metadata_is_asked_for() {
    let world = world(vec![("10", vec![])]);
    let (_shared, _tasks) = start(&world);
    let accepted = || world.secrets_accepted.lock().expect("unbroken").clone();
    until("a list and a watch", || accepted().len() > 1).await;
    let accepted = accepted();
    assert!(accepted.iter().all(|accept| accept.contains("as=PartialObjectMetadata")), "{accepted:?}");
}
