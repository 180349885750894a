//! What the cluster has, and the proxy's objects in it.

mod install;

use std::fmt::Debug;
use std::time::Duration;

use berth_agent_core::prerequisites;
use berth_schema::Word;
use berth_schema::prerequisites::{ManifestReport, Nodes, Prerequisites, Stray};
use k8s_openapi::api::core::v1::{Namespace, Node};
use k8s_openapi::api::networking::v1::IngressClass;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::ListParams;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use crate::cluster::Cluster;
use crate::failure::words;

pub use install::{Installed, install};

/// How long one question to the API server may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Every cluster has it, from its beginning to its end: its uid is the cluster's.
const SYSTEM_NAMESPACE: &str = "kube-system";
/// Objects per page of a list: nodes are large.
const PAGE: u32 = 20;

/// Looks at the cluster. What cannot be read is named and left out.
pub async fn gather(cluster: &Cluster, manifests: Vec<ManifestReport>, strays: Vec<Stray>) -> Prerequisites {
    let mut gathering = Gathering { cluster, unreadable: vec![] };
    let version = gathering.ask("version", cluster.client.apiserver_version()).await;
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let system = gathering.ask("namespaces", namespaces.get_metadata(SYSTEM_NAMESPACE)).await;
    let groups = gathering.ask("API groups", cluster.client.list_api_groups()).await;
    let groups = groups.map(|groups| groups.groups).unwrap_or_default();
    let mut classes = vec![];
    gathering
        .each("storageclasses", |class: StorageClass| classes.push(prerequisites::storage_class(class)))
        .await;
    let mut runtime_classes = vec![];
    gathering
        .each("runtimeclasses", |class: RuntimeClass| {
            runtime_classes.extend(class.metadata.name.map(Into::into));
        })
        .await;
    let mut ingress_classes = vec![];
    gathering
        .each("ingressclasses", |class: IngressClass| {
            ingress_classes.extend(class.metadata.name.map(Into::into));
        })
        .await;
    let mut nodes = Nodes::default();
    let read = gathering.each("nodes", |node: Node| nodes = prerequisites::with_node(nodes, &node)).await;
    let has = Prerequisites {
        agent_version: env!("CARGO_PKG_VERSION").into(),
        cluster_id: system.and_then(|namespace| namespace.metadata.uid).map(Word::from),
        adopts: cluster.identity().allowances.adopts.clone(),
        user_namespaces: version
            .as_ref()
            .and_then(|version| prerequisites::takes_user_namespaces(&version.major, &version.minor)),
        kubernetes_version: version.map(|version| version.git_version.into()),
        storage_classes: classes,
        runtime_classes,
        ingress_classes,
        network_policy_engines: prerequisites::network_policy_engines(
            groups.iter().map(|group| group.name.as_str()),
        ),
        nodes: read.then_some(nodes),
        manifests,
        strays,
        unreadable: gathering.unreadable,
    };
    has.bounded()
}

struct Gathering<'a> {
    cluster: &'a Cluster,
    unreadable: Vec<Word>,
}

impl Gathering<'_> {
    async fn ask<T>(&mut self, what: &str, answer: impl Future<Output = kube::Result<T>>) -> Option<T> {
        let error = match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => words(&error),
            Err(_) => "the API server does not answer".to_owned(),
        };
        tracing::warn!(what, error, "cannot tell the server what the cluster has");
        self.unreadable.push(what.into());
        None
    }

    /// Lists all objects of a kind that belongs to the cluster; tells whether that was possible.
    async fn each<K>(&mut self, what: &str, mut look: impl FnMut(K)) -> bool
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::all(self.cluster.client.clone());
        let mut parameters = ListParams::default().limit(PAGE);
        loop {
            let Some(page) = self.ask(what, api.list(&parameters)).await else { return false };
            page.items.into_iter().for_each(&mut look);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = ListParams::default().limit(PAGE).continue_token(&token),
                None => return true,
            }
        }
    }
}
