//! Watches: they feed the index and poke "something changed". Of a Secret only the metadata is ever asked for.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use berth_agent_core::{ListVerdict, ObjectKey, Observed, Unusable, Watched};
use berth_schema::kubernetes::AGENT_ID;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, Secret};
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::failure::words;
use crate::metrics::Kind;
use crate::shared::Shared;

/// How long a watch runs before it is resumed. A connection that is silently dead is noticed within that time.
const WATCH_SECONDS: u32 = 60;
/// Objects per page of a list: bounds what a list takes in memory.
const PAGE: u32 = 50;
/// How long after a list that nobody believed the cluster is looked at again.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// Starts all watches. None of them ends by itself: one that does is a fault.
pub fn start(cluster: &Cluster, shared: &Arc<Shared>, tasks: &mut JoinSet<anyhow::Result<()>>) {
    let all = Watching::new(cluster, shared);
    let client = || cluster.client.clone();
    tasks.spawn(all(Watched::Deployment).run(Api::<Deployment>::all(client()), Observed::deployment));
    tasks.spawn(all(Watched::Pod).run(Api::<Pod>::all(client()), Observed::pod));
    tasks.spawn(all(Watched::Namespace).run_metadata::<Namespace>(client()));
    tasks.spawn(all(Watched::Secret).run_metadata::<Secret>(client()));
    tasks.spawn(all(Watched::VolumeClaim).run_metadata::<PersistentVolumeClaim>(client()));
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
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let watched = self.watched;
        let api = Api::<PartialObjectMeta<K>>::all(client);
        self.run(api, move |object: &PartialObjectMeta<K>| Observed::metadata(watched, &object.metadata))
            .await
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
        let mut events = watcher(api.clone(), config).default_backoff().boxed();
        loop {
            match events.try_next().await {
                Ok(Some(event)) => {
                    if self.take(event, &observe) {
                        self.look_again(&api).await;
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
                Err(unusable) => self.ignore(&object, unusable),
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

    fn ignore<K: Resource>(&self, object: &K, unusable: Unusable) -> bool {
        let name = object.meta().name.as_deref().unwrap_or_default();
        tracing::warn!(kind = self.watched.as_str(), name, reason = %unusable, "ignored an object with the agent's label");
        false
    }

    /// Looks at the objects themselves before anything is inferred from a list that lacked too many.
    async fn look_again<K>(&self, api: &Api<K>)
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        self.shared.metrics.doubts.get_or_create(&self.kind()).inc();
        tracing::warn!(kind = self.watched.as_str(), "a list lacks too many objects at once, looking again");
        let parameters = ListParams::default().labels(&self.labels);
        loop {
            tokio::time::sleep(SECOND_LOOK).await;
            match api.list_metadata(&parameters).await {
                Ok(list) => {
                    let keys = list.items.iter().map(|object| ObjectKey::new(self.watched, &object.metadata));
                    let present: BTreeSet<ObjectKey> = keys.flatten().collect();
                    let removed = self.shared.agent().index_mut().second_look(self.watched, &present);
                    tracing::info!(kind = self.watched.as_str(), removed, "looked again");
                    self.shared.changed.notify_one();
                    return;
                }
                Err(error) => {
                    tracing::warn!(kind = self.watched.as_str(), error = %words(&error), "cannot look again yet");
                }
            }
        }
    }

    const fn kind(&self) -> Kind {
        Kind { kind: self.watched.as_str() }
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
