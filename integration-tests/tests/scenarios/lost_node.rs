//! A node that is lost with a pod on it, and a volume that another node reaches as well: one pod at any time, and a person is told
//! which node it is and what to do.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_integration_tests::{Installation, WORKSPACE_IMAGE, unique};
use berth_schema::api::Workspace;
use berth_schema::reconcile::PodProblem;
use berth_schema::why::{Actor, Why};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::PATIENCE;

/// A node that has no kubelet: it takes what is scheduled to it, and nothing happens there.
struct Ghost {
    nodes: Api<Node>,
    name: String,
}

impl Ghost {
    async fn appear(berth: &Installation) -> anyhow::Result<Self> {
        let ghost = Self { nodes: Api::all(berth.view.client()), name: unique("ghost") };
        let node = json!({ "metadata": { "name": ghost.name, "labels": { "ghost": ghost.name } } });
        ghost.nodes.create(&PostParams::default(), &serde_json::from_value(node)?).await?;
        ghost.is_ready("True").await?;
        Ok(ghost)
    }

    async fn is_ready(&self, status: &str) -> anyhow::Result<()> {
        let room = json!({ "cpu": "4", "memory": "8Gi", "pods": "10" });
        let now = jiff::Timestamp::now().round(jiff::Unit::Second)?.to_string();
        let condition = json!({
            "type": "Ready", "status": status, "reason": "Scenario", "message": "",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        });
        let patch = json!({ "status": { "capacity": room, "allocatable": room, "conditions": [condition] } });
        self.nodes.patch_status(&self.name, &PatchParams::default(), &Patch::Strategic(patch)).await?;
        Ok(())
    }

    /// What the kubelet would have said before the node was lost.
    async fn runs(&self, pods: &Api<Pod>, pod: &Pod) -> anyhow::Result<()> {
        let spec = pod.spec.as_ref().context("the pod has no spec")?;
        let containers: Vec<_> = spec
            .containers
            .iter()
            .map(|container| {
                json!({
                    "name": container.name, "image": container.image, "imageID": "", "ready": true, "restartCount": 0,
                    "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } },
                })
            })
            .collect();
        let patch = json!({ "status": { "phase": "Running", "containerStatuses": containers } });
        pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(patch)).await?;
        Ok(())
    }
}

/// Gives a claim a volume that every node reaches.
async fn share(berth: &Installation, workspace: &Workspace) -> anyhow::Result<()> {
    let begin = Instant::now();
    let claim: PersistentVolumeClaim = loop {
        if let Some(claim) = berth.view.claims(workspace).await?.pop() {
            break claim;
        }
        ensure!(begin.elapsed() < PATIENCE, "the workspace has no claim");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let spec = claim.spec.as_ref().context("the claim has no spec")?;
    let volume = json!({
        "metadata": { "name": unique("shared") },
        "spec": {
            "capacity": { "storage": "1Ti" },
            "accessModes": spec.access_modes,
            "storageClassName": spec.storage_class_name,
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": { "namespace": claim.namespace(), "name": claim.name_any(), "uid": claim.uid() },
            "hostPath": { "path": "/tmp" },
        },
    });
    let volumes: Api<PersistentVolume> = Api::all(berth.view.client());
    volumes.create(&PostParams::default(), &serde_json::from_value(volume)?).await?;
    Ok(())
}

/// The pods that have a node: the only ones that can hold the volume.
async fn placed(pods: &Api<Pod>) -> anyhow::Result<Vec<Pod>> {
    let all = pods.list(&kube::api::ListParams::default()).await?.items;
    let is_placed = |pod: &Pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    Ok(all.into_iter().filter(is_placed).collect())
}

/// Waits, and looks each time that there is one pod with a node at most.
async fn wait_for(
    pods: &Api<Pod>,
    what: &str,
    mut met: impl AsyncFnMut(&[Pod]) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let begin = Instant::now();
    loop {
        let placed = placed(pods).await?;
        ensure!(placed.len() <= 1, "two pods of one workspace have a node");
        if met(&placed).await? {
            return Ok(());
        }
        ensure!(begin.elapsed() < PATIENCE, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn on_a_lost_node_one_pod_stays_the_only_one_until_a_person_has_acted() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let ghost = Ghost::appear(&berth).await?;
    let document = json!({ "node_selector": { "ghost": ghost.name } });
    berth.admin.put("agents/agent/configuration", &document).await?.expect::<serde_json::Value>()?;
    let workspace = berth.admin.create_from_image("haunted", WORKSPACE_IMAGE).await?;
    let pods: Api<Pod> = Api::namespaced(berth.view.client(), workspace.namespace.as_str());
    share(&berth, &workspace).await?;
    wait_for(&pods, "a pod on the node", async |placed| Ok(!placed.is_empty())).await?;
    let first = placed(&pods).await?.pop().context("it has gone")?;
    ghost.runs(&pods, &first).await?;

    // 1. The node is lost. Whoever stops and starts the workspace gets no second pod.
    ghost.is_ready("Unknown").await?;
    berth.admin.wish("haunted", "stop").await?;
    wait_for(&pods, "the end of the first pod", async |placed| {
        Ok(placed.iter().all(|pod| pod.metadata.deletion_timestamp.is_some()))
    })
    .await?;
    berth.admin.wish("haunted", "start").await?;
    wait_for(&pods, "the word of what to do", async |_| {
        let why: Why = berth.admin.get("workspaces/haunted/why").await?.expect()?;
        let names = |text: &str| text.contains(&ghost.name) && text.contains(&first.name_any());
        Ok(why
            .reason
            .is_some_and(|reason| reason.reason == PodProblem::NODE_LOST && names(reason.message.as_str()))
            && why.next.is_some_and(|next| next.actor == Actor::Administrator))
    })
    .await?;

    // 2. Somebody has made sure that nothing runs there, and says so to Kubernetes. The next pod goes on.
    pods.delete(&first.name_any(), &DeleteParams::default().grace_period(0)).await?;
    wait_for(&pods, "the next pod", async |_| {
        let all = pods.list(&kube::api::ListParams::default()).await?.items;
        let is_free = |pod: &Pod| {
            let gates = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref());
            pod.uid() != first.uid() && gates.is_none_or(Vec::is_empty)
        };
        Ok(all.iter().any(is_free))
    })
    .await?;
    ghost.nodes.delete(&ghost.name, &DeleteParams::default()).await?;
    Ok(())
}
