//! The Deployment controller. It decides by what is, one step at a time, in any order with everything else.

use berth_agent_core::Kind;
use k8s_openapi::api::apps::v1::{DeploymentCondition, DeploymentStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::kubelet::{self, Fate, PodState, Trouble};
use super::objects::{Key, LiveDeployment, LivePod, Object};
use super::state::State;
use crate::environment::Environment;
use crate::faults::Trap;
use crate::scenario::Image;

/// Something that a controller could do now.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Status(Key),
    NewPod(Key),
    /// Mark for deletion.
    Delete(Key),
    /// A pod that was marked is gone; so is anything else that nothing holds.
    Gone(Key),
    PodMoves(Key),
    VolumesShrink(String),
}

/// Everything that could be done now. Empty: the cluster is at rest.
pub(super) fn possible(state: &State) -> Vec<Step> {
    let mut steps = vec![];
    for (key, object) in &state.objects {
        match object.as_ref() {
            Object::Deployment(live) => deployment_steps(state, key, live, &mut steps),
            Object::Pod(live) => pod_steps(state, key, live, &mut steps),
            Object::Plain { .. } => super::namespaces::steps(state, key, object, &mut steps),
        }
    }
    steps.extend(state.volumes.keys().cloned().map(Step::VolumesShrink));
    steps
}

pub(super) fn take(state: &mut State, step: Step, env: &Environment) {
    match step {
        Step::Status(key) => {
            let Some(Object::Deployment(live)) = state.get(&key) else { return };
            let (status, settled) = status(state, &key, live);
            state.change(&key, |object| {
                if let Object::Deployment(live) = object {
                    live.object.status = Some(status);
                    live.settled = settled;
                }
            });
        }
        Step::NewPod(key) => new_pod(state, &key, env),
        Step::Delete(key) => state.change(&key, Object::mark_deleted),
        Step::Gone(key) => super::namespaces::remove(state, &key, env),
        Step::PodMoves(key) => {
            let secrets = has_secrets(state, &key);
            state.change(&key, |object| {
                if let Object::Pod(live) = object
                    && let Some((next, fate)) = kubelet::next(live.state, live.fate, secrets)
                {
                    (live.state, live.fate) = (next, fate);
                    live.object.status = Some(kubelet::status(next));
                }
            });
        }
        Step::VolumesShrink(namespace) => {
            let left = state.volumes.get(&namespace).copied().unwrap_or_default();
            if left == 0 {
                state.volumes.remove(&namespace);
            } else {
                state.volumes.insert(namespace, left - 1);
            }
        }
    }
}

fn pods<'a>(state: &'a State, key: &'a Key) -> impl Iterator<Item = (&'a Key, &'a LivePod)> {
    state.within(&key.namespace).filter_map(|(pod, object)| match object {
        Object::Pod(live) if live.deployment == key.name => Some((pod, live.as_ref())),
        _ => None,
    })
}

fn deployment_steps(state: &State, key: &Key, live: &LiveDeployment, steps: &mut Vec<Step>) {
    let replicas = replicas(live);
    let (status, settled) = status(state, key, live);
    if live.object.status.as_ref() != Some(&status) || live.settled != settled {
        steps.push(Step::Status(key.clone()));
    }
    for (pod, found) in pods(state, key) {
        let marked = found.object.metadata.deletion_timestamp.is_some();
        if !marked && (replicas == 0 || found.template != live.template) {
            steps.push(Step::Delete(pod.clone()));
        }
    }
    let home = state.get(&Key::new(Kind::Namespace, "", &key.namespace));
    let open = home.is_some_and(|namespace| !namespace.is_being_deleted());
    if open && replicas == 1 && pods(state, key).next().is_none() {
        steps.push(Step::NewPod(key.clone()));
    }
}

