//! From a change in the cluster to the REST API. There is no node: a pod is made ready, and unready again, by its status,
//! the controllers carry that on to the Deployment, and time runs from when a watch shows it there.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_schema::ActualState;
use berth_schema::api::Workspace;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::figure::{Figures, Goal, percentile};
use crate::site::Site;

const ROUNDS: usize = 100;
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let site = Site::start().await?;
    let workspace = site.workspaces("visible", 1).await?.remove(0);
    let pods: Api<Pod> = Api::namespaced(site.client.clone(), workspace.namespace.as_str());
    let pod = pod(&pods).await?;
    let (mut visible, mut asking) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let ready = round % 2 == 0;
        set(&pods, &pod, ready).await?;
        let (namespace, name) = (workspace.namespace.as_str(), workspace.name.as_str());
        let shown = site.sight.available(namespace, name, i32::from(ready)).await?;
        let wanted = if ready { ActualState::Running } else { ActualState::Starting };
        let (told, asked) = told(&site, &workspace, wanted).await?;
        visible.push(told.saturating_duration_since(shown));
        asking.push(asked);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    // Nobody can be told sooner than by one request.
    for (share, name, limit) in [(0.5, "p50", 15.0), (0.95, "p95", 100.0)] {
        let floor = Some(percentile(&mut asking, share));
        let what = format!("cluster change to REST API, {name} (floor: one GET)");
        figures.add(what, "ms", percentile(&mut visible, share), floor, Goal::AtMost(limit));
    }
    Ok(())
}

/// The workspace's only pod.
async fn pod(pods: &Api<Pod>) -> anyhow::Result<String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(pod) = pods.list(&ListParams::default()).await?.items.first() {
            return Ok(pod.name_any());
        }
        ensure!(Instant::now() < deadline, "no pod was made");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn set(pods: &Api<Pod>, name: &str, ready: bool) -> anyhow::Result<()> {
    let condition = json!({"type": "Ready", "status": if ready { "True" } else { "False" }});
    let status = json!({"status": {"phase": "Running", "conditions": [condition]}});
    pods.patch_status(name, &PatchParams::default(), &Patch::Strategic(status)).await.context("no status")?;
    Ok(())
}

/// When the REST API first told the state, and how long that request took.
async fn told(
    site: &Site,
    workspace: &Workspace,
    wanted: ActualState,
) -> anyhow::Result<(Instant, Duration)> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let asked = Instant::now();
        let now = site.admin.workspace(workspace.name.as_str()).await?;
        if now.actual_state == wanted {
            return Ok((Instant::now(), asked.elapsed()));
        }
        ensure!(asked < deadline, "{} instead of {wanted}: {now:?}", now.actual_state);
    }
}
