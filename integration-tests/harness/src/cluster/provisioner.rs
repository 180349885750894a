//! Dynamic volumes: a directory of the node for each claim, made when a pod was scheduled and removed when the claim is deleted.
//!
//! Kubernetes' own provisioner of host paths makes directories that only root may write, and nothing widens them. This one
//! makes volumes of the type `local`, to which the kubelet applies a pod's `fsGroup`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, fs};

use anyhow::Context as _;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{Api, DeleteParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::json;

/// The name in a StorageClass.
pub(super) const PROVISIONER: &str = "berth.dev/directory";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// Where volumes are made.
#[derive(Clone)]
pub struct Provisioner {
    client: Client,
    directory: PathBuf,
    node: String,
}

impl fmt::Debug for Provisioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provisioner").field("directory", &self.directory).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
enum ProvisionError {
    #[error("the API server refused")]
    Api(#[from] kube::Error),
    #[error("the directory of volume {volume} cannot be made or removed")]
    Directory { volume: String, source: std::io::Error },
    #[error("the volume that was composed is none")]
    Shape(#[from] serde_json::Error),
}

impl Provisioner {
    pub fn new(client: Client, directory: PathBuf, node: String) -> anyhow::Result<Self> {
        fs::create_dir_all(&directory).with_context(|| format!("{} cannot be made", directory.display()))?;
        Ok(Self { client, directory, node })
    }

    /// Serves claims until the process ends.
    pub async fn run(self) {
        let context = Arc::new(self);
        let claims = Controller::new(
            Api::<PersistentVolumeClaim>::all(context.client.clone()),
            watcher::Config::default(),
        )
        .run(
            |claim, context| async move { context.provision(&claim).await },
            retry,
            Arc::clone(&context),
        );
        let volumes =
            Controller::new(Api::<PersistentVolume>::all(context.client.clone()), watcher::Config::default())
                .run(
                    |volume, context| async move { context.remove(&volume).await },
                    retry,
                    Arc::clone(&context),
                );
        let report = |what: &'static str| {
            move |result: Result<(), String>| async move {
                if let Err(cause) = result {
                    tracing::warn!(cause, "{what} waits for another try");
                }
            }
        };
        let claims = claims.map(|result| result.map(drop).map_err(|e| describe(&e)));
        let volumes = volumes.map(|result| result.map(drop).map_err(|e| describe(&e)));
        futures::join!(claims.for_each(report("a claim")), volumes.for_each(report("a volume")));
    }

    async fn provision(&self, claim: &PersistentVolumeClaim) -> Result<Action, ProvisionError> {
        let Some(volume) = volume_for(claim, &self.directory, &self.node)? else {
            return Ok(Action::await_change());
        };
        let path = self.directory.join(volume.name_any());
        let made = fs::create_dir_all(&path)
            // Whoever the pod runs as: the volume is its own.
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o777)));
        made.map_err(|source| ProvisionError::Directory { volume: volume.name_any(), source })?;
        let api = Api::<PersistentVolume>::all(self.client.clone());
        match api.create(&PostParams::default(), &volume).await {
            Ok(_) => Ok(Action::await_change()),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(Action::await_change()),
            Err(cause) => Err(cause.into()),
        }
    }

    async fn remove(&self, volume: &PersistentVolume) -> Result<Action, ProvisionError> {
        if !is_released(volume) {
            return Ok(Action::await_change());
        }
        let name = volume.name_any();
        match fs::remove_dir_all(self.directory.join(&name)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(ProvisionError::Directory { volume: name, source });
            }
            _ => {}
        }
        let api = Api::<PersistentVolume>::all(self.client.clone());
        match api.delete(&name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Action::await_change()),
            result => result.map(|_| Action::await_change()).map_err(Into::into),
        }
    }
}

fn retry<K>(_: Arc<K>, _: &ProvisionError, _: Arc<Provisioner>) -> Action {
    Action::requeue(Duration::from_secs(1))
}

fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The volume that a claim waits for; `None` when it waits for none of ours, or for no pod of this node yet.
fn volume_for(
    claim: &PersistentVolumeClaim,
    directory: &Path,
    node: &str,
) -> Result<Option<PersistentVolume>, serde_json::Error> {
    let annotation = |key: &str| claim.annotations().get(key).map(String::as_str);
    let ours = annotation("volume.kubernetes.io/storage-provisioner") == Some(PROVISIONER);
    let spec = claim.spec.clone().unwrap_or_default();
    let waits =
        spec.volume_name.is_none_or(|name| name.is_empty()) && claim.metadata.deletion_timestamp.is_none();
    let (true, true, Some(selected), Some(uid)) = (ours, waits, annotation(SELECTED_NODE), claim.uid())
    else {
        return Ok(None);
    };
    if selected != node {
        return Ok(None);
    }
    let name = format!("pvc-{uid}");
    let capacity = spec.resources.and_then(|resources| resources.requests).unwrap_or_default();
    serde_json::from_value(json!({
        "metadata": { "name": name, "annotations": { PROVISIONED_BY: PROVISIONER } },
        "spec": {
            "accessModes": spec.access_modes,
            "capacity": { "storage": capacity.get("storage") },
            "storageClassName": spec.storage_class_name,
            "persistentVolumeReclaimPolicy": "Delete",
            "volumeMode": "Filesystem",
            "local": { "path": directory.join(&name) },
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace(), "name": claim.name_any(), "uid": uid,
            },
            "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": "kubernetes.io/hostname", "operator": "In", "values": [node] },
            ] }] } },
        },
    }))
    .map(Some)
}

/// Whether a volume of ours lost its claim.
fn is_released(volume: &PersistentVolume) -> bool {
    let ours = volume.annotations().get(PROVISIONED_BY).is_some_and(|by| by == PROVISIONER);
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
    let delete = volume.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    ours && phase == Some("Released") && delete == Some("Delete")
}
