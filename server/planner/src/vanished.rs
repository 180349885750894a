//! What somebody deleted in the cluster with everything that a workspace's users had stored, as people are told of it.

use berth_schema::api::StateReason;
use berth_schema::reconcile::{Lost, WorkspaceAgentInfo};
use berth_schema::{ActualState, DesiredState, Generation};

use crate::model::Workspace;

/// The reason of a workspace that is to be made again, with empty volumes.
pub const NOT_IN_CLUSTER: &str = "NotInCluster";
/// The reason of one that keeps what is on a volume only for as long as its pod runs.
pub(crate) const VOLUME_LEAVING: &str = "VolumeLeaving";

const NAMESPACE: &str =
    "somebody deleted its namespace in the cluster, and with it everything on its volumes";
const VOLUMES: &str = "somebody deleted its Deployment and its volume claims in the cluster, and with them everything on its volumes";
const LEAVING: &str = "somebody deleted a volume claim of it in the cluster: what is on that volume is lost as soon as its \
                       pod ends, so copy it elsewhere first";

/// The reason of a workspace that is to be made again; `message` says who found that it is gone.
pub fn remade(message: &str) -> StateReason {
    reason(NOT_IN_CLUSTER, message)
}

/// Notes in a row what a report says to be lost of it. What was never proven to be there is not lost.
pub(crate) fn note(before: &Workspace, next: &mut Workspace, info: &WorkspaceAgentInfo) {
    let known = before.reason.as_ref().filter(|reason| reason.reason == NOT_IN_CLUSTER);
    let was_there = before.applied_generation > Generation::default() || known.is_some();
    let is_unwanted = next.desired_state == DesiredState::Terminated || info.termination_progress.is_some();
    if !was_there || is_unwanted {
        return;
    }
    let told = match info.lost {
        Some(Lost::NamespaceLeaving) => Some(NAMESPACE),
        // That it cannot be made again is worse.
        _ if info.error_details.is_some() => None,
        Some(Lost::Namespace) => Some(NAMESPACE),
        // The claims of a namespace that is deleted go first.
        Some(Lost::Volumes) if known.is_none() => Some(VOLUMES),
        Some(Lost::VolumeLeaving) => {
            next.reason.get_or_insert_with(|| reason(VOLUME_LEAVING, LEAVING));
            None
        }
        Some(Lost::Volumes | Lost::Unknown) | None => None,
    };
    if let Some(message) = told {
        (next.actual_state, next.reason) = (ActualState::Unknown, Some(remade(message)));
    } else if next.actual_state == ActualState::Unknown && info.latest_k8s_deployment_info.is_none() {
        // Until it is there again nothing else is to be told of it.
        next.reason = known.cloned().or_else(|| next.reason.take());
    }
}

