//! The tools injector: an init container whose image puts an editor, sshd and git into the data volume. What such an image
//! must do is in `docs/decisions/0011-editor.md`.

use std::collections::BTreeMap;

use berth_schema::kubernetes::{PROJECTS_PATH, TOOLS_PATH};
use berth_schema::quantity::{self, Unit};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, EnvVarSource, ObjectFieldSelector, ResourceRequirements,
    SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::Context;
use super::deployment::{DATA, runtime_default};

/// The environment variable with the pod's address, which the tools listen on.
const POD_ADDRESS: &str = "BERTH_POD_IP";

/// It copies files, whatever the workspace is made of. The memory is for what is not on the disk yet: with half of it, copying
/// 400 MB waits for the disk and takes three times as long.
pub(super) const FIGURES: [(&str, &str, Unit); 4] = [
    ("limits.cpu", "1", Unit::Milli),
    ("limits.memory", "512Mi", Unit::Whole),
    ("requests.cpu", "50m", Unit::Milli),
    ("requests.memory", "64Mi", Unit::Whole),
];

/// The init container, where tools are configured. It sees the data volume and nothing else: no variables, no scripts.
pub(super) fn injector(context: &Context<'_>) -> Option<Container> {
    let image = context.config().tools_image.clone()?;
    Some(Container {
        // A reserved prefix, so that no component of the devfile can have the name.
        name: "berth-tools".to_owned(),
        image: Some(image),
        // Not only of the workspace's own images: an administrator could name somebody else's here.
        image_pull_policy: Some(context.config().image_pull_policy.as_str().to_owned()),
        env: Some(vec![EnvVar {
            name: "BERTH_TOOLS".to_owned(),
            value: Some(TOOLS_PATH.to_owned()),
            value_from: None,
        }]),
        resources: Some(resources()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            privileged: Some(false),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            seccomp_profile: Some(runtime_default()),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(vec![VolumeMount {
            name: DATA.to_owned(),
            mount_path: PROJECTS_PATH.to_owned(),
            ..VolumeMount::default()
        }]),
        ..Container::default()
    })
}

/// The pod's address, for the main container where tools are configured.
pub(super) fn pod_address(context: &Context<'_>) -> Option<EnvVar> {
    context.config().tools_image.as_ref()?;
    let field = ObjectFieldSelector { api_version: None, field_path: "status.podIP".to_owned() };
    Some(EnvVar {
        name: POD_ADDRESS.to_owned(),
        value: None,
        value_from: Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() }),
    })
}

fn resources() -> ResourceRequirements {
    let of = |part: &str| {
        let figures = FIGURES.iter().filter_map(|(name, figure, _)| {
            Some((name.strip_prefix(part)?.to_owned(), Quantity((*figure).to_owned())))
        });
        Some(figures.collect::<BTreeMap<_, _>>())
    };
    ResourceRequirements {
        limits: of("limits."),
        requests: of("requests."),
        ..ResourceRequirements::default()
    }
}

/// Raises the pod's totals to what the injector alone takes: it runs before the others, not beside them.
pub(super) fn raise(context: &Context<'_>, totals: &mut BTreeMap<&'static str, (u128, Unit)>) {
    if context.config().tools_image.is_none() {
        return;
    }
    for (name, figure, unit) in FIGURES {
        // Only what somebody limits is in the quota.
        if let (Some((total, _)), Some(amount)) = (totals.get_mut(name), quantity::parse(figure, unit)) {
            *total = amount.max(*total);
        }
    }
}
