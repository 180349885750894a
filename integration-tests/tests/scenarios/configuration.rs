//! An agent's configuration, from the REST API to the cluster's objects.

use anyhow::Context as _;
use berth_integration_tests::{Installation, SHARED_NAMESPACE, WORKSPACE_IMAGE};
use berth_schema::api::Workspace;
use berth_schema::configuration::ConfigurationView;
use berth_schema::kubernetes::WORKSPACE_ID;
use berth_schema::{ActualState, kubernetes};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::PATIENCE;

async fn configure(berth: &Installation, document: &Value) -> anyhow::Result<ConfigurationView> {
    berth.admin.put("agents/agent/configuration", document).await?.expect()
}

async fn resize(berth: &Installation, name: &str, wish: &Value) -> anyhow::Result<Workspace> {
    berth.admin.post(&format!("workspaces/{name}/resize"), wish).await?.expect()
}

/// The limits of the workspace's only container.
fn limits(pod: &Pod) -> Option<Value> {
    let container = pod.spec.as_ref()?.containers.first()?;
    serde_json::to_value(container.resources.as_ref()?.limits.as_ref()?).ok()
}

#[tokio::test]
async fn a_change_reaches_a_running_workspace() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let created = berth.admin.create_from_image("configured", WORKSPACE_IMAGE).await?;
    let running = berth.admin.running(&created).await?;
    let view = configure(
        &berth,
        &json!({"labels": {"team": "red"}, "default_resources": {"memory_limit": "256Mi"}, "user": 6001}),
    )
    .await?;
    assert_eq!(view.rendered_again, Some(1));
    let changed = berth.admin.workspace("configured").await?;
    assert!(changed.generation > running.generation);
    let running = berth.admin.running(&changed).await?;
    let pod = berth.view.pod(&running).await?;
    assert_eq!(pod.metadata.labels.as_ref().and_then(|labels| labels.get("team")), Some(&"red".to_owned()));
    assert_eq!(limits(&pod).context("limits")?["memory"], "256Mi");
    // Its files belong to the UID that it began with; the new one is for new workspaces.
    assert_eq!(berth.view.exec(&running, "id -u; id -g").await?, b"5001\n0\n");
    let created = berth.admin.create_from_image("younger", WORKSPACE_IMAGE).await?;
    let younger = berth.admin.running(&created).await?;
    assert_eq!(berth.view.exec(&younger, "id -u; id -g").await?, b"6001\n0\n");
    Ok(())
}

#[tokio::test]
async fn a_resize_restarts_the_pod_and_a_volume_grows_where_its_class_lets_it() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let created = berth.admin.create_from_image("sized", WORKSPACE_IMAGE).await?;
    berth.admin.running(&created).await?;
    let resized = resize(&berth, "sized", &json!({"cpu": "300m", "memory": "200Mi"})).await?;
    let running = berth.admin.running(&resized).await?;
    let resized = json!({"cpu": "300m", "memory": "200Mi"});
    assert_eq!(limits(&berth.view.pod(&running).await?), Some(resized));
    // The cluster's storage class allows no growth, and the agent has told so.
    let refused = berth.admin.post("workspaces/sized/resize", &json!({"disk": "2Gi"})).await?.problem()?;
    assert_eq!(refused.errors[0].field, "disk");
    assert!(refused.errors[0].message.contains("'standard' lets no volume grow"), "{:?}", refused.errors);

    add_storage_class(&berth, "growing", true).await?;
    configure(&berth, &json!({"storage_class": "growing"})).await?;
    let created = berth.admin.create_from_image("growing", WORKSPACE_IMAGE).await?;
    berth.admin.running(&created).await?;
    let grown = resize(&berth, "growing", &json!({"disk": "2Gi"})).await?;
    let running = berth.admin.running(&grown).await?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(berth.view.client(), running.namespace.as_str());
    let claims = claims.list(&ListParams::default()).await?;
    let asks = claims.items[0].spec.as_ref().and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
    assert_eq!(asks.context("requests")?["storage"].0, "2Gi");
    Ok(())
}

/// A class with the provisioner of the cluster's own.
async fn add_storage_class(berth: &Installation, name: &str, grows: bool) -> anyhow::Result<()> {
    let classes: Api<StorageClass> = Api::all(berth.view.client());
    let standard = classes.get("standard").await?;
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
        "provisioner": standard.provisioner, "volumeBindingMode": standard.volume_binding_mode,
        "reclaimPolicy": standard.reclaim_policy, "allowVolumeExpansion": grows,
    });
    classes.patch(name, &PatchParams::apply("scenario").force(), &Patch::Apply(&class)).await?;
    Ok(())
}

#[tokio::test]
async fn a_growth_that_only_the_cluster_refuses_is_told_and_taken_back() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    // Of a class that came after the agent nothing is known.
    let name = berth_integration_tests::unique("fixed");
    add_storage_class(&berth, &name, false).await?;
    configure(&berth, &json!({"storage_class": name})).await?;
    let created = berth.admin.create_from_image("late", WORKSPACE_IMAGE).await?;
    berth.admin.running(&created).await?;
    let grown = resize(&berth, "late", &json!({"disk": "2Gi"})).await?;
    let (failed, _) = berth.admin.reach(&grown, ActualState::Error, PATIENCE).await?;
    let reason = failed.reason.context("a reason")?;
    assert!(reason.message.contains("resize"), "in the API server's words: {}", reason.message);
    let refused = berth.admin.post("workspaces/late/resize", &json!({"disk": "512Mi"})).await?;
    assert_eq!(refused.status, 422);
    let back = resize(&berth, "late", &json!({"disk": "1Gi"})).await?;
    berth.admin.running(&back).await?;
    Ok(())
}

#[tokio::test]
async fn a_shared_namespace_outlives_its_workspaces() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let client = berth.view.client();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let shared = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": SHARED_NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    });
    namespaces.patch(SHARED_NAMESPACE, &PatchParams::apply("scenario"), &Patch::Apply(&shared)).await?;
    configure(&berth, &json!({"shared_namespace": SHARED_NAMESPACE})).await?;

    let (one, two) = (
        berth.admin.create_from_image("one", WORKSPACE_IMAGE).await?,
        berth.admin.create_from_image("two", WORKSPACE_IMAGE).await?,
    );
    assert_eq!(one.namespace.as_str(), SHARED_NAMESPACE);
    for workspace in [&one, &two] {
        berth.admin.running(workspace).await?;
    }
    let of =
        |workspace: &Workspace| ListParams::default().labels(&format!("{WORKSPACE_ID}={}", workspace.id));
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), SHARED_NAMESPACE);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client, SHARED_NAMESPACE);
    let named = kubernetes::object_name(&one.name, one.id, SHARED_NAMESPACE);
    assert!(deployments.get_opt(&named).await?.is_some(), "{named}");

    let gone = berth.admin.wish("one", "terminate").await?;
    berth.admin.reach(&gone, ActualState::Terminated, PATIENCE).await?;
    assert!(deployments.list(&of(&one)).await?.items.is_empty());
    assert!(claims.list(&of(&one)).await?.items.is_empty(), "its volume is gone");
    assert_eq!(deployments.list(&of(&two)).await?.items.len(), 1, "the other one is untouched");
    assert_eq!(berth.admin.workspace("two").await?.actual_state, ActualState::Running);
    assert!(
        namespaces.get_opt(SHARED_NAMESPACE).await?.is_some_and(|n| n.metadata.deletion_timestamp.is_none())
    );
    let gone = berth.admin.wish("two", "terminate").await?;
    berth.admin.reach(&gone, ActualState::Terminated, PATIENCE).await?;
    Ok(())
}
