//! The namespace, the account its pods run under, and the quota that holds them to what was agreed.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    LocalObjectReference, Namespace, ResourceQuota, ResourceQuotaSpec, ServiceAccount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Context;
use super::deployment::pod_totals;

pub(super) fn namespace(context: &Context<'_>) -> Namespace {
    let mut labels = context.labels();
    // `restricted` forbids what the administrator allows here, inside a runtime or a user namespace that contains it.
    let level = if context.config().allow_privilege_escalation { "baseline" } else { "restricted" };
    for mode in ["enforce", "warn", "audit"] {
        labels.insert(format!("pod-security.kubernetes.io/{mode}"), level.to_owned());
        // Said, so that nobody else says it: an older version of the level knows fewer dangers.
        labels.insert(format!("pod-security.kubernetes.io/{mode}-version"), "latest".to_owned());
    }
    Namespace {
        metadata: ObjectMeta {
            name: Some(context.workspace.namespace.to_string()),
            labels: Some(labels),
            annotations: Some(context.annotations()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

/// An account without any right, and without a token in the pod. Its pods pull images with the Secrets that it names.
pub(super) fn service_account(context: &Context<'_>) -> ServiceAccount {
    let secrets = context.config().image_pull_secrets.iter();
    let secrets: Vec<_> = secrets.map(|name| LocalObjectReference { name: name.clone() }).collect();
    ServiceAccount {
        metadata: context.metadata(context.name()),
        automount_service_account_token: Some(false),
        image_pull_secrets: (!secrets.is_empty()).then_some(secrets),
        ..ServiceAccount::default()
    }
}

/// Exactly one pod's worth: a second pod of the same workspace, which would share the volume, is refused by Kubernetes
/// itself while the first is still there.
pub(super) fn resource_quota(context: &Context<'_>) -> ResourceQuota {
    let hard: BTreeMap<String, Quantity> =
        pod_totals(context).into_iter().map(|(resource, quantity)| (resource.to_owned(), quantity)).collect();
    ResourceQuota {
        metadata: context.metadata(context.name()),
        spec: Some(ResourceQuotaSpec { hard: Some(hard), ..ResourceQuotaSpec::default() }),
        ..ResourceQuota::default()
    }
}
