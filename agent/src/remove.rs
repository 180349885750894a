//! Removing what is left of a workspace.

use berth_agent_core::{Action, Kind, Outcome, Owner, Prepared};
use k8s_openapi::api::core::v1::PersistentVolume;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::ListParams;

use crate::cluster::Cluster;
use crate::failure::{Failure, during};

/// How many volumes are looked at in one page.
const PAGE: u32 = 200;

/// Takes the next step of a termination and tells how far it is. Repeating it is harmless.
pub async fn run(cluster: &Cluster, action: &Action<Prepared>) -> Result<Outcome, Failure> {
    let namespace = action.namespace.as_str();
    match cluster.metadata(Kind::Namespace, namespace, namespace).await? {
        Some(live) if cluster.identity().is_anothers(&live) => leave(cluster, action, &live).await,
        _ if action.is_in_shared_namespace() => remove_inventory(cluster, action).await,
        None if volumes_left(cluster, namespace).await? => Ok(Outcome::VolumesLeft),
        None => Ok(Outcome::Gone),
        Some(live) if cluster.owns(&live, action.workspace) => {
            if live.deletion_timestamp.is_none() {
                cluster.delete(Kind::Namespace, namespace, &live).await?;
            }
            Ok(Outcome::Leaving)
        }
        Some(_) => remove_inventory(cluster, action).await,
    }
}

/// In a namespace that another installation has marked, nothing is removed. What carries this workspace's labels there is told
/// of: it is not gone, and somebody else's to look at.
async fn leave(cluster: &Cluster, action: &Action<Prepared>, live: &ObjectMeta) -> Result<Outcome, Failure> {
    let labelled = cluster.identity().is_labelled(live, Owner::Workspace(action.workspace));
    if labelled || !inventory(cluster, action).await?.is_empty() {
        let (kind, name) = (Kind::Namespace.as_str(), action.namespace.to_string());
        return Err(Failure::Foreign { kind, name });
    }
    Ok(Outcome::Gone)
}

/// In a namespace that is not the workspace's own, only what carries both labels goes.
async fn remove_inventory(cluster: &Cluster, action: &Action<Prepared>) -> Result<Outcome, Failure> {
    let left = inventory(cluster, action).await?;
    for (kind, metadata) in left.iter().filter(|(_, metadata)| metadata.deletion_timestamp.is_none()) {
        cluster.delete(*kind, action.namespace.as_str(), metadata).await?;
    }
    Ok(if left.is_empty() { Outcome::Gone } else { Outcome::Leaving })
}

/// What carries both labels in the workspace's namespace; the Deployment first, so that nothing is made anew.
async fn inventory(cluster: &Cluster, action: &Action<Prepared>) -> Result<Vec<(Kind, ObjectMeta)>, Failure> {
    let mut all = vec![];
    for kind in Kind::ALL.into_iter().rev().filter(|kind| kind.is_namespaced()) {
        let some = cluster.inventory(kind, action.namespace.as_str(), action.workspace).await?;
        all.extend(some.into_iter().map(|metadata| (kind, metadata)));
    }
    Ok(all)
}

/// Whether volumes that were claimed in the namespace are still to be deleted. One that the administrator's storage class
/// keeps on purpose counts as gone.
async fn volumes_left(cluster: &Cluster, namespace: &str) -> Result<bool, Failure> {
    let api: Api<PersistentVolume> = Api::all(cluster.client.clone());
    let mut parameters = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&parameters).await.map_err(during("listing persistentvolumes"))?;
        for volume in page.items {
            let name = volume.metadata.name.unwrap_or_default();
            let spec = volume.spec.unwrap_or_default();
            let status = volume.status.unwrap_or_default();
            let claimed = spec.claim_ref.and_then(|claim| claim.namespace);
            if claimed.as_deref() != Some(namespace) {
                continue;
            }
            match (status.phase.as_deref(), spec.persistent_volume_reclaim_policy.as_deref()) {
                (Some("Failed"), _) => {
                    let message = status.message.unwrap_or_default();
                    return Err(Failure::VolumeStuck { name, message });
                }
                (_, Some("Retain")) => {}
                _ => return Ok(true),
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = ListParams::default().limit(PAGE).continue_token(&token),
            None => return Ok(false),
        }
    }
}
