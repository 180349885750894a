//! Each row of the table of `docs/protocol.md` is a test with its name.

use berth_schema::reconcile::{
    DeploymentCondition, DeploymentInfo, DeploymentStatus, ErrorDetails, ErrorType, PodProblem,
    TerminationProgress, WorkspaceAgentInfo,
};
use berth_schema::{ActualState, NamespaceName, WorkspaceId, WorkspaceName};
use proptest::prelude::*;

#[path = "actual_state_precedence_tests.rs"]
mod precedence_tests;

use super::{actual_state, proves_scaled_down};

fn info() -> WorkspaceAgentInfo {
    WorkspaceAgentInfo {
        workspace_id: WorkspaceId::random(),
        name: WorkspaceName::new("dev").expect("a name"),
        namespace: NamespaceName::new("berth-dev").expect("a name"),
        applied_generation: None,
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

fn condition(kind: &str, reason: &str) -> DeploymentCondition {
    DeploymentCondition {
        kind: kind.into(),
        status: "True".into(),
        reason: Some(reason.into()),
        message: None,
    }
}

/// A Deployment whose status is up to date.
fn deployment(
    replicas: i32,
    available: i32,
    progressing: &str,
    availability: Option<&str>,
) -> WorkspaceAgentInfo {
    let mut conditions = vec![condition("Progressing", progressing)];
    conditions.extend(availability.map(|reason| condition("Available", reason)));
    WorkspaceAgentInfo {
        latest_k8s_deployment_info: Some(DeploymentInfo {
            resource_version: Some("1".into()),
            generation: Some(3),
            replicas: Some(replicas),
            status: Some(DeploymentStatus {
                observed_generation: Some(3),
                replicas: Some(replicas),
                updated_replicas: Some(replicas),
                available_replicas: Some(available),
                unavailable_replicas: Some((replicas - available).max(0)),
                conditions,
            }),
        }),
        ..info()
    }
}

fn status(info: &mut WorkspaceAgentInfo) -> &mut DeploymentStatus {
    info.latest_k8s_deployment_info.as_mut().expect("a deployment").status.as_mut().expect("a status")
}

fn problem(reason: &str) -> PodProblem {
    PodProblem {
        container: Some("main".into()),
        reason: reason.into(),
        message: "Back-off pulling image \"nowhere/nothing\"".into(),
        since: None,
    }
}

fn error() -> ErrorDetails {
    ErrorDetails { error_type: ErrorType::Kubernetes, error_message: "admission webhook denied".into() }
}

fn state(info: &WorkspaceAgentInfo) -> ActualState {
    actual_state(info).0
}

#[test]
fn without_a_deployment_nothing_is_known() {
    let (state, reason) = actual_state(&info());
    assert_eq!(state, ActualState::Unknown);
    assert_eq!(reason.expect("a reason").reason, "NoDeployment");
}

#[test]
fn without_a_status_or_replicas_or_a_progressing_reason_nothing_is_known() {
    let running = || deployment(1, 1, "NewReplicaSetAvailable", Some("MinimumReplicasAvailable"));
    let mut no_status = running();
    no_status.latest_k8s_deployment_info.as_mut().expect("a deployment").status = None;
    let mut no_replicas = running();
    no_replicas.latest_k8s_deployment_info.as_mut().expect("a deployment").replicas = None;
    let mut no_conditions = running();
    status(&mut no_conditions).conditions.clear();
    let mut no_reason = running();
    status(&mut no_reason).conditions[0].reason = None;
    for info in [no_status, no_replicas, no_conditions, no_reason] {
        assert_eq!(state(&info), ActualState::Unknown);
    }
}

#[test]
fn a_stale_status_says_only_where_it_is_going() {
    for (replicas, expected) in
        [(0, ActualState::Stopping), (1, ActualState::Starting), (2, ActualState::Unknown)]
    {
        let mut info = deployment(replicas, 1, "NewReplicaSetAvailable", Some("MinimumReplicasAvailable"));
        status(&mut info).observed_generation = Some(2);
        assert_eq!(state(&info), expected, "replicas {replicas}");
        status(&mut info).observed_generation = None;
        assert_eq!(state(&info), expected, "replicas {replicas}, never observed");
    }
}

#[test]
fn an_exceeded_deadline_is_a_failure() {
    assert_eq!(state(&deployment(1, 0, "ProgressDeadlineExceeded", None)), ActualState::Failed);
}

#[test]
fn a_progressing_replica_set_is_starting_or_stopping_by_its_replicas() {
    for reason in ["NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated"] {
        assert_eq!(state(&deployment(0, 0, reason, None)), ActualState::Stopping);
        assert_eq!(state(&deployment(1, 0, reason, None)), ActualState::Starting);
        assert_eq!(state(&deployment(2, 0, reason, None)), ActualState::Unknown);
    }
}

#[test]
fn an_unavailable_condition_without_a_reason_is_unknown() {
    assert_eq!(state(&deployment(1, 1, "NewReplicaSetAvailable", None)), ActualState::Unknown);
}

#[test]
fn an_available_condition_that_names_no_reason_is_unknown() {
    let mut info = deployment(1, 1, "NewReplicaSetAvailable", Some("MinimumReplicasAvailable"));
    status(&mut info).conditions[1].reason = None;
    assert_eq!(state(&info), ActualState::Unknown);
}

#[test]
fn a_stale_status_wins_over_what_it_says_of_the_older_spec() {
    for progressing in ["ProgressDeadlineExceeded", "ReplicaSetUpdated"] {
        let mut info = deployment(0, 0, progressing, None);
        status(&mut info).observed_generation = Some(2);
        assert_eq!(state(&info), ActualState::Stopping, "{progressing}");
    }
}

#[test]
fn an_exceeded_deadline_wins_over_what_is_available() {
    let info = deployment(1, 1, "ProgressDeadlineExceeded", Some("MinimumReplicasAvailable"));
    assert_eq!(state(&info), ActualState::Failed);
}

#[test]
fn one_available_and_one_unavailable_is_not_running() {
    let mut info = deployment(1, 1, "NewReplicaSetAvailable", Some("MinimumReplicasAvailable"));
    status(&mut info).unavailable_replicas = Some(1);
    assert_eq!(state(&info), ActualState::Unknown);
}

#[test]
fn nothing_wanted_and_nothing_there_is_stopped() {
    let info = deployment(0, 0, "NewReplicaSetAvailable", Some("MinimumReplicasAvailable"));
    assert_eq!(actual_state(&info), (ActualState::Stopped, None));
}

#[test]
fn a_pod_that_is_still_being_deleted_keeps_it_from_being_stopped() {
    let mut info = deployment(0, 0, "NewReplicaSetAvailable", Some("MinimumReplicasAvailable"));
    info.live_pods = 1;
    assert_eq!(state(&info), ActualState::Stopping);
    assert!(!proves_scaled_down(&info));
    info.live_pods = 0;
    assert!(proves_scaled_down(&info));
}

#[test]
fn a_replica_that_is_counted_anywhere_keeps_a_restart_from_going_on() {
    let stopped = || {
        let mut info = deployment(0, 0, "NewReplicaSetAvailable", Some("MinimumReplicasAvailable"));
        // As an API server leaves it out.
        status(&mut info).replicas = None;
        info
    };
    assert!(proves_scaled_down(&stopped()));
    let counted: [fn(&mut DeploymentStatus); 4] = [
        |status| status.replicas = Some(1),
        |status| status.available_replicas = Some(1),
        |status| status.updated_replicas = Some(1),
        |status| status.unavailable_replicas = Some(1),
    ];
    for count in counted {
        let mut info = stopped();
        count(status(&mut info));
        assert!(!proves_scaled_down(&info), "{info:?}");
    }
    let mut info = stopped();
    status(&mut info).replicas = Some(1);
    assert_eq!(state(&info), ActualState::Stopping);
}

#[test]
fn a_replica_set_that_is_refused_is_starting_and_tells_why() {
    let mut info = deployment(1, 0, "ReplicaSetCreateError", Some("MinimumReplicasUnavailable"));
    let progressing = &mut status(&mut info).conditions[0];
    progressing.status = "False".into();
    progressing.message = Some("exceeded quota: count/replicasets.apps".into());
    let (state, reason) = actual_state(&info);
    assert_eq!(state, ActualState::Starting);
    let reason = reason.expect("a reason");
    assert_eq!(reason.reason, "ReplicaSetCreateError");
    assert_eq!(reason.message, "exceeded quota: count/replicasets.apps");
}

#[test]
fn what_somebody_pauses_is_judged_by_its_numbers() {
    let paused = |replicas, available| {
        deployment(replicas, available, "DeploymentPaused", Some("MinimumReplicasAvailable"))
    };
    assert_eq!(state(&paused(1, 1)), ActualState::Running);
    assert_eq!(state(&paused(0, 0)), ActualState::Stopped);
    assert_eq!(state(&paused(1, 0)), ActualState::Starting);
    let mut old = paused(1, 1);
    status(&mut old).updated_replicas = None;
    assert_eq!(state(&old), ActualState::Starting, "the newest template waits");
}

/// `pkg/controller/deployment/util/deployment_util.go` of Kubernetes 1.36.
#[test]
fn every_reason_that_kubernetes_gives_for_progress_says_something() {
    for reason in [
        "ReplicaSetUpdated",
        "ReplicaSetCreateError",
        "NewReplicaSetCreated",
        "FoundNewReplicaSet",
        "NewReplicaSetAvailable",
        "ProgressDeadlineExceeded",
        "DeploymentPaused",
        "DeploymentResumed",
    ] {
        let info = deployment(1, 0, reason, Some("MinimumReplicasUnavailable"));
        assert_ne!(state(&info), ActualState::Unknown, "{reason}");
    }
}

#[test]
fn one_wanted_and_one_available_is_running() {
    let info = deployment(1, 1, "NewReplicaSetAvailable", Some("MinimumReplicasAvailable"));
    assert_eq!(actual_state(&info), (ActualState::Running, None));
}

#[test]
fn an_old_pod_that_is_still_available_after_a_change_of_the_template_is_not_running() {
    let mut info = deployment(1, 1, "NewReplicaSetAvailable", Some("MinimumReplicasAvailable"));
    for updated in [None, Some(0)] {
        status(&mut info).updated_replicas = updated;
        assert_eq!(state(&info), ActualState::Starting, "{updated:?} of the new template");
    }
}

#[test]
fn none_wanted_and_one_available_is_stopping() {
    let info = deployment(0, 1, "NewReplicaSetAvailable", Some("MinimumReplicasAvailable"));
    assert_eq!(state(&info), ActualState::Stopping);
}

#[test]
fn one_wanted_and_none_available_is_starting_until_only_a_person_can_help() {
    let mut info = deployment(1, 0, "NewReplicaSetAvailable", Some("MinimumReplicasUnavailable"));
    assert_eq!(state(&info), ActualState::Starting);
    info.pod_problems = vec![problem("Unschedulable")];
    assert_eq!(actual_state(&info).1.expect("a reason").reason, "Unschedulable");
    assert_eq!(state(&info), ActualState::Starting);
    info.pod_problems.push(problem("CrashLoopBackOff"));
    assert_eq!(state(&info), ActualState::Failed);
    assert_eq!(actual_state(&info).1.expect("a reason").reason, "CrashLoopBackOff");
}

#[test]
fn an_image_that_cannot_be_pulled_fails_before_the_deadline() {
    let mut info = deployment(1, 0, "ReplicaSetUpdated", Some("MinimumReplicasUnavailable"));
    info.pod_problems = vec![problem("ErrImagePull")];
    let (state, reason) = actual_state(&info);
    assert_eq!(state, ActualState::Failed);
    let reason = reason.expect("a reason");
    assert_eq!(reason.reason, "ErrImagePull");
    assert!(reason.message.starts_with("container main: Back-off"), "{}", reason.message);
}

#[test]
fn a_refused_quota_is_told_in_the_words_of_the_condition() {
    let mut info = deployment(1, 0, "NewReplicaSetCreated", None);
    status(&mut info).conditions.push(DeploymentCondition {
        kind: "ReplicaFailure".into(),
        status: "True".into(),
        reason: Some("FailedCreate".into()),
        message: Some("exceeded quota: dev".into()),
    });
    let (state, reason) = actual_state(&info);
    assert_eq!(state, ActualState::Starting);
    assert_eq!(reason.expect("a reason").message, "exceeded quota: dev");
}

#[test]
fn anything_else_is_unknown() {
    assert_eq!(
        state(&deployment(1, 1, "SomethingNew", Some("MinimumReplicasAvailable"))),
        ActualState::Unknown
    );
    assert_eq!(
        state(&deployment(3, 3, "NewReplicaSetAvailable", Some("MinimumReplicasAvailable"))),
        ActualState::Unknown
    );
    assert_eq!(state(&deployment(0, 0, "NewReplicaSetAvailable", Some("Other"))), ActualState::Unknown);
}

proptest! {
    #[test]
    fn running_and_stopped_are_only_claimed_of_a_status_that_is_up_to_date(
        replicas in -1_i32..4, available in -1_i32..4, unavailable in -1_i32..4,
        updated in -1_i32..4, observed in proptest::option::of(0_i64..5), live_pods in 0_u32..3,
        progressing in prop_oneof!["NewReplicaSetAvailable", "ReplicaSetUpdated", ".{0,5}"],
        availability in proptest::option::of(prop_oneof!["MinimumReplicasAvailable", ".{0,5}"]),
    ) {
        let mut info = deployment(replicas, available, &progressing, availability.as_deref());
        info.live_pods = live_pods;
        let current = status(&mut info);
        current.unavailable_replicas = Some(unavailable);
        current.updated_replicas = Some(updated);
        current.observed_generation = observed;
        match state(&info) {
            ActualState::Running => prop_assert!(observed >= Some(3) && replicas == 1 && available == 1 && updated == 1 && unavailable == 0),
            ActualState::Stopped => prop_assert!(observed >= Some(3) && replicas == 0 && available == 0 && live_pods == 0),
            ActualState::Terminated | ActualState::Terminating | ActualState::Error | ActualState::CreationRequested
            | ActualState::RestartRequested => prop_assert!(false, "not from a deployment alone"),
            ActualState::Starting | ActualState::Stopping | ActualState::Failed | ActualState::Unknown => {}
        }
    }
}
