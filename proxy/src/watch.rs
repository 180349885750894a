//! Watches of the agent's Services and EndpointSlices: all that the proxy reads of the cluster.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use berth_proxy_core::{Change, Directory, Unbelieved};
use berth_schema::kubernetes::AGENT_ID;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;

use crate::metrics::Kind;
use crate::shared::Shared;

/// How long a watch runs before it is resumed. A connection that is silently dead is noticed within that time.
const WATCH_SECONDS: u32 = 60;
/// Objects per page of a list.
const PAGE: u32 = 100;

/// In a cluster the service account; outside it the kubeconfig's context.
pub(crate) async fn connect(context: Option<&str>) -> anyhow::Result<Client> {
    let config = if context.is_some() || std::env::var_os("KUBECONFIG").is_some() {
        let options =
            KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let kubeconfig = Kubeconfig::read().context("cannot read the kubeconfig")?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        config.context("the kubeconfig's context cannot be used")?
    } else {
        Config::incluster().context(
            "not in a cluster (no service account): outside, name the kubeconfig's context with --context",
        )?
    };
    Client::try_from(config).context("cannot make a client for the cluster")
}

pub(crate) async fn services(client: Client, shared: Arc<Shared>) -> anyhow::Result<()> {
    follow::<Service>(client, &shared, "Service", Directory::service, &shared.services_listed).await
}

pub(crate) async fn slices(client: Client, shared: Arc<Shared>) -> anyhow::Result<()> {
    follow::<EndpointSlice>(client, &shared, "EndpointSlice", Directory::slice, &shared.slices_listed).await
}

async fn follow<K>(
    client: Client,
    shared: &Shared,
    kind: &'static str,
    take: fn(&mut Directory, Change<&K>) -> Result<(), Unbelieved>,
    listed: &AtomicBool,
) -> anyhow::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let labels = format!("{AGENT_ID}={}", shared.identity.agent);
    let config = watcher::Config::default().labels(&labels).timeout(WATCH_SECONDS).page_size(PAGE);
    let mut events = std::pin::pin!(watcher(Api::<K>::all(client), config).default_backoff());
    loop {
        let event = match events.try_next().await {
            Ok(Some(event)) => event,
            Ok(None) => bail!("the watch of {kind} ended"),
            Err(error) => {
                shared.metrics.watch_errors.get_or_create(&Kind { kind }).inc();
                tracing::warn!(kind, %error, "a watch broke, resuming");
                continue;
            }
        };
        let change = match &event {
            Event::Apply(object) => Change::Written(object),
            Event::Delete(object) => Change::Deleted(object),
            Event::Init => Change::Begin,
            Event::InitApply(object) => Change::Listed(object),
            Event::InitDone => Change::End,
        };
        let (believed, left) = {
            let mut directory = shared.directory();
            (take(&mut directory, change), directory.take_left())
        };
        for workspace in left {
            let closed = shared.streams.cut_workspace(workspace);
            shared.metrics.cut.inc_by(closed as u64);
            tracing::info!(%workspace, closed, "a pod is no more: what was open to it is closed");
        }
        if let (Err(why), Event::Apply(object) | Event::InitApply(object)) = (believed, &event) {
            shared.metrics.unbelieved.get_or_create(&Kind { kind }).inc();
            let metadata = object.meta();
            tracing::warn!(kind, namespace = metadata.namespace, name = metadata.name, %why, "not served");
        }
        if matches!(event, Event::InitDone) {
            listed.store(true, Ordering::Release);
        }
        shared.metrics.workspaces.set(i64::try_from(shared.directory().len()).unwrap_or(i64::MAX));
    }
}
