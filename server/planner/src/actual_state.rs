//! The actual state of a workspace from what its agent reports: the table of `docs/protocol.md`, first match wins.

use berth_schema::ActualState;
use berth_schema::api::StateReason;
use berth_schema::reconcile::{
    DeploymentInfo, DeploymentStatus, ErrorDetails, PodProblem, TerminationProgress, WorkspaceAgentInfo,
};

/// The state and, where the cluster gives one, the cause in its own words.
pub fn actual_state(info: &WorkspaceAgentInfo) -> (ActualState, Option<StateReason>) {
    if info.termination_progress == Some(TerminationProgress::Terminated) {
        return (ActualState::Terminated, None);
    }
    if let Some(error) = &info.error_details {
        return (ActualState::Error, Some(error_reason(error)));
    }
    if info.termination_progress == Some(TerminationProgress::Terminating) {
        return (ActualState::Terminating, lost_node(info).map(problem_words));
    }
    let state = deployment_state(info);
    (state, reason(state, info))
}

fn error_reason(error: &ErrorDetails) -> StateReason {
    let reason = match error.error_type {
        berth_schema::reconcile::ErrorType::Applier => "ApplyRefused",
        berth_schema::reconcile::ErrorType::Kubernetes => "KubernetesRefused",
    };
    state_reason(reason, &error.error_message)
}

fn state_reason(reason: &str, message: &str) -> StateReason {
    StateReason { reason: reason.into(), message: message.into() }
}

/// The parts of a Deployment without which nothing can be said.
struct Observed<'a> {
    replicas: i32,
    progressing: &'a str,
    status: &'a DeploymentStatus,
    /// The status describes an older spec.
    stale: bool,
}

fn observe(deployment: &DeploymentInfo) -> Option<Observed<'_>> {
    let status = deployment.status.as_ref()?;
    let replicas = deployment.replicas?;
    let progressing = condition_reason(status, "Progressing")?;
    let stale = match (deployment.generation, status.observed_generation) {
        (Some(generation), Some(observed)) => observed < generation,
        (Some(_), None) => true,
        (None, _) => false,
    };
    Some(Observed { replicas, progressing, status, stale })
}

fn condition_reason<'a>(status: &'a DeploymentStatus, kind: &str) -> Option<&'a str> {
    status.conditions.iter().find(|condition| condition.kind == kind)?.reason.as_deref()
}

fn deployment_state(info: &WorkspaceAgentInfo) -> ActualState {
    let Some(observed) = info.latest_k8s_deployment_info.as_ref().and_then(observe) else {
        return ActualState::Unknown;
    };
    if observed.stale {
        return match observed.replicas {
            0 => ActualState::Stopping,
            1 => ActualState::Starting,
            _ => ActualState::Unknown,
        };
    }
    match observed.progressing {
        "ProgressDeadlineExceeded" => ActualState::Failed,
        // `ReplicaSetCreateError`: a quota or an admission rule refuses it, and Kubernetes tries again.
        "NewReplicaSetCreated"
        | "FoundNewReplicaSet"
        | "ReplicaSetUpdated"
        | "ReplicaSetCreateError"
        | "DeploymentResumed" => match observed.replicas {
            0 => ActualState::Stopping,
            1 => starting(info),
            _ => ActualState::Unknown,
        },
        // What is paused is scaled all the same, and its newest template is not rolled out.
        "NewReplicaSetAvailable" | "DeploymentPaused" => settled(info, &observed),
        _ => ActualState::Unknown,
    }
}

/// The newest ReplicaSet is complete: only the numbers decide.
fn settled(info: &WorkspaceAgentInfo, observed: &Observed<'_>) -> ActualState {
    let available = observed.status.available_replicas.unwrap_or(0);
    let updated = observed.status.updated_replicas.unwrap_or(0);
    let unavailable = observed.status.unavailable_replicas.unwrap_or(0);
    let Some(availability) = condition_reason(observed.status, "Available") else {
        return ActualState::Unknown;
    };
    match (observed.replicas, available) {
        // A pod that is still there, or being deleted, holds the volume: the workspace has not stopped yet.
        (0, 0) if info.live_pods > 0 || observed.status.replicas.unwrap_or(0) > 0 => ActualState::Stopping,
        (0, 0) if availability == "MinimumReplicasAvailable" => ActualState::Stopped,
        (0, 1) => ActualState::Stopping,
        // The template has changed, and the pod of the old one is still counted: the conditions lag behind.
        (1, 1) if updated < 1 => starting(info),
        (1, 1) if updated == 1 && unavailable == 0 && availability == "MinimumReplicasAvailable" => {
            ActualState::Running
        }
        (1, 0) => starting(info),
        _ => ActualState::Unknown,
    }
}

