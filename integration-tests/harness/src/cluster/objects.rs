//! What every cluster of ours has from its start.

use anyhow::Context as _;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::credentials::KUBE_ROUTER_USER;
use super::provisioner;

pub(super) async fn apply(client: &Client) -> anyhow::Result<()> {
    apply_one::<StorageClass>(client, storage_class()).await?;
    apply_one::<ClusterRole>(client, kube_router_role()).await?;
    apply_one::<ClusterRoleBinding>(client, kube_router_binding()).await
}

async fn apply_one<K>(client: &Client, object: Value) -> anyhow::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let name = object["metadata"]["name"].as_str().context("an object without a name")?.to_owned();
    let all = Api::<K>::all(client.clone());
    let applied = all.patch(&name, &PatchParams::apply("berth-dev").force(), &Patch::Apply(&object)).await;
    applied.with_context(|| format!("{} {name} is refused", K::kind(&())))?;
    Ok(())
}

/// Volumes are made when the first pod that wants them is scheduled, as clouds do it.
fn storage_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": { "storageclass.kubernetes.io/is-default-class": "true" },
        },
        "provisioner": provisioner::PROVISIONER,
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    })
}

/// What its own manifests give it, but for what only its other parts need.
fn kube_router_role() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": KUBE_ROUTER_USER },
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["namespaces", "pods", "services", "nodes", "endpoints"],
                "verbs": ["get", "list", "watch"],
            },
            {
                "apiGroups": ["networking.k8s.io"],
                "resources": ["networkpolicies"],
                "verbs": ["get", "list", "watch"],
            },
            {
                "apiGroups": ["discovery.k8s.io"],
                "resources": ["endpointslices"],
                "verbs": ["get", "list", "watch"],
            },
        ],
    })
}

fn kube_router_binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": KUBE_ROUTER_USER },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": KUBE_ROUTER_USER },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": KUBE_ROUTER_USER }],
    })
}
