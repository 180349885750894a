//! Installing the proxy, and seeing to it that it stays as it was installed.

use std::time::Duration;

use berth_agent_core::canary::obstacle;
use berth_agent_core::{
    Identity, Kind, Known, Left, Manifest, Owner, PROXY_PRUNED, Place, certificate_secret, is_alone,
    manifest_report,
};
use berth_schema::kubernetes::PROXY_OF;
use berth_schema::kubernetes::proxy::{NAME, POD_LABEL, SEAL_KEY_SECRET, TOKEN_SECRET};
use berth_schema::prerequisites::ManifestReport;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::failure::{Failure, during};
use crate::ground::Ground;

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of the proxy's objects.
#[derive(Clone, Debug, Default)]
pub struct Installed {
    /// Of each object, and what keeps the proxy from running.
    pub reports: Vec<ManifestReport>,
    /// How they were left: what nobody has touched is not written again.
    pub left: Vec<Left>,
    /// It waits for a Secret that the agent itself makes.
    pub lacks_secrets: bool,
}

impl Installed {
    fn nothing_but(report: ManifestReport) -> Self {
        Self { reports: vec![report], ..Self::default() }
    }
}

/// Installs the proxy's objects and removes those that no longer belong. What became of each is data. `left`: how they were left the
/// last time.
pub async fn install(
    cluster: &Cluster,
    identity: &Identity,
    objects: Vec<Value>,
    left: &[Left],
) -> Installed {
    let manifests = match identity.check_proxy(objects) {
        Ok(manifests) => manifests,
        Err(refusal) => {
            tracing::warn!(%refusal, "the server's manifests are not installed");
            return Installed::nothing_but(manifest_report("*", "*", Some(refusal.to_string())));
        }
    };
    let namespace = identity.proxy_namespace.as_str();
    let made = !manifests.is_empty();
    let nothing = Known::default();
    let entered = Ground::enter(cluster, namespace, Owner::Proxy, Place::Own, made, &nothing);
    let ground = match in_time(entered).await {
        Ok(ground) => ground,
        // Without the namespace there is nothing to remove either.
        Err(Failure::NoNamespace { .. }) if !made => return Installed::default(),
        // In somebody else's nothing shall be.
        Err(failure) => {
            let what_to_do = matches!(failure, Failure::Foreign { .. }).then_some(
                "; where that is an agent that is gone, this one takes it over when it is started with --adopts and \
                 that one's id, else an administrator has to delete it",
            );
            let error = format!("{failure}{}", what_to_do.unwrap_or_default());
            return Installed::nothing_but(refused(Kind::Namespace.as_str(), namespace, error));
        }
    };
    let mut installed = Installed::default();
    for manifest in &manifests {
        let settled = in_time(settle(&ground, manifest, left)).await;
        let failed = settled.is_err();
        let told = settled.map(|left| installed.left.push(left));
        installed.reports.push(report(manifest.kind.as_str(), &manifest.name, told));
        // Without the namespace nothing else can be there.
        if failed && manifest.kind == Kind::Namespace {
            return installed;
        }
    }
    for kind in PROXY_PRUNED {
        if let Err(failure) = in_time(prune(cluster, identity, kind, &manifests)).await {
            installed.reports.push(report(kind.as_str(), "*", Err(failure)));
        }
    }
    if let Some(certificate) = certificate_secret(&manifests) {
        look(cluster, &ground, &certificate, &mut installed).await;
    }
    installed
}

/// Writes an object unless it is as it was left. What somebody has added to it goes; a Service that has an address outside belongs to
/// whoever gives it that address, too.
async fn settle(ground: &Ground<'_>, manifest: &Manifest, left: &[Left]) -> Result<Left, Failure> {
    let Manifest { kind, name, .. } = manifest;
    let live = ground.seen(*kind, name).await?;
    if let Some(live) = live.as_ref().filter(|live| manifest.is_as_left(left, live)) {
        return Ok(manifest.left(live));
    }
    let object = manifest.object();
    let is_shared = object["spec"]["type"] == "LoadBalancer";
    let touched = live.is_some_and(|live| !is_alone(&live));
    let metadata = if touched && kind.is_replaced() && !is_shared {
        tracing::info!(kind = kind.as_str(), name, "put in the place of what somebody has made of it");
        ground.replace(*kind, name, object).await?
    } else {
        ground.apply(*kind, name, object).await?
    };
    Ok(manifest.left(&metadata))
}

/// Looks for what keeps the proxy from running.
async fn look(cluster: &Cluster, ground: &Ground<'_>, certificate: &str, installed: &mut Installed) {
    let secret = Kind::Secret;
    match in_time(ground.has(secret, certificate)).await {
        Ok(true) => {}
        Ok(false) => {
            let error = "is not there: the proxy's certificate and its key (tls.crt, tls.key) are yours or cert-manager's to put \
                         there";
            installed.reports.push(refused(secret.as_str(), certificate, error.to_owned()));
            return;
        }
        Err(failure) => {
            installed.reports.push(report(secret.as_str(), certificate, Err(failure)));
            return;
        }
    }
    for own in [TOKEN_SECRET, SEAL_KEY_SECRET] {
        // What cannot be read is looked at again.
        installed.lacks_secrets |= in_time(ground.has(secret, own)).await.is_ok_and(|there| !there);
    }
    match in_time(unready(cluster)).await {
        Ok(None) => {}
        Ok(Some(error)) => {
            installed.reports.push(manifest_report(Kind::Deployment.as_str(), NAME, Some(error)));
        }
        Err(failure) => installed.reports.push(report(Kind::Deployment.as_str(), NAME, Err(failure))),
    }
}

/// What is said where not every copy is ready.
async fn unready(cluster: &Cluster) -> Result<Option<String>, Failure> {
    let namespace = cluster.identity().proxy_namespace.as_str();
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), namespace);
    let found = deployments.get_opt(NAME).await.map_err(during(format!("reading Deployment/{NAME}")))?;
    let Some(deployment) = found else { return Ok(None) };
    let wanted = deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let ready = deployment.status.and_then(|status| status.available_replicas).unwrap_or(0);
    if ready >= wanted {
        return Ok(None);
    }
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let list = pods.list(&ListParams::default().labels(&format!("{POD_LABEL}={NAME}"))).await;
    let pods = list.map_err(during("looking at the proxy's pods".to_owned()))?.items;
    Ok(Some(format!("{ready} of {wanted} copies are ready: {}", obstacle(&pods))))
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
