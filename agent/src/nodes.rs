//! The watch of nodes: which of them answer. Without the right to it everything else goes on, and no node counts as lost.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Node;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};

use crate::cluster::Cluster;
use crate::seen::Seen;
use crate::shared::Shared;

/// How long a watch runs before it is resumed.
const WATCH_SECONDS: u32 = 60;
/// Objects per page of a list: nodes are large.
const PAGE: u32 = 20;

/// Follows the nodes for ever.
pub(crate) async fn watch(cluster: Cluster, shared: Arc<Shared>) -> anyhow::Result<()> {
    let config = watcher::Config::default().timeout(WATCH_SECONDS).page_size(PAGE);
    let mut events = watcher(Api::<Seen<Node>>::all(cluster.client), config).default_backoff().boxed();
    let mut told = false;
    loop {
        match events.try_next().await {
            Ok(Some(event)) => {
                told = false;
                if take(&shared, event) {
                    shared.changed.notify_one();
                }
            }
            Ok(None) => anyhow::bail!("the watch of nodes ended"),
            Err(error) => {
                // Once: it is tried again for ever, and an agent without the right to it is as good as one with it.
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, "cannot watch the nodes: which of them are lost is not known");
                }
            }
        }
    }
}

/// Tells whether that is anything new.
fn take(shared: &Shared, event: Event<Seen<Node>>) -> bool {
    let mut agent = shared.agent();
    let nodes = agent.index_mut().nodes_mut();
    match event {
        Event::Apply(Seen(node)) | Event::InitApply(Seen(node)) => {
            let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref());
            nodes.show(&node.name_any(), conditions.unwrap_or_default())
        }
        Event::Delete(Seen(node)) => {
            nodes.remove(&node.name_any());
            true
        }
        Event::Init => {
            nodes.begin_list();
            false
        }
        Event::InitDone => {
            nodes.end_list();
            true
        }
    }
}