fn pod_steps(state: &State, key: &Key, live: &LivePod, steps: &mut Vec<Step>) {
    let owner = Key::new(Kind::Deployment, &key.namespace, &live.deployment);
    if live.object.metadata.deletion_timestamp.is_some() {
        steps.push(Step::Gone(key.clone()));
    } else if !state.objects.contains_key(&owner) {
        steps.push(Step::Delete(key.clone()));
    } else if kubelet::next(live.state, live.fate, has_secrets(state, key)).is_some() {
        steps.push(Step::PodMoves(key.clone()));
    }
}

fn has_secrets(state: &State, pod: &Key) -> bool {
    let secrets = state
        .within(&pod.namespace)
        .filter(|(key, _)| key.kind == super::objects::Sort::Applied(Kind::Secret));
    secrets.count() >= 2
}

fn replicas(live: &LiveDeployment) -> i32 {
    live.object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

/// The status as the controller would write it now, and the template whose rollout is complete.
fn status(state: &State, key: &Key, live: &LiveDeployment) -> (DeploymentStatus, Option<u64>) {
    let wanted = replicas(live);
    let all: Vec<&LivePod> = pods(state, key).map(|(_, pod)| pod).collect();
    let active = || all.iter().filter(|pod| pod.object.metadata.deletion_timestamp.is_none());
    let current = active().filter(|pod| pod.template == live.template).count();
    let ready = active().filter(|pod| pod.state == PodState::Ready).count();
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let (total, available) = (count(active().count()), count(ready));
    let complete = count(current) == wanted && total == wanted && available == wanted;
    let settled = if complete { Some(live.template) } else { live.settled };
    // As long as only the old template's pod is there, the real controller leaves the condition as it was.
    let progressing = match (settled, total) {
        (Some(template), _) if template == live.template => "NewReplicaSetAvailable",
        (Some(_), 1..) if current == 0 => "NewReplicaSetAvailable",
        (_, 0) => "NewReplicaSetCreated",
        _ => "ReplicaSetUpdated",
    };
    let (is_available, availability) = if available >= wanted {
        ("True", "MinimumReplicasAvailable")
    } else {
        ("False", "MinimumReplicasUnavailable")
    };
    let positive = |number: i32| (number > 0).then_some(number);
    let status = DeploymentStatus {
        observed_generation: live.object.metadata.generation,
        replicas: positive(total),
        updated_replicas: positive(count(current)),
        available_replicas: positive(available),
        unavailable_replicas: positive(total.max(wanted) - available),
        conditions: Some(vec![
            condition("Available", is_available, availability),
            condition("Progressing", "True", progressing),
        ]),
        ..DeploymentStatus::default()
    };
    (status, settled)
}

fn condition(kind: &str, status: &str, reason: &str) -> DeploymentCondition {
    DeploymentCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        ..DeploymentCondition::default()
    }
}

fn new_pod(state: &mut State, key: &Key, env: &Environment) {
    let Some(Object::Deployment(live)) = state.get(key) else { return };
    let Some(spec) = &live.object.spec else { return };
    let name = format!("{}-{}", key.name, state.version);
    let labels = spec.template.metadata.as_ref().and_then(|metadata| metadata.labels.clone());
    let containers = spec.template.spec.iter().flat_map(|pod| &pod.containers);
    let mut images = containers.filter_map(|container| container.image.as_deref());
    let fate = if images.any(|image| image == Image::Missing.as_str()) {
        Fate::NoImage
    } else if env.faults.spring(Trap::PodTrouble, &env.trace) {
        let kind = env.dice.pick(&[Trouble::Unschedulable, Trouble::Pull, Trouble::Crash]);
        Fate::Trouble { kind, left: 3 }
    } else {
        Fate::Good
    };
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        namespace: Some(key.namespace.clone()),
        labels,
        ..ObjectMeta::default()
    };
    let pod = LivePod {
        object: Pod { metadata, spec: None, status: Some(kubelet::status(PodState::Pending)) },
        deployment: key.name.clone(),
        template: live.template,
        fate,
        state: PodState::Pending,
    };
    state.put(Key::pod(&key.namespace, &name), Object::Pod(Box::new(pod)));
}
