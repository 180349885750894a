//! The API server: what a request does, how long it takes, and what may become of it on the way.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use berth_agent_core::{Kind, Watched};
use berth_schema::{AgentId, WorkspaceId};
use futures::channel::oneshot;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::changes::Changes;
use super::controllers;
use super::objects::{Key, Object, Sort};
use super::state::State;
use super::write::{self, Applying};
use super::{ApiError, ClusterApi, Listing, Watch, WatchEnd};
use crate::environment::Env;
use crate::faults::Trap;
use crate::runtime::Owner;

/// A simulated cluster. Clones are the same cluster.
#[derive(Clone, Debug)]
pub struct SimulatedCluster {
    pub(super) env: Env,
    pub(super) state: Rc<RefCell<State>>,
    pub(super) changes: Rc<Changes>,
}

/// One agent's access to it.
#[derive(Clone, Debug)]
pub struct AgentAccess {
    pub cluster: SimulatedCluster,
    pub agent: AgentId,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writes {
    Nothing,
    Something,
    /// The write that everything else is for.
    Deployment,
}

impl SimulatedCluster {
    /// An empty cluster whose controllers run.
    pub fn start(env: &Env) -> Self {
        let cluster = Self { env: Rc::clone(env), state: Rc::default(), changes: Rc::default() };
        env.runtime.spawn(Owner::WORLD, cluster.clone().control());
        cluster
    }

    /// Grows with every change of an object.
    pub fn writes(&self) -> u64 {
        self.state.borrow().writes
    }

    /// Whether no controller has anything to do.
    pub fn is_at_rest(&self) -> bool {
        controllers::possible(&self.state.borrow()).is_empty()
    }

    /// Looks at everything as it is now.
    pub fn objects(&self, mut look: impl FnMut(&Object)) {
        for object in self.state.borrow().objects.values() {
            look(object);
        }
    }

    /// Changes the state at once and lets everybody know.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.borrow_mut();
        let before = (state.writes, state.breaks);
        let result = change(&mut state);
        let (written, broken) = (state.writes > before.0, state.breaks > before.1);
        let kinds = std::mem::take(&mut state.touched);
        drop(state);
        if broken {
            self.changes.tell_all();
        } else if written {
            self.changes.tell(&kinds);
        }
        result
    }

    /// The controllers and the kubelet: one possible step after another, in any order.
    async fn control(self) {
        let env = Rc::clone(&self.env);
        loop {
            let changed = Rc::clone(&self.changes.any);
            let mut woken = std::pin::pin!(changed.notified());
            woken.as_mut().enable();
            let slow = env.faults.spring(Trap::ControllerSlow, &env.trace);
            let pause = if slow { env.long(2_000..=12_000) } else { env.dice.millis(2..=120) };
            env.runtime.sleep(pause).await;
            let mut steps = controllers::possible(&self.state.borrow());
            if steps.is_empty() {
                woken.await;
                continue;
            }
            let step = steps.swap_remove(env.dice.below(steps.len()));
            env.trace.say("cluster", || format!("{step:?}"));
            self.with(|state| controllers::take(state, step, &env));
        }
    }
}

impl AgentAccess {
    /// The version of the last change that a watch of that kind shows.
    pub fn newest(&self, watched: Watched) -> u64 {
        let state = self.cluster.state.borrow();
        let mut changes = state.history.get(&watched).into_iter().flatten().rev();
        changes.find(|change| change.object.is_of_agent(self.agent)).map_or(0, |change| change.version)
    }

    /// A request. What it does, it does even if nobody waits for the answer any more.
    async fn request<T: 'static>(
        &self,
        writes: Writes,
        what: impl FnOnce(&mut State) -> Result<T, ApiError> + 'static,
    ) -> Result<T, ApiError> {
        let (sender, receiver) = oneshot::channel();
        let (env, cluster) = (Rc::clone(&self.cluster.env), self.cluster.clone());
        self.cluster.env.runtime.spawn(Owner::WORLD, async move {
            let slow = (writes != Writes::Nothing && env.faults.spring(Trap::ApiSlow, &env.trace))
                || (writes == Writes::Deployment && env.faults.spring(Trap::DeploymentSlow, &env.trace));
            let way = if slow { env.long(500..=30_000) } else { env.dice.micros(200..=6_000) };
            env.runtime.sleep(way).await;
            if env.faults.spring(Trap::ApiFails, &env.trace) {
                let _ = sender.send(Err(ApiError::new(500, "etcd has no leader")));
                return;
            }
            let result = cluster.with(what);
            env.runtime.sleep(env.dice.micros(200..=4_000)).await;
            let lost = writes != Writes::Nothing && env.faults.spring(Trap::ApiUnknown, &env.trace);
            // Nobody may be waiting any more.
            let _ = sender.send(if lost { Err(ApiError::no_answer()) } else { result });
        });
        receiver.await.unwrap_or_else(|_| Err(ApiError::no_answer()))
    }

    async fn write(&self, kind: Kind, object: Value, only_new: bool) -> Result<ObjectMeta, ApiError> {
        let is_deployment = kind == Kind::Deployment;
        let conditional = object["metadata"].get("resourceVersion").is_some();
        if conditional && self.refuses(Trap::ApiConflict) {
            return Err(ApiError::new(409, "the object has been modified"));
        }
        let refused = is_deployment && self.refuses(Trap::ApiRefuses);
        let env = Rc::clone(&self.cluster.env);
        let applying = Applying { kind, object, refused, only_new };
        let writes = if is_deployment { Writes::Deployment } else { Writes::Something };
        self.request(writes, move |state| write::apply(state, applying, &env)).await
    }

    fn refuses(&self, trap: Trap) -> bool {
        self.cluster.env.faults.spring(trap, &self.cluster.env.trace)
    }
}

