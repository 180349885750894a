//! What wins where a report says several things.

use super::*;

#[test]
fn terminated_wins_over_an_error() {
    let info = WorkspaceAgentInfo {
        termination_progress: Some(TerminationProgress::Terminated),
        error_details: Some(error()),
        ..info()
    };
    assert_eq!(state(&info), ActualState::Terminated);
}

#[test]
fn an_error_wins_over_terminating_and_tells_the_api_servers_words() {
    let info = WorkspaceAgentInfo {
        termination_progress: Some(TerminationProgress::Terminating),
        error_details: Some(error()),
        ..deployment(1, 1, "NewReplicaSetAvailable", Some("MinimumReplicasAvailable"))
    };
    let (state, reason) = actual_state(&info);
    assert_eq!(state, ActualState::Error);
    assert_eq!(reason.expect("a reason").message, "admission webhook denied");
}

#[test]
fn terminating_wins_over_the_deployment() {
    let info = WorkspaceAgentInfo {
        termination_progress: Some(TerminationProgress::Terminating),
        ..deployment(1, 1, "NewReplicaSetAvailable", Some("MinimumReplicasAvailable"))
    };
    assert_eq!(state(&info), ActualState::Terminating);
}

#[test]
fn a_lost_node_is_told_before_what_its_pod_said_last_and_while_the_workspace_is_removed() {
    let lost = || vec![problem("CrashLoopBackOff"), problem(PodProblem::NODE_LOST)];
    let removed = WorkspaceAgentInfo {
        termination_progress: Some(TerminationProgress::Terminating),
        pod_problems: lost(),
        ..info()
    };
    let starting = WorkspaceAgentInfo {
        pod_problems: lost(),
        ..deployment(1, 0, "NewReplicaSetAvailable", Some("MinimumReplicasUnavailable"))
    };
    for info in [removed, starting] {
        let reason = actual_state(&info).1.expect("a reason");
        assert_eq!(reason.reason, PodProblem::NODE_LOST);
    }
    let waits = WorkspaceAgentInfo {
        termination_progress: Some(TerminationProgress::Terminating),
        pod_problems: vec![problem("CrashLoopBackOff")],
        ..info()
    };
    assert_eq!(actual_state(&waits), (ActualState::Terminating, None));
}

#[test]
fn what_kept_its_pods_from_being_made_is_told_before_the_deadline_that_passed_over_it() {
    let mut info = deployment(1, 0, "ProgressDeadlineExceeded", Some("MinimumReplicasUnavailable"));
    let of = |kind: &str, status: &str, reason: &str| DeploymentCondition {
        status: status.into(),
        message: Some(format!("{reason} it is").as_str().into()),
        ..condition(kind, reason)
    };
    let deadline = of("Progressing", "False", "ProgressDeadlineExceeded");
    status(&mut info).conditions = vec![deadline, of("ReplicaFailure", "True", "FailedCreate")];
    let reason = actual_state(&info).1.expect("a reason");
    assert_eq!((reason.reason.as_str(), reason.message.as_str()), ("FailedCreate", "FailedCreate it is"));
}
