//! What somebody changes in the cluster by hand, and what becomes of it.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_integration_tests::{Installation, WORKSPACE_IMAGE};
use berth_schema::api::Workspace;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::PATIENCE;

/// Waits until an object is as it should be.
async fn until<K>(api: &Api<K>, name: &str, what: &str, holds: impl Fn(&K) -> bool) -> anyhow::Result<K>
where
    K: Clone + Debug + DeserializeOwned,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = api.get_opt(name).await?;
        if let Some(object) = found.as_ref().filter(|object| holds(object)) {
            return Ok(object.clone());
        }
        ensure!(Instant::now() < deadline, "not {what}: {found:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// As somebody does by `kubectl patch`.
async fn change<K>(api: &Api<K>, name: &str, patch: Value) -> anyhow::Result<K>
where
    K: Clone + Debug + DeserializeOwned,
{
    Ok(api.patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await?)
}

/// Waits until the workspace is said to have been put right.
async fn put_right(berth: &Installation, name: &str) -> anyhow::Result<Workspace> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let workspace = berth.admin.workspace(name).await?;
        if workspace.reason.as_ref().is_some_and(|reason| reason.reason == "PutRight") {
            return Ok(workspace);
        }
        ensure!(Instant::now() < deadline, "it is not told: {workspace:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn drift_is_put_right_and_what_was_added_goes() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let created = berth.admin.create_from_image("drifted", WORKSPACE_IMAGE).await?;
    let running = berth.admin.running(&created).await?;
    let (client, namespace): (Client, _) = (berth.view.client(), running.namespace.as_str());

    // A NetworkPolicy that is deleted comes back.
    let policies: Api<NetworkPolicy> = Api::namespaced(client.clone(), namespace);
    let policy = policies.list(&ListParams::default()).await?.items.into_iter().next().context("a policy")?;
    let name = policy.metadata.name.clone().context("a name")?;
    policies.delete(&name, &DeleteParams::default()).await?;
    until(&policies, &name, "back", |now| now.spec == policy.spec).await?;
    let told = put_right(&berth, "drifted").await?;
    let message = told.reason.context("a reason")?.message;
    assert_eq!(message.to_string(), format!("NetworkPolicy/{name} is gone"));

    // One that is opened is closed.
    let open = json!({ "metadata": { "labels": { "by-hand": "yes" } }, "spec": { "ingress": [{}], "egress": [{}] } });
    change(&policies, &name, open).await?;
    let closed = until(&policies, &name, "closed", |now| now.spec == policy.spec).await?;
    assert!(!closed.metadata.labels.unwrap_or_default().contains_key("by-hand"), "what was added is gone");

    // A container that is added is removed, and a pause is over.
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let deployment = berth.view.deployment(&running).await?.context("a Deployment")?;
    let of = deployment.metadata.name.clone().context("a name")?;
    let added = json!({ "spec": { "paused": true, "template": { "spec": { "containers": [
        { "name": "by-hand", "image": WORKSPACE_IMAGE } ] } } } });
    change(&deployments, &of, added).await?;
    let spec = deployment.spec.as_ref();
    until(&deployments, &of, "as it was", |now| now.spec.as_ref() == spec).await?;

    // A port that is added to a Service goes, and the Service keeps its address.
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    if let Some(service) = services.list(&ListParams::default()).await?.items.into_iter().next() {
        let name = service.metadata.name.clone().context("a name")?;
        change(&services, &name, json!({ "spec": { "ports": [{ "name": "by-hand", "port": 6666 }] } }))
            .await?;
        until(&services, &name, "as it was", |now| now.spec == service.spec).await?;
    }

    // The namespace enforces again what it has to.
    let namespaces: Api<Namespace> = Api::all(client);
    let weak = json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "privileged" } } });
    change(&namespaces, namespace, weak).await?;
    until(&namespaces, namespace, "restricted", |now| {
        let labels = now.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get("pod-security.kubernetes.io/enforce")).map(String::as_str)
            == Some("restricted")
    })
    .await?;
    put_right(&berth, "drifted").await?;
    Ok(())
}