impl ClusterApi for AgentAccess {
    type Watch = Watch;

    async fn metadata(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ObjectMeta>, ApiError> {
        let key = Key::new(kind, namespace, name);
        self.request(Writes::Nothing, move |state| {
            Ok(state.get(&key).map(|object| object.metadata().clone()))
        })
        .await
    }

    async fn deployment(&self, namespace: &str, name: &str) -> Result<Option<Deployment>, ApiError> {
        let key = Key::new(Kind::Deployment, namespace, name);
        let found = self.request(Writes::Nothing, move |state| {
            Ok(match state.get(&key) {
                Some(Object::Deployment(live)) => Some(live.object.clone()),
                _ => None,
            })
        });
        found.await
    }

    async fn inventory(
        &self,
        kind: Kind,
        namespace: &str,
        workspace: WorkspaceId,
    ) -> Result<Vec<ObjectMeta>, ApiError> {
        let (namespace, agent) = (namespace.to_owned(), self.agent);
        let found = self.request(Writes::Nothing, move |state| {
            let all = state.within(&namespace).filter(|(key, object)| {
                key.kind == Sort::Applied(kind)
                    && object.workspace() == Some(workspace)
                    && object.is_of_agent(agent)
            });
            Ok(all.map(|(_, object)| object.metadata().clone()).collect())
        });
        found.await
    }

    async fn apply(&self, kind: Kind, object: Value) -> Result<ObjectMeta, ApiError> {
        self.write(kind, object, false).await
    }

    async fn create(&self, kind: Kind, object: Value) -> Result<(), ApiError> {
        self.write(kind, object, true).await.map(drop)
    }

    async fn delete(&self, kind: Kind, metadata: &ObjectMeta) -> Result<(), ApiError> {
        let name = metadata.name.clone().unwrap_or_default();
        let key = Key::new(kind, metadata.namespace.as_deref().unwrap_or_default(), &name);
        let uid = metadata.uid.clone();
        let env = Rc::clone(&self.cluster.env);
        self.request(Writes::Something, move |state| {
            write::delete(state, &key, uid.as_ref(), &env);
            Ok(())
        })
        .await
    }

    async fn volumes_left(&self, namespace: &str) -> Result<bool, ApiError> {
        let namespace = namespace.to_owned();
        self.request(Writes::Nothing, move |state| Ok(state.volumes.contains_key(&namespace))).await
    }

    async fn lease(&self) -> Result<Option<Lease>, ApiError> {
        let agent = self.agent;
        self.request(Writes::Nothing, move |state| Ok(state.leases.get(&agent).cloned())).await
    }

    async fn write_lease(&self, lease: Lease) -> Result<(), ApiError> {
        let agent = self.agent;
        self.request(Writes::Something, move |state| write::lease(state, agent, lease)).await
    }

    async fn list(&self, watched: Watched, relist: bool) -> Result<Listing, ApiError> {
        let empty = relist && self.refuses(Trap::ListEmpty);
        let stale = relist && !empty && self.refuses(Trap::ListStale);
        let behind = if stale { self.cluster.env.dice.within(1..=60) } else { 0 };
        let agent = self.agent;
        let listing = self.request(Writes::Nothing, move |state| {
            let version = state.version.saturating_sub(behind);
            let mut objects = if empty { vec![] } else { state.at(watched, version) };
            objects.retain(|object| object.is_of_agent(agent));
            Ok(Listing { version, objects })
        });
        listing.await
    }

    async fn watch(&self, watched: Watched, after: u64) -> Result<Watch, WatchEnd> {
        let env = &self.cluster.env;
        env.runtime.sleep(env.dice.micros(200..=6_000) + Duration::from_millis(1)).await;
        let (state, changed) = (Rc::clone(&self.cluster.state), self.cluster.changes.of(watched));
        Watch::open(Rc::clone(env), state, changed, self.agent, watched, after)
    }
}
