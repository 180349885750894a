//! What the cluster has, and the proxy's objects in it.

use std::fmt::Debug;
use std::time::Duration;

use berth_agent_core::{
    Identity, Kind, Known, Manifest, Owner, PROXY_PRUNED, Place, manifest_report, prerequisites,
};
use berth_schema::Word;
use berth_schema::kubernetes::PROXY_OF;
use berth_schema::prerequisites::{ManifestReport, Nodes, Prerequisites, Stray};
use k8s_openapi::api::core::v1::{Namespace, Node};
use k8s_openapi::api::networking::v1::IngressClass;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::ListParams;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::failure::{Failure, during, words};
use crate::ground::Ground;

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

/// Installs the proxy's objects and removes those that no longer belong. What became of each is data.
pub async fn install(cluster: &Cluster, identity: &Identity, objects: Vec<Value>) -> Vec<ManifestReport> {
    let manifests = match identity.check_proxy(objects) {
        Ok(manifests) => manifests,
        Err(refusal) => {
            tracing::warn!(%refusal, "the server's manifests are not installed");
            return vec![manifest_report("*", "*", Some(refusal.to_string()))];
        }
    };
    let namespace = identity.proxy_namespace.as_str();
    let made = !manifests.is_empty();
    let nothing = Known::default();
    let entered = Ground::enter(cluster, namespace, Owner::Proxy, Place::Own, made, &nothing);
    let ground = match in_time(entered).await {
        Ok(ground) => ground,
        // Without the namespace there is nothing to remove either.
        Err(Failure::NoNamespace { .. }) if !made => return vec![],
        // In somebody else's nothing shall be.
        Err(failure) => {
            let what_to_do = matches!(failure, Failure::Foreign { .. }).then_some(
                "; where that is an agent that is gone, this one takes it over when it is started with --adopts and \
                 that one's id, else an administrator has to delete it",
            );
            let error = format!("{failure}{}", what_to_do.unwrap_or_default());
            return vec![refused(Kind::Namespace.as_str(), namespace, error)];
        }
    };
    let mut reports = vec![];
    for manifest in &manifests {
        let applied = in_time(ground.apply(manifest.kind, &manifest.name, manifest.object())).await;
        let failed = applied.is_err();
        reports.push(report(manifest.kind.as_str(), &manifest.name, applied.map(drop)));
        // Without the namespace nothing else can be there.
        if failed && manifest.kind == Kind::Namespace {
            return reports;
        }
    }
    for kind in PROXY_PRUNED {
        if let Err(failure) = in_time(prune(cluster, identity, kind, &manifests)).await {
            reports.push(report(kind.as_str(), "*", Err(failure)));
        }
    }
    reports
}

async fn in_time<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let seconds = PATIENCE.as_secs();
    tokio::time::timeout(PATIENCE, work).await.unwrap_or(Err(Failure::TimedOut { seconds }))
}

fn report(kind: &str, name: &str, result: Result<(), Failure>) -> ManifestReport {
    match result {
        Ok(()) => manifest_report(kind, name, None),
        Err(failure) => refused(kind, name, failure.to_string()),
    }
}

fn refused(kind: &str, name: &str, error: String) -> ManifestReport {
    tracing::warn!(kind, name, error, "an object of the proxy is not as the server wants it");
    manifest_report(kind, name, Some(error))
}

async fn prune(
    cluster: &Cluster,
    identity: &Identity,
    kind: Kind,
    wanted: &[Manifest],
) -> Result<(), Failure> {
    let namespace = identity.proxy_namespace.as_str();
    let owners: Vec<String> = identity.owners().map(|agent| agent.to_string()).collect();
    let labels = format!("{PROXY_OF} in ({})", owners.join(","));
    let list = cluster.api(kind, namespace).list_metadata(&ListParams::default().labels(&labels)).await;
    let list = list.map_err(during(format!("listing {} in {namespace}", kind.plural())))?;
    for metadata in list.items.into_iter().map(|object| object.metadata) {
        let name = metadata.name.as_deref().unwrap_or_default();
        if !wanted.iter().any(|manifest| manifest.kind == kind && manifest.name == name) {
            tracing::info!(kind = kind.as_str(), name, "pruned from the proxy's namespace");
            cluster.delete(kind, namespace, &metadata).await?;
        }
    }
    Ok(())
}
