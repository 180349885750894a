//! Why a pod is not ready, in the words of Kubernetes.

use berth_schema::reconcile::PodProblem;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodCondition};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// What every container says on its way up.
const ORDINARY: [&str; 2] = ["ContainerCreating", "PodInitializing"];
/// What the scheduler says of a pod that the agent has not let go: why not, the agent itself tells.
const GATED: &str = "SchedulingGated";
/// A container that ended, and is to be started again or was.
const FAILED: &str = "ContainerFailed";
const ENDED: &str = "ContainerEnded";
/// What the kubelet says of a container that ended before its hook could be run in it: Berth's own goes on in the background and does
/// not fail.
const HOOKS: [&str; 2] = ["PostStartHookError", "PreStartHookError"];
/// What the kubelet says while it holds back one that ends again and again. Between two tries it says nothing of that.
const CRASHES: &str = "CrashLoopBackOff";
/// Whoever lived for so long begins anew for the kubelet, too.
const LIVED: SignedDuration = SignedDuration::from_mins(10);

/// Whether the pod may still hold the workspace's volume. One that is being deleted does until it is gone, although its
/// containers have ended; one that ended by itself (evicted, for example) stays listed for long, and holds nothing.
pub(crate) fn is_live(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_some() || !matches!(phase, Some("Succeeded" | "Failed"))
}

/// Whether a container of the pod runs, as far as is known.
pub(crate) fn is_running(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    let containers = status.and_then(|status| status.container_statuses.as_ref());
    let mut all = init.into_iter().chain(containers).flatten();
    all.any(|container| container.state.as_ref().is_some_and(|state| state.running.is_some()))
}

/// The problems of a pod. One that is being deleted, or has ended, has none: another will take its place.
pub(crate) fn of(pod: &Pod) -> Vec<PodProblem> {
    let Some(status) = &pod.status else { return vec![] };
    if pod.metadata.deletion_timestamp.is_some() || !is_live(pod) {
        return vec![];
    }
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let since = |kind: &str| {
        let condition = conditions.iter().find(|condition| condition.type_ == kind)?;
        condition.last_transition_time.as_ref().map(|time| time.0)
    };
    // One that goes before the others ends well when it ends without an error.
    let init = status.init_container_statuses.iter().flatten().map(|container| (container, false));
    let main = status.container_statuses.iter().flatten().map(|container| (container, true));
    let unready = since("ContainersReady");
    let unscheduled = conditions.iter().filter_map(unscheduled);
    let containers = init.chain(main).filter_map(|(container, stays)| {
        waiting(container, unready).or_else(|| ended(container, stays, unready))
    });
    unscheduled.chain(containers).collect()
}

/// A container that has ended, or runs again after it had. `stays`: it shall not end at all.
fn ended(container: &ContainerStatus, stays: bool, since: Option<Timestamp>) -> Option<PodProblem> {
    let state = container.state.as_ref()?;
    let before = || container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let (end, times, what) = match (&state.terminated, &state.running) {
        (Some(end), _) => (end, container.restart_count.saturating_add(1), "and is started again"),
        (None, Some(_)) if container.restart_count > 0 => {
            (before()?, container.restart_count, "and was started again")
        }
        (None, None) if failed_in_hook(container) => {
            (before()?, container.restart_count.saturating_add(1), "and is started again")
        }
        _ => return None,
    };
    if end.exit_code == 0 && !stays {
        return None;
    }
    let reason = match end.exit_code {
        _ if times > 1 && !lived(end) => CRASHES,
        0 => ENDED,
        _ => FAILED,
    };
    let why = end.reason.as_deref().unwrap_or("no reason given");
    let said = end.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
    let code = end.exit_code;
    Some(PodProblem {
        container: Some(container.name.as_str().into()),
        reason: reason.into(),
        message: format!("it ended with exit code {code} ({why}), {what}; ends so far: {times}{said}").into(),
        since,
    })
}

