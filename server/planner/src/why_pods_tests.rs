//! What is told of pods that do not come.

use super::*;

#[test]
fn what_starts_waits_for_the_kubelet_until_the_progress_deadline() {
    case(D::Running, A::Starting, 3, 3).is(Situation::Starting, Actor::Kubelet, 10, DEADLINE);
}

#[test]
fn a_deadline_that_is_over_is_not_promised() {
    let mut late = case(D::Running, A::Starting, 3, 3);
    late.now = at(1_000);
    late.agent.last_contact_at = Some(at(1_000));
    late.is(Situation::Starting, Actor::Kubelet, 10, None);
}

#[test]
fn a_pod_that_waits_says_what_for() {
    let waits = case(D::Running, A::Starting, 3, 3).because("ContainersNotReady");
    let answer = waits.is(Situation::PodWaits, Actor::Kubelet, 10, DEADLINE);
    assert_eq!(answer.cause, "Its pod is not ready yet (ContainersNotReady).");
}

#[test]
fn a_pod_that_no_node_takes_waits_for_the_scheduler() {
    let full = case(D::Running, A::Starting, 3, 3).because("Unschedulable");
    full.is(Situation::Unschedulable, Actor::Kubernetes, 10, DEADLINE);
}

#[test]
fn a_pod_beyond_the_quota_is_tried_again_by_kubernetes() {
    let refused = case(D::Running, A::Starting, 3, 3).because("FailedCreate");
    refused.is(Situation::PodRefused, Actor::Kubernetes, 10, DEADLINE);
}

#[test]
fn an_image_that_cannot_be_pulled_needs_its_user() {
    for reason in ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "RegistryUnavailable"] {
        let failed = case(D::Running, A::Failed, 3, 3).because(reason);
        let answer = failed.is(Situation::ImageCannotBePulled, Actor::User, 10, None);
        assert_eq!(answer.cause, format!("Its image cannot be pulled ({reason})."));
        assert!(answer.next.expect("a step").action.contains("berth rebuild reef --image"));
    }
}

#[test]
fn a_crash_loop_needs_its_user() {
    let failed = case(D::Running, A::Failed, 3, 3).because("CrashLoopBackOff");
    failed.is(Situation::ContainerCrashes, Actor::User, 10, None);
}

#[test]
fn a_container_that_cannot_start_needs_its_user() {
    let failed = case(D::Running, A::Failed, 3, 3).because("CreateContainerConfigError");
    failed.is(Situation::ContainerCannotStart, Actor::User, 10, None);
}

#[test]
fn a_volume_that_is_not_there_needs_an_administrator() {
    let failed = case(D::Running, A::Failed, 3, 3).because("VolumeNotFound");
    failed.is(Situation::VolumeMissing, Actor::Administrator, 10, None);
}

#[test]
fn a_deadline_that_kubernetes_saw_pass_needs_its_user() {
    let failed = case(D::Running, A::Failed, 3, 3).because("ProgressDeadlineExceeded");
    failed.is(Situation::DeadlineExceeded, Actor::User, 10, None);
}

#[test]
fn a_failure_of_another_kind_needs_its_user() {
    case(D::Running, A::Failed, 3, 3).is(Situation::Failed, Actor::User, 10, None);
    case(D::Stopped, A::Failed, 3, 3).because("Evicted").is(Situation::Failed, Actor::User, 10, None);
}
