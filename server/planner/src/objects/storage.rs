//! The volumes that outlive the pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::Context;

/// The suffix of the data volume's claim.
pub(super) const DATA: &str = "data";

/// The data volume first, then one for each devfile volume that is not ephemeral.
pub(super) fn claims(context: &Context<'_>) -> Vec<PersistentVolumeClaim> {
    let default_size = &context.config().volume_size;
    let further = context.workspace.spec.volumes.iter().filter(|(_, volume)| !volume.ephemeral);
    std::iter::once(claim(context, DATA, default_size))
        .chain(
            further.map(|(name, volume)| claim(context, name, volume.size.as_ref().unwrap_or(default_size))),
        )
        .collect()
}

fn claim(context: &Context<'_>, suffix: &str, size: &str) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: context.metadata(context.named(suffix)),
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: context.config().storage_class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), Quantity(size.to_owned()))])),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
