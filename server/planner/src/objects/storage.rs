//! The volumes that outlive the pod.

use std::collections::BTreeMap;

use berth_schema::spec::{StorageSpec, VolumeSpec};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::Context;

/// The suffix of the data volume's claim.
pub(super) const DATA: &str = "data";

/// The data volume first, then one for each devfile volume that is not ephemeral.
pub(super) fn claims(context: &Context<'_>) -> Vec<PersistentVolumeClaim> {
    let storage = storage(context);
    let further = context.workspace.spec.volumes.iter().filter(|(_, volume)| !volume.ephemeral);
    let size = |volume: &VolumeSpec| volume.size.clone().unwrap_or_else(|| storage.size.clone());
    std::iter::once(claim(context, DATA, storage.size.clone()))
        .chain(further.map(|(name, volume)| claim(context, name, size(volume))))
        .collect()
}

/// Settled at creation; what was stored before that has the server's own options.
fn storage<'a>(context: &'a Context<'_>) -> &'a StorageSpec {
    context.workspace.spec.storage.as_ref().unwrap_or(&context.config().unsettled_storage)
}

fn claim(context: &Context<'_>, suffix: &str, size: String) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: context.metadata(context.named(suffix)),
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: storage(context).class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), Quantity(size))])),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