fn reason(reason: &str, message: &str) -> StateReason {
    StateReason { reason: reason.into(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::reconcile::{DeploymentInfo, ErrorDetails, ErrorType};
    use berth_schema::{NamespaceName, WorkspaceId, WorkspaceName, WorkspaceSpec};

    fn row(applied: i64) -> Workspace {
        Workspace {
            id: WorkspaceId::random(),
            name: WorkspaceName::new("dev").expect("a name"),
            namespace: NamespaceName::new("berth-dev").expect("a name"),
            desired_state: DesiredState::Running,
            actual_state: ActualState::Running,
            reason: None,
            generation: Generation::of(3),
            applied_generation: Generation::of(applied),
            variables_generation: Generation::default(),
            deployment_resource_version: None,
            reported: Some((1, 1)),
            spec: WorkspaceSpec::from_image("registry.example/dev:1"),
            unreadable: false,
        }
    }

    fn blank(row: &Workspace, lost: Option<Lost>) -> WorkspaceAgentInfo {
        WorkspaceAgentInfo {
            workspace_id: row.id,
            name: row.name.clone(),
            namespace: row.namespace.clone(),
            applied_generation: None,
            latest_k8s_deployment_info: None,
            pod_problems: vec![],
            termination_progress: None,
            error_details: None,
            live_pods: 0,
            variables_missing: false,
            drift: vec![],
            lost,
        }
    }

    /// The row after a report whose state is the given one.
    fn after(
        before: &Workspace,
        info: &WorkspaceAgentInfo,
        state: ActualState,
        told: Option<&str>,
    ) -> Workspace {
        let mut next = Workspace {
            actual_state: state,
            reason: told.map(|word| reason(word, "its words")),
            applied_generation: info.applied_generation.unwrap_or_default(),
            ..before.clone()
        };
        note(before, &mut next, info);
        next
    }

    fn told(row: &Workspace) -> (ActualState, &str, &str) {
        let reason = row.reason.as_ref().expect("a reason");
        (row.actual_state, reason.reason.as_str(), reason.message.as_str())
    }

    #[test]
    fn a_namespace_that_somebody_deletes_is_told_from_its_deletion_until_it_is_there_again() {
        let before = row(3);
        let gone = (ActualState::Unknown, NOT_IN_CLUSTER, NAMESPACE);
        let there = DeploymentInfo::default();
        let leaving = WorkspaceAgentInfo {
            latest_k8s_deployment_info: Some(there.clone()),
            applied_generation: Some(before.applied_generation),
            ..blank(&before, Some(Lost::NamespaceLeaving))
        };
        let one = after(&before, &leaving, ActualState::Running, None);
        assert_eq!(told(&one), gone);
        // The agent cannot make anything in it yet.
        let error = ErrorDetails {
            error_type: ErrorType::Kubernetes,
            error_message: "it is being terminated".into(),
        };
        let refused = WorkspaceAgentInfo {
            error_details: Some(error.clone()),
            ..blank(&before, Some(Lost::NamespaceLeaving))
        };
        let two = after(&one, &refused, ActualState::Error, Some("KubernetesRefused"));
        assert_eq!(told(&two), gone);
        for lost in [Some(Lost::Namespace), Some(Lost::Volumes), None, Some(Lost::Unknown)] {
            let next = after(&two, &blank(&before, lost), ActualState::Unknown, Some("NoDeployment"));
            assert_eq!(told(&next), gone, "{lost:?}");
        }
        let forbidden =
            WorkspaceAgentInfo { error_details: Some(error), ..blank(&before, Some(Lost::Namespace)) };
        let stuck = after(&two, &forbidden, ActualState::Error, Some("KubernetesRefused"));
        assert_eq!(
            told(&stuck),
            (ActualState::Error, "KubernetesRefused", "its words"),
            "it cannot be made again"
        );
        let back = WorkspaceAgentInfo { latest_k8s_deployment_info: Some(there), ..blank(&before, None) };
        let starting = after(&two, &back, ActualState::Starting, None);
        assert_eq!((starting.actual_state, &starting.reason), (ActualState::Starting, &None));
    }

    #[test]
    fn volumes_that_are_gone_alone_are_told_too() {
        let before = row(3);
        let info = blank(&before, Some(Lost::Volumes));
        let next = after(&before, &info, ActualState::Unknown, Some("NoDeployment"));
        assert_eq!(told(&next), (ActualState::Unknown, NOT_IN_CLUSTER, VOLUMES));
        let only = after(&before, &blank(&before, None), ActualState::Unknown, Some("NoDeployment"));
        assert_eq!(told(&only), (ActualState::Unknown, "NoDeployment", "its words"), "its volumes are there");
    }

    #[test]
    fn a_volume_that_goes_when_the_pod_ends_is_told_while_it_runs() {
        let before = row(3);
        let info = WorkspaceAgentInfo {
            latest_k8s_deployment_info: Some(DeploymentInfo::default()),
            ..blank(&before, Some(Lost::VolumeLeaving))
        };
        let next = after(&before, &info, ActualState::Running, None);
        assert_eq!(told(&next), (ActualState::Running, VOLUME_LEAVING, LEAVING));
        let worse = after(&before, &info, ActualState::Failed, Some("CrashLoopBackOff"));
        assert_eq!(told(&worse).1, "CrashLoopBackOff");
    }

    #[test]
    fn what_was_never_there_or_shall_go_is_not_lost() {
        for lost in [Lost::NamespaceLeaving, Lost::Namespace, Lost::Volumes, Lost::VolumeLeaving] {
            let new = row(0);
            let next = after(&new, &blank(&new, Some(lost)), ActualState::Unknown, Some("NoDeployment"));
            assert_eq!(told(&next).1, "NoDeployment");
            let unwanted = Workspace { desired_state: DesiredState::Terminated, ..row(3) };
            let next = after(
                &unwanted,
                &blank(&unwanted, Some(lost)),
                ActualState::Terminating,
                Some("NoDeployment"),
            );
            assert_eq!(told(&next).1, "NoDeployment");
        }
    }
}