/// Whether it waits because its hook failed, and not for how it ended.
fn failed_in_hook(container: &ContainerStatus) -> bool {
    let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
    reason.is_some_and(|reason| HOOKS.contains(&reason))
}

fn lived(end: &ContainerStateTerminated) -> bool {
    let times = end.started_at.as_ref().zip(end.finished_at.as_ref());
    times.is_some_and(|(from, to)| to.0.duration_since(from.0) >= LIVED)
}

fn unscheduled(condition: &PodCondition) -> Option<PodProblem> {
    let gated = condition.reason.as_deref() == Some(GATED);
    if condition.type_ != "PodScheduled" || condition.status != "False" || gated {
        return None;
    }
    let message = condition.message.as_deref().unwrap_or_default();
    // The scheduler has one reason for everything; a claim that is not there will not come by waiting.
    let volume = message.contains("persistentvolumeclaim") && message.contains("not found");
    let reason =
        if volume { "VolumeNotFound" } else { condition.reason.as_deref().unwrap_or("Unschedulable") };
    Some(PodProblem {
        container: None,
        reason: reason.into(),
        message: message.into(),
        since: condition.last_transition_time.as_ref().map(|time| time.0),
    })
}

fn waiting(container: &ContainerStatus, since: Option<Timestamp>) -> Option<PodProblem> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().filter(|reason| !ORDINARY.contains(reason))?;
    let mut message = waiting.message.clone().unwrap_or_default();
    let last = container.last_state.as_ref();
    if let Some(ended) = last.and_then(|state| state.terminated.as_ref()) {
        if failed_in_hook(container) {
            return None;
        }
        let why = ended.reason.as_deref().unwrap_or("no reason given");
        message = format!("{message} (last exit code {}: {why})", ended.exit_code);
    }
    Some(PodProblem {
        container: Some(container.name.as_str().into()),
        reason: reason.into(),
        message: message.trim_start().into(),
        since,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::{Message, Word};
    use serde_json::{Value, json};

    fn problems(status: &Value) -> Vec<(Option<Word>, Word, Message)> {
        let pod = serde_json::from_value(json!({ "metadata": {}, "status": status })).expect("a Pod");
        of(&pod).into_iter().map(|problem| (problem.container, problem.reason, problem.message)).collect()
    }

    fn container(state: &Value) -> Value {
        json!({ "name": "main", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state })
    }

    #[test]
    fn a_pod_on_its_way_up_has_no_problem() {
        for reason in ORDINARY {
            let status =
                json!({ "containerStatuses": [container(&json!({ "waiting": { "reason": reason } }))] });
            assert_eq!(problems(&status), []);
        }
        assert_eq!(problems(&json!({ "phase": "Pending" })), []);
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_told_in_the_kubelets_words() {
        let waiting =
            json!({ "waiting": { "reason": "ImagePullBackOff", "message": "Back-off pulling image" } });
        for kind in ["containerStatuses", "initContainerStatuses"] {
            let found = problems(&json!({ kind: [container(&waiting)] }));
            let (container, reason, message) = &found[0];
            assert_eq!(container.as_deref(), Some("main"));
            assert_eq!((reason.as_str(), message.as_str()), ("ImagePullBackOff", "Back-off pulling image"));
        }
    }

    #[test]
    fn a_crash_loop_tells_how_it_ended() {
        let mut status =
            container(&json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off" } }));
        status["lastState"] = json!({ "terminated": { "exitCode": 3, "reason": "Error" } });
        let found = problems(&json!({ "containerStatuses": [status] }));
        assert_eq!(found[0].2, "back-off (last exit code 3: Error)");
    }

    #[test]
    fn a_container_that_ended_is_told_whichever_it_is_and_also_between_two_tries() {
        let end = |code: i32, seconds: &str| {
            json!({ "terminated": {
                "exitCode": code, "reason": "Error",
                "startedAt": "2026-01-01T00:00:00Z", "finishedAt": format!("2026-01-01T{seconds}Z"),
            } })
        };
        let running = json!({ "running": {} });
        let told = |kind: &str, state: &Value, last: &Value, restarts: i32| {
            let mut second = container(state);
            (second["name"], second["restartCount"], second["lastState"]) =
                ("second".into(), restarts.into(), last.clone());
            let found = problems(&json!({ kind: [container(&running), second] }));
            let first = found.first().map(|(container, reason, message)| {
                assert_eq!(container.as_deref(), Some("second"));
                (reason.to_string(), message.to_string())
            });
            assert!(found.len() < 2);
            first
        };
        let quick = end(3, "00:00:01");
        let reason = |told: Option<(String, String)>| told.map(|(reason, _)| reason);
        let main = "containerStatuses";
        let first = told(main, &quick, &json!({}), 0).expect("a problem");
        let words = "it ended with exit code 3 (Error), and is started again; ends so far: 1";
        assert_eq!(first, ("ContainerFailed".to_owned(), words.to_owned()));
        assert_eq!(reason(told(main, &running, &quick, 1)), Some("ContainerFailed".to_owned()));
        assert_eq!(reason(told(main, &quick, &quick, 1)), Some("CrashLoopBackOff".to_owned()));
        let between = told(main, &running, &quick, 2).expect("a problem");
        assert_eq!(between.0, "CrashLoopBackOff");
        assert!(between.1.contains("exit code 3 (Error), and was started again"), "{}", between.1);
        // Who lived for long does not crash again and again.
        assert_eq!(
            reason(told(main, &running, &end(137, "09:00:00"), 5)),
            Some("ContainerFailed".to_owned())
        );
        assert_eq!(reason(told(main, &end(0, "00:00:01"), &json!({}), 0)), Some("ContainerEnded".to_owned()));
        // Where the command was over before the hook began, that is what the kubelet says.
        let hook = json!({ "waiting": { "reason": "PostStartHookError", "message": "cannot exec in a stopped container" } });
        assert_eq!(told(main, &hook, &quick, 0), Some(("ContainerFailed".to_owned(), words.to_owned())));
        assert_eq!(reason(told(main, &hook, &quick, 1)), Some("CrashLoopBackOff".to_owned()));
        assert_eq!(reason(told(main, &hook, &json!({}), 0)), Some("PostStartHookError".to_owned()));
        // What goes before the others is done when it has ended well.
        let init = "initContainerStatuses";
        assert_eq!(told(init, &end(0, "00:00:01"), &json!({}), 0), None);
        assert_eq!(reason(told(init, &quick, &quick, 1)), Some("CrashLoopBackOff".to_owned()));
        assert_eq!(told(main, &running, &json!({}), 0), None);
    }

    #[test]
    fn a_full_node_and_a_lost_volume_are_told_apart() {
        let scheduled = |message: &str| {
            problems(&json!({ "conditions": [
                { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message } ] }))
        };
        assert_eq!(scheduled("0/1 nodes are available: 1 Too many pods.")[0].1, "Unschedulable");
        assert_eq!(scheduled("persistentvolumeclaim \"w-data\" not found")[0].1, "VolumeNotFound");
    }

    #[test]
    fn a_pod_that_ended_or_is_being_deleted_has_no_problem() {
        let waiting = container(&json!({ "waiting": { "reason": "ErrImagePull" } }));
        let ended = json!({ "phase": "Failed", "containerStatuses": [waiting.clone()] });
        assert_eq!(problems(&ended), []);
        for phase in ["Running", "Succeeded", "Failed"] {
            let deleted: Pod = serde_json::from_value(json!({
                "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" },
                "status": { "phase": phase, "containerStatuses": [waiting.clone()] },
            }))
            .expect("a Pod");
            assert_eq!(of(&deleted), []);
            assert!(is_live(&deleted), "it holds the volume until it is gone");
        }
    }
}
