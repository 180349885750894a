//! From a user's creation to a ready pod, beside the same objects applied by a bare kube client.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use berth_integration_tests::{Installation, WORKSPACE_IMAGE, unique};
use berth_planner::{AgentConfig, Snapshot, Workspace, objects};
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, OrganizationId, WorkspaceId,
    WorkspaceName, WorkspaceSpec, kubernetes,
};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::discovery::ApiResource;
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::figure::{Figures, Goal, percentile};

const ROUNDS: usize = 10;
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let berth =
        Installation::start().await?.context("the latency to a pod needs a node, which needs root")?;
    let (mut through_berth, mut by_client) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        by_client.push(bare(&berth.view.client()).await?);
        through_berth.push(created(&berth).await?);
    }
    for (share, name) in [(0.5, "p50"), (0.9, "p90")] {
        let floor = percentile(&mut by_client, share);
        let measured = percentile(&mut through_berth, share);
        figures.add(
            format!("create to pod ready, {name}"),
            "ms",
            measured,
            Some(floor),
            Goal::TimesFloor(1.2),
        );
    }
    Ok(())
}

/// Through the REST API.
async fn created(berth: &Installation) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let workspace = berth.admin.create_from_image(&unique("speed"), WORKSPACE_IMAGE).await?;
    pod_ready(&berth.view.client(), &workspace.id.to_string()).await?;
    let took = started.elapsed();
    let terminate = berth.admin.wish(workspace.name.as_str(), "terminate").await?;
    berth.admin.reach(&terminate, ActualState::Terminated, LIMIT).await?;
    Ok(took)
}

/// The same objects, rendered by the same planner, one after another.
async fn bare(client: &Client) -> anyhow::Result<Duration> {
    let (id, namespace, objects) = rendered()?;
    let started = Instant::now();
    for object in &objects {
        apply(client, object).await?;
    }
    pod_ready(client, &id).await?;
    let took = started.elapsed();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.delete(&namespace, &DeleteParams::default()).await?;
    while namespaces.get_opt(&namespace).await?.is_some() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(took)
}

fn rendered() -> anyhow::Result<(String, String, Vec<Value>)> {
    let id = WorkspaceId::random();
    let name = unique("bare");
    let workspace = Workspace {
        id,
        name: WorkspaceName::new(name.clone())?,
        namespace: NamespaceName::new(format!("berth-{name}"))?,
        desired_state: DesiredState::Running,
        actual_state: ActualState::CreationRequested,
        reason: None,
        generation: Generation::FIRST,
        applied_generation: Generation::default(),
        variables_generation: Generation::default(),
        deployment_resource_version: None,
        reported: None,
        spec: WorkspaceSpec::from_image(WORKSPACE_IMAGE),
        unreadable: false,
    };
    let snapshot = Snapshot::new(OrganizationId::random(), AgentId::random(), AgentConfig::default(), vec![]);
    let mut objects = objects::render(&snapshot, &workspace);
    let deployment = objects.pop().context("a Deployment")?;
    for secret in [kubernetes::environment_secret(&workspace.name), kubernetes::file_secret(&workspace.name)]
    {
        objects.push(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": secret, "namespace": workspace.namespace},
        }));
    }
    objects.push(deployment);
    Ok((id.to_string(), workspace.namespace.to_string(), objects))
}

async fn apply(client: &Client, object: &Value) -> anyhow::Result<()> {
    let typed: DynamicObject = serde_json::from_value(object.clone())?;
    let kind = typed.types.clone().context("an object without a type")?;
    let (group, version) = kind.api_version.split_once('/').unwrap_or(("", &kind.api_version));
    let gvk = kube::core::GroupVersionKind::gvk(group, version, &kind.kind);
    let plural = match kind.kind.as_str() {
        "NetworkPolicy" => "networkpolicies".to_owned(),
        other => format!("{}s", other.to_lowercase()),
    };
    let resource = ApiResource::from_gvk_with_plural(&gvk, &plural);
    let api: Api<DynamicObject> = match typed.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    api.patch(&typed.name_any(), &PatchParams::apply("bench").force(), &Patch::Apply(object)).await?;
    Ok(())
}

/// Waits for a watch to show the workspace's pod ready.
async fn pod_ready(client: &Client, workspace_id: &str) -> anyhow::Result<()> {
    use std::pin::pin;
    let pods: Api<Pod> = Api::all(client.clone());
    let selector = format!("{}={workspace_id}", kubernetes::WORKSPACE_ID);
    let list = pods.list(&ListParams::default().labels(&selector)).await?;
    if list.items.iter().any(is_ready) {
        return Ok(());
    }
    let version = list.metadata.resource_version.context("a list without a version")?;
    let mut events = pin!(pods.watch(&WatchParams::default().labels(&selector), &version).await?);
    let ready = async {
        while let Some(event) = futures::TryStreamExt::try_next(&mut events).await? {
            if matches!(&event, WatchEvent::Added(pod) | WatchEvent::Modified(pod) if is_ready(pod)) {
                return Ok(());
            }
        }
        bail!("the watch ended before the pod was ready")
    };
    tokio::time::timeout(LIMIT, ready).await.context("the pod was not ready in time")?
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}