/// Not available yet: is it still worth waiting?
fn starting(info: &WorkspaceAgentInfo) -> ActualState {
    if info.pod_problems.iter().any(PodProblem::needs_a_person) {
        ActualState::Failed
    } else {
        ActualState::Starting
    }
}

/// Why the workspace is not where it should be, in Kubernetes' words where there are any.
fn reason(state: ActualState, info: &WorkspaceAgentInfo) -> Option<StateReason> {
    match state {
        ActualState::Running | ActualState::Stopped | ActualState::Terminated => None,
        ActualState::Unknown if info.latest_k8s_deployment_info.is_none() => {
            Some(state_reason("NoDeployment", "the cluster holds no Deployment of this workspace"))
        }
        _ => problem_reason(info).or_else(|| condition_message(info)),
    }
}

/// The pod's problem: a node that is lost, where whatever else the pod says is old; then what only a person can cure.
fn problem_reason(info: &WorkspaceAgentInfo) -> Option<StateReason> {
    let by_a_person = || info.pod_problems.iter().find(|problem| problem.needs_a_person());
    lost_node(info).or_else(by_a_person).or_else(|| info.pod_problems.first()).map(problem_words)
}

/// Whoever waits for a pod on such a node, to stop or to be removed, waits until somebody acts.
fn lost_node(info: &WorkspaceAgentInfo) -> Option<&PodProblem> {
    info.pod_problems.iter().find(|problem| problem.reason == PodProblem::NODE_LOST)
}

/// Whether what [`problem_words`] has made is about that container.
pub(crate) fn is_about(reason: &StateReason, container: &str) -> bool {
    reason.message.starts_with(&of_container(container))
}

fn of_container(container: &str) -> String {
    format!("container {container}: ")
}

fn problem_words(problem: &PodProblem) -> StateReason {
    let message = match &problem.container {
        Some(container) => format!("{}{}", of_container(container), problem.message),
        None => problem.message.to_string(),
    };
    state_reason(&problem.reason, &message)
}

/// Quota and admission errors stand in the Deployment's ReplicaFailure condition; a deadline in Progressing.
fn condition_message(info: &WorkspaceAgentInfo) -> Option<StateReason> {
    let conditions = &info.latest_k8s_deployment_info.as_ref()?.status.as_ref()?.conditions;
    let failed = |kind: &str, status: &str| conditions.iter().find(|c| c.kind == kind && c.status == status);
    let condition = failed("ReplicaFailure", "True").or_else(|| failed("Progressing", "False"))?;
    Some(state_reason(condition.reason.as_deref()?, condition.message.as_deref().unwrap_or("")))
}

/// Whether the report proves that the workspace was scaled down at the generation it proves. The conditions do not
/// matter: a restart must not hang on a `Stopped` that was never seen.
pub fn proves_scaled_down(info: &WorkspaceAgentInfo) -> bool {
    let Some(deployment) = &info.latest_k8s_deployment_info else {
        return false;
    };
    let Some(status) = &deployment.status else {
        return false;
    };
    let observed =
        matches!((deployment.generation, status.observed_generation), (Some(g), Some(o)) if o >= g);
    let none = |replicas: Option<i32>| replicas.unwrap_or(0) == 0;
    observed
        && deployment.replicas == Some(0)
        && none(status.replicas)
        && none(status.available_replicas)
        && none(status.updated_replicas)
        && none(status.unavailable_replicas)
        && info.live_pods == 0
}

#[cfg(test)]
#[path = "actual_state_tests.rs"]
mod tests;
