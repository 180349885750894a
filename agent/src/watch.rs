//! Watches: they feed the index and poke "something changed". Of a Secret only the metadata is ever asked for.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use berth_agent_core::{Kind, ListVerdict, ObjectKey, Observed, Unusable, Watched};
use berth_schema::kubernetes::AGENT_ID;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{
    ConfigMap, Namespace, PersistentVolumeClaim, Pod, ResourceQuota, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::failure::words;
use crate::metrics::Kind as Label;
use crate::nodes;
use crate::seen::Seen;
use crate::shared::Shared;

/// How long a watch runs before it is resumed. A connection that is silently dead is noticed within that time.
const WATCH_SECONDS: u32 = 60;
/// Objects per page of a list: bounds what a list takes in memory.
const PAGE: u32 = 25;
/// How long after a list that nobody believed the cluster is looked at again.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// Starts all watches. None of them ends by itself: one that does is a fault.
pub fn start(cluster: &Cluster, shared: &Arc<Shared>, tasks: &mut JoinSet<anyhow::Result<()>>) {
    let watching = Watching::new(cluster, shared);
    let of = |kind| watching(Watched::Applied(kind));
    let client = || cluster.client.clone();
    let deployments = Api::<Seen<Deployment>>::all(client());
    tasks.spawn(of(Kind::Deployment).run(deployments, |seen| Observed::deployment(&seen.0)));
    let pods = Api::<Seen<Pod>>::all(client());
    tasks.spawn(watching(Watched::Pod).run(pods, |seen| Observed::pod(&seen.0)));
    tasks.spawn(of(Kind::Namespace).run_metadata::<Namespace>(client()));
    tasks.spawn(of(Kind::ServiceAccount).run_metadata::<ServiceAccount>(client()));
    tasks.spawn(of(Kind::ResourceQuota).run_metadata::<ResourceQuota>(client()));
    tasks.spawn(of(Kind::NetworkPolicy).run_metadata::<NetworkPolicy>(client()));
    tasks.spawn(of(Kind::ConfigMap).run_metadata::<ConfigMap>(client()));
    tasks.spawn(of(Kind::Secret).run_metadata::<Secret>(client()));
    tasks.spawn(of(Kind::PersistentVolumeClaim).run_metadata::<PersistentVolumeClaim>(client()));
    tasks.spawn(of(Kind::Service).run_metadata::<Service>(client()));
    tasks.spawn(nodes::watch(cluster.clone(), Arc::clone(shared)));
}

/// One kind being watched.
struct Watching {
    watched: Watched,
    labels: String,
    shared: Arc<Shared>,
}

impl Watching {
    fn new(cluster: &Cluster, shared: &Arc<Shared>) -> impl Fn(Watched) -> Self {
        let labels = format!("{AGENT_ID}={}", cluster.agent);
        let shared = Arc::clone(shared);
        move |watched| Self { watched, labels: labels.clone(), shared: Arc::clone(&shared) }
    }

    async fn run_metadata<K>(self, client: kube::Client) -> anyhow::Result<()>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    {
        let watched = self.watched;
        let api = Api::<Seen<PartialObjectMeta<K>>>::all(client);
        self.run(api, move |seen| Observed::metadata(watched, seen.meta())).await
    }

    async fn run<K>(
        self,
        api: Api<K>,
        observe: impl Fn(&K) -> Result<Observed, Unusable> + Send,
    ) -> anyhow::Result<()>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let config = watcher::Config::default().labels(&self.labels).timeout(WATCH_SECONDS).page_size(PAGE);
        loop {
            let events = watcher(api.clone(), config.clone()).default_backoff();
            self.follow(events.boxed(), &observe).await?;
            // A new watcher lists everything anew and goes on from there: what the objects have become since the list that is
            // doubted is in nothing else.
            self.shared.metrics.doubts.get_or_create(&self.kind()).inc();
            tracing::warn!(
                kind = self.watched.as_str(),
                "a list lacks too many objects at once, looking again"
            );
            tokio::time::sleep(SECOND_LOOK).await;
        }
    }

    /// Returns when a list has to be doubted.
    async fn follow<K: Resource>(
        &self,
        mut events: BoxStream<'_, watcher::Result<Event<K>>>,
        observe: &impl Fn(&K) -> Result<Observed, Unusable>,
    ) -> anyhow::Result<()> {
        loop {
            match events.try_next().await {
                Ok(Some(event)) => {
                    if self.take(event, observe) {
                        return Ok(());
                    }
                }
                Ok(None) => bail!("the watch of {} ended", self.watched.as_str()),
                Err(error) => {
                    self.shared.metrics.watch_errors.get_or_create(&self.kind()).inc();
                    tracing::warn!(kind = self.watched.as_str(), error = %chain(&error), "watch broke, resuming");
                }
            }
        }
    }

    /// Tells whether a list has to be doubted.
    fn take<K: Resource>(
        &self,
        event: Event<K>,
        observe: &impl Fn(&K) -> Result<Observed, Unusable>,
    ) -> bool {
        self.shared.metrics.watch_events.get_or_create(&self.kind()).inc();
        let mut agent = self.shared.agent();
        let index = agent.index_mut();
        let mut doubted = false;
        let changed = match event {
            Event::Apply(object) | Event::InitApply(object) => match observe(&object) {
                Ok(observed) => index.apply(observed),
                Err(unusable) => {
                    self.ignore(&object, unusable);
                    let key = ObjectKey::new(self.watched, object.meta());
                    key.is_some_and(|key| index.delete(&key))
                }
            },
            Event::Delete(object) => {
                let key = ObjectKey::new(self.watched, object.meta());
                key.is_some_and(|key| index.delete(&key))
            }
            Event::Init => {
                index.begin_list(self.watched);
                false
            }
            Event::InitDone => {
                let verdict = index.end_list(self.watched);
                doubted = matches!(verdict, ListVerdict::Doubted { .. });
                tracing::debug!(kind = self.watched.as_str(), ?verdict, "listed");
                true
            }
        };
        if changed {
            let objects = i64::try_from(index.count(self.watched)).unwrap_or(i64::MAX);
            self.shared.metrics.objects.get_or_create(&self.kind()).set(objects);
            self.shared.changed.notify_one();
        }
        doubted
    }

    fn ignore<K: Resource>(&self, object: &K, unusable: Unusable) {
        let name = object.meta().name.as_deref().unwrap_or_default();
        tracing::warn!(kind = self.watched.as_str(), name, reason = %unusable, "ignored an object with the agent's label");
    }

    const fn kind(&self) -> Label {
        Label { kind: self.watched.as_str() }
    }
}

fn chain(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(source)
        | watcher::Error::WatchStartFailed(source)
        | watcher::Error::WatchFailed(source) => words(source),
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}
