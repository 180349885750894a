//! One pod of a workspace at a time. A pod is made with a gate that keeps it from every node, and the agent takes the gate away
//! when no other pod of the workspace is left in the API: whoever makes a second one, it waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use berth_schema::kubernetes::POD_GATE;
use berth_schema::reconcile::PodProblem;
use berth_schema::{NamespaceName, WorkspaceId};
use k8s_openapi::api::apps::v1::DeploymentSpec;
use serde_json::{Value, json};

use crate::facts::{ObjectKey, PodFact};
use crate::index::{Index, View};

/// How long the watch has to show that a pod was let go, before that is tried again.
const SHOWN: Duration = Duration::from_secs(5);
/// How long the next pod waits for containers that ran when their pod was taken out of the API by force: the kubelet gives them
/// the pod's 10 seconds, and has to notice first.
const FORCED: Duration = Duration::from_secs(30);

/// A pod that may go to a node now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    pub workspace: WorkspaceId,
    pub namespace: NamespaceName,
    pub pod: String,
    pub uid: String,
}

impl Admission {
    /// The strategic merge patch that lets it go, if it still is that pod. Gates of others stay.
    pub fn patch(&self) -> Value {
        json!({
            "metadata": { "uid": self.uid },
            "spec": { "schedulingGates": [{ "$patch": "delete", "name": POD_GATE }] },
        })
    }
}

/// What is known of the pods of a live Deployment before it is written over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    pub gated: bool,
    pub replicas: i32,
}

impl Template {
    /// `None` where there is no spec.
    pub fn of(spec: Option<&DeploymentSpec>) -> Option<Self> {
        let spec = spec?;
        let pod = spec.template.spec.as_ref();
        let all = pod.and_then(|pod| pod.scheduling_gates.as_deref()).unwrap_or_default();
        let gated = all.iter().any(|gate| gate.name == POD_GATE);
        Some(Self { gated, replicas: spec.replicas.unwrap_or(1) })
    }
}

/// Puts the gate on the pods of a Deployment that is about to be written. A gate is a change of the template, which would restart
/// a workspace that runs without one: that gets it when it stops.
pub fn put_on(deployment: &mut Value, live: Option<Template>) {
    let stops = deployment["spec"]["replicas"] == 0;
    if stops || live.is_none_or(|live| live.gated || live.replicas == 0) {
        deployment["spec"]["template"]["spec"]["schedulingGates"] = json!([{ "name": POD_GATE }]);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Gates {
    /// Let go, until the watch shows it: by the pod's uid.
    let_go: BTreeMap<WorkspaceId, (String, Instant)>,
    /// Whose pod was taken away while its containers ran.
    forced: BTreeMap<WorkspaceId, Instant>,
}

impl Gates {
    /// Whether the next pod waits for the containers of one that was removed by force.
    pub(crate) fn waits_for_forced(&self, workspace: WorkspaceId) -> bool {
        self.forced.contains_key(&workspace)
    }

    /// Notes whose pod has vanished while its containers ran; tells whose next pod need not wait for that any more.
    pub(crate) fn pass(&mut self, torn: BTreeSet<WorkspaceId>, now: Instant) -> Vec<WorkspaceId> {
        self.forced.extend(torn.into_iter().map(|workspace| (workspace, now + FORCED)));
        let over: Vec<_> =
            self.forced.iter().filter(|(_, until)| **until <= now).map(|(workspace, _)| *workspace).collect();
        for workspace in &over {
            self.forced.remove(workspace);
        }
        over
    }

    /// Whether a pod may be let go now: not twice in a row.
    pub(crate) fn let_go(&mut self, workspace: WorkspaceId, uid: &str, now: Instant) -> bool {
        let again = self.let_go.get(&workspace).is_some_and(|(before, until)| before == uid && *until > now);
        if !again {
            self.let_go.insert(workspace, (uid.to_owned(), now + SHOWN));
        }
        !again
    }

    /// What the watch has had its time to show is not remembered.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.let_go.retain(|_, (_, until)| *until > now);
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        let shown = self.let_go.values().map(|(_, until)| *until);
        self.forced.values().copied().chain(shown).min()
    }
}

/// The pod of a workspace that may go to a node: the oldest of those that wait, when no other may hold the volume.
pub(crate) fn admissible<'a>(view: &View<'a>) -> Option<(&'a ObjectKey, &'a PodFact)> {
    if view.pods().any(|(_, pod)| pod.holds()) {
        return None;
    }
    view.pods()
        .filter(|(_, pod)| pod.waits())
        .min_by(|(one, a), (other, b)| (a.created, &one.name).cmp(&(b.created, &other.name)))
}

/// What keeps a workspace's next pod, or its present one, from going on: another pod, or a node that is lost.
pub(crate) fn problems(view: &View<'_>, index: &Index, forced: bool) -> Vec<PodProblem> {
    let waiting = view.pods().any(|(_, pod)| pod.waits());
    let of = |(key, pod): (&ObjectKey, &PodFact)| {
        let node = pod.node.as_deref();
        let lost = node.filter(|node| index.is_lost(node));
        let (reason, message) = match (lost, waiting) {
            (Some(node), _) => (PodProblem::NODE_LOST, lost_node(key, node)),
            (None, true) => {
                let place = node.map(|node| format!(" on node {node}")).unwrap_or_default();
                let what = format!("pod {}{place} is not gone yet: the next one waits for that", key.name);
                (PodProblem::ANOTHER_POD, what)
            }
            (None, false) => return None,
        };
        Some(problem(reason, message))
    };
    let held = view.pods().filter(|(_, pod)| pod.holds()).filter_map(of);
    let forced = (forced && waiting).then(|| {
        let what =
            "a pod was removed by force while its containers ran: the next one waits 30 s for these to end";
        problem(PodProblem::ANOTHER_POD, what.to_owned())
    });
    held.chain(forced).collect()
}

/// Who has to act, and how.
fn lost_node(key: &ObjectKey, node: &str) -> String {
    let (pod, namespace) = (&key.name, &key.namespace);
    format!(
        "pod {pod} is on node {node}, which does not answer, and may still write to the volume: no other pod is started. An \
         administrator brings the node back; or removes it for good: kubectl delete node {node}; or, where that machine is \
         certainly off, removes the pod alone: kubectl --namespace {namespace} delete pod {pod} --grace-period=0 --force"
    )
}

fn problem(reason: &str, message: String) -> PodProblem {
    PodProblem { container: None, reason: reason.into(), message: message.into(), since: None }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
