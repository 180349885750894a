//! Pods: how they come up, what keeps them from it, and how they go.

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateWaiting, ContainerStatus, PodCondition, PodStatus,
};

/// What will become of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Good,
    /// Its image is not there.
    NoImage,
    /// Something goes wrong that many times.
    Trouble {
        kind: Trouble,
        left: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Unschedulable,
    Pull,
    Crash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodState {
    Pending,
    Unschedulable,
    Creating,
    /// The container waits, for this reason.
    Waiting(&'static str),
    Ready,
}

const NO_SECRET: &str = "CreateContainerConfigError";
const NO_IMAGE: &str = "ErrImagePull";
const BACK_OFF: &str = "ImagePullBackOff";
const CRASHED: &str = "CrashLoopBackOff";

/// What a pod does next, if anything. `secrets`: those that it needs are there.
pub(super) fn next(state: PodState, fate: Fate, secrets: bool) -> Option<(PodState, Fate)> {
    use PodState::{Creating, Pending, Ready, Unschedulable, Waiting};
    let troubled = |wanted: Trouble| match fate {
        Fate::Trouble { kind, left } if kind == wanted && left > 0 => {
            Some(Fate::Trouble { kind, left: left - 1 })
        }
        _ => None,
    };
    match state {
        Pending | Unschedulable => match troubled(Trouble::Unschedulable) {
            Some(fate) => Some((Unschedulable, fate)),
            None => Some((Creating, fate)),
        },
        Creating if !secrets => Some((Waiting(NO_SECRET), fate)),
        Creating if fate == Fate::NoImage => Some((Waiting(NO_IMAGE), fate)),
        Creating => match troubled(Trouble::Pull) {
            Some(fate) => Some((Waiting(NO_IMAGE), fate)),
            None => Some((Ready, fate)),
        },
        Waiting(NO_SECRET) => secrets.then_some((Creating, fate)),
        Waiting(NO_IMAGE) => Some((Waiting(BACK_OFF), fate)),
        Waiting(BACK_OFF) => (fate != Fate::NoImage).then_some((Creating, fate)),
        Waiting(_) => Some((Ready, fate)),
        Ready => troubled(Trouble::Crash).map(|fate| (Waiting(CRASHED), fate)),
    }
}

/// As the kubelet writes it.
pub(super) fn status(state: PodState) -> PodStatus {
    let ready = state == PodState::Ready;
    let unschedulable = (state == PodState::Unschedulable).then(|| PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: Some("Unschedulable".to_owned()),
        message: Some("0/1 nodes are available".to_owned()),
        ..PodCondition::default()
    });
    let waiting = match state {
        PodState::Creating => Some("ContainerCreating"),
        PodState::Waiting(reason) => Some(reason),
        PodState::Pending | PodState::Unschedulable | PodState::Ready => None,
    };
    let container = waiting.map(|reason| ContainerStatus {
        name: "main".to_owned(),
        state: Some(ContainerState {
            waiting: Some(ContainerStateWaiting {
                reason: Some(reason.to_owned()),
                message: Some(format!("simulated {reason}")),
            }),
            ..ContainerState::default()
        }),
        ..ContainerStatus::default()
    });
    PodStatus {
        phase: Some(if ready { "Running" } else { "Pending" }.to_owned()),
        conditions: unschedulable.map(|condition| vec![condition]),
        container_statuses: container.map(|container| vec![container]),
        ..PodStatus::default()
    }
}
