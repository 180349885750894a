//! What an agent would see in a cluster.

use berth_schema::Generation;
use berth_schema::reconcile::{
    DeploymentCondition, DeploymentInfo, DeploymentStatus, TerminationProgress, WorkspaceAgentInfo,
    WorkspaceDirective,
};

/// Nothing is known of a workspace but that it is there.
pub(crate) fn seen(directive: &WorkspaceDirective) -> WorkspaceAgentInfo {
    WorkspaceAgentInfo {
        workspace_id: directive.workspace_id,
        name: directive.name.clone(),
        namespace: directive.namespace.clone(),
        applied_generation: Some(directive.generation),
        latest_k8s_deployment_info: None,
        pod_problems: vec![],
        termination_progress: None,
        error_details: None,
        live_pods: 0,
        variables_missing: false,
        drift: vec![],
        lost: None,
    }
}

/// The directive was carried out and the pod, if any is wanted, is up.
pub(crate) fn settled(directive: &WorkspaceDirective, resource_version: &str) -> WorkspaceAgentInfo {
    let replicas = directive.desired_state.replicas().unwrap_or(0);
    let condition = |kind: &str, reason: &str| DeploymentCondition {
        kind: kind.into(),
        status: "True".into(),
        reason: Some(reason.into()),
        message: None,
    };
    let status = DeploymentStatus {
        observed_generation: Some(1),
        replicas: Some(replicas),
        updated_replicas: Some(replicas),
        available_replicas: Some(replicas),
        unavailable_replicas: Some(0),
        conditions: vec![
            condition("Progressing", "NewReplicaSetAvailable"),
            condition("Available", "MinimumReplicasAvailable"),
        ],
    };
    WorkspaceAgentInfo {
        latest_k8s_deployment_info: Some(DeploymentInfo {
            resource_version: Some(resource_version.into()),
            generation: Some(1),
            replicas: Some(replicas),
            status: Some(status),
        }),
        live_pods: u32::try_from(replicas).expect("not negative"),
        ..seen(directive)
    }
}

/// Nothing is left.
pub(crate) fn gone(directive: &WorkspaceDirective) -> WorkspaceAgentInfo {
    WorkspaceAgentInfo {
        applied_generation: Some(Generation::default()),
        termination_progress: Some(TerminationProgress::Terminated),
        ..seen(directive)
    }
}
