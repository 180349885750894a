use std::time::Instant;

use berth_schema::kubernetes::WORKSPACE_ID;
use k8s_openapi::api::core::v1::{NodeCondition, Pod};

use super::*;
use crate::facts::Observed;
use crate::{Agent, Identity};

const W: WorkspaceId = WorkspaceId::from_uuid(uuid::Uuid::from_bytes([2; 16]));
const SECOND: Duration = Duration::from_secs(1);

fn agent() -> Agent {
    let mut agent =
        Agent::new(Identity::of(berth_schema::AgentId::from_uuid(uuid::Uuid::from_bytes([1; 16]))));
    let nodes = agent.index_mut().nodes_mut();
    nodes.begin_list();
    for name in ["one", "two"] {
        nodes.show(name, &ready("True"));
    }
    nodes.end_list();
    agent
}

fn ready(status: &str) -> Vec<NodeCondition> {
    vec![NodeCondition { type_: "Ready".to_owned(), status: status.to_owned(), ..NodeCondition::default() }]
}

/// A pod of the workspace as the API server has it.
fn pod(name: &str, change: impl FnOnce(&mut Value)) -> Observed {
    let gate = json!([{ "name": POD_GATE }]);
    let mut pod = json!({
        "metadata": {
            "name": name, "namespace": "berth-w-02020202", "uid": format!("uid-{name}"), "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": { WORKSPACE_ID: W, "app.kubernetes.io/name": "w" },
        },
        "spec": { "containers": [], "schedulingGates": gate },
        "status": { "phase": "Pending" },
    });
    change(&mut pod);
    let pod: Pod = serde_json::from_value(pod).expect("a Pod");
    Observed::pod(&pod).expect("usable")
}

fn runs_on(node: &'static str) -> impl Fn(&mut Value) {
    move |pod| {
        pod["spec"] = json!({ "containers": [], "nodeName": node });
        let container = json!({ "name": "main", "image": "i", "imageID": "", "ready": true, "restartCount": 0,
                                "state": { "running": {} } });
        pod["status"] = json!({ "phase": "Running", "containerStatuses": [container] });
    }
}

fn names(admissions: &[Admission]) -> Vec<&str> {
    admissions.iter().map(|admission| admission.pod.as_str()).collect()
}

fn problems(agent: &mut Agent) -> Vec<(String, String)> {
    let news: Vec<_> = agent.full().flat_map(|(_, infos)| infos).collect();
    let problems = news.into_iter().flat_map(|info| info.pod_problems);
    problems.map(|problem| (problem.reason.to_string(), problem.message.to_string())).collect()
}

#[test]
fn the_only_pod_is_let_go_at_once_and_once() {
    let (mut agent, now) = (agent(), Instant::now());
    agent.index_mut().apply(pod("a", |_| ()));
    let admissions = agent.admissions(now);
    assert_eq!(names(&admissions), ["a"]);
    assert_eq!(admissions[0].patch()["metadata"]["uid"], "uid-a", "that pod and no other");
    assert!(agent.admissions(now + SECOND).is_empty(), "the watch will show it");
    assert_eq!(names(&agent.admissions(now + SHOWN)), ["a"], "or it is tried again");
    agent.index_mut().apply(pod("a", runs_on("one")));
    assert!(agent.admissions(now + 2 * SHOWN).is_empty());
    assert_eq!(agent.next_due(), None, "nothing is left to be done");
    assert_eq!(problems(&mut agent), []);
}

#[test]
fn a_second_pod_waits_until_the_first_is_gone_from_the_api() {
    let (mut agent, now) = (agent(), Instant::now());
    let states: [fn(&mut Value); 3] = [
        |pod| runs_on("one")(pod),
        // Let go, and on its way to a node.
        |pod| pod["spec"] = json!({ "containers": [] }),
        // It ended, and its deletion is held by somebody.
        |pod| {
            runs_on("one")(pod);
            pod["status"] = json!({ "phase": "Succeeded" });
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        },
    ];
    for state in states {
        let first = pod("a", state);
        agent.index_mut().apply(first.clone());
        agent.index_mut().apply(pod("b", |_| ()));
        assert!(agent.admissions(now).is_empty());
        assert_eq!(problems(&mut agent)[0].0, PodProblem::ANOTHER_POD);
        assert!(problems(&mut agent)[0].1.contains("pod a"));
    }
    agent.index_mut().delete(&pod("a", |_| ()).key);
    assert_eq!(names(&agent.admissions(now)), ["b"], "that one had ended");
}

#[test]
fn what_was_evicted_or_ended_by_itself_is_in_nobodys_way() {
    let (mut agent, now) = (agent(), Instant::now());
    agent.index_mut().apply(pod("a", |pod| {
        runs_on("one")(pod);
        pod["status"] = json!({ "phase": "Failed", "reason": "Evicted" });
    }));
    agent.index_mut().apply(pod("b", |_| ()));
    assert_eq!(names(&agent.admissions(now)), ["b"]);
}

#[test]
fn of_two_that_wait_only_the_older_goes() {
    let (mut agent, now) = (agent(), Instant::now());
    agent.index_mut().apply(pod("b", |_| ()));
    agent
        .index_mut()
        .apply(pod("a", |pod| pod["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:01Z")));
    assert_eq!(names(&agent.admissions(now)), ["b"]);
    assert!(agent.admissions(now + SECOND).is_empty());
}

#[test]
fn a_pod_in_a_foreign_place_neither_holds_nor_is_let_go() {
    let (mut agent, now) = (agent(), Instant::now());
    agent.index_mut().apply(pod("a", |pod| {
        runs_on("one")(pod);
        pod["metadata"]["namespace"] = json!("aaa");
    }));
    agent.index_mut().apply(pod("c", |pod| pod["metadata"]["namespace"] = json!("aaa")));
    agent.index_mut().apply(pod("b", |_| ()));
    assert_eq!(names(&agent.admissions(now)), ["b"]);
}

#[test]
fn a_lost_node_is_named_and_so_is_who_must_act() {
    let (mut agent, now) = (agent(), Instant::now());
    agent.index_mut().apply(pod("a", runs_on("one")));
    assert_eq!(problems(&mut agent), []);
    agent.index_mut().nodes_mut().show("one", &ready("Unknown"));
    assert!(agent.has_news(), "nothing of the workspace itself has changed");
    let (reason, message) = problems(&mut agent).remove(0);
    assert_eq!(reason, PodProblem::NODE_LOST);
    for word in
        ["administrator", "kubectl delete node one", "--namespace berth-w-02020202 delete pod a", "--force"]
    {
        assert!(message.contains(word), "{message}");
    }
    // Kubernetes evicts it, and makes another.
    agent.index_mut().apply(pod("a", |pod| {
        runs_on("one")(pod);
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    }));
    agent.index_mut().apply(pod("b", |_| ()));
    assert!(agent.admissions(now + 3_600 * SECOND).is_empty(), "however long it takes");
    assert_eq!(problems(&mut agent)[0].0, PodProblem::NODE_LOST);
    agent.index_mut().nodes_mut().remove("one");
    assert_eq!(problems(&mut agent)[0].0, PodProblem::NODE_LOST, "until its pods are removed, too");
}

#[test]
fn after_a_forced_deletion_the_next_pod_waits_for_the_containers() {
    let (mut agent, now) = (agent(), Instant::now());
    agent.index_mut().apply(pod("a", runs_on("one")));
    agent.index_mut().apply(pod("b", |_| ()));
    assert!(agent.admissions(now).is_empty());
    agent.index_mut().delete(&pod("a", |_| ()).key);
    assert!(agent.admissions(now).is_empty(), "its kubelet may not even have heard of it");
    assert!(problems(&mut agent)[0].1.contains("by force"));
    assert_eq!(agent.next_due(), Some(now + FORCED));
    assert_eq!(names(&agent.admissions(now + FORCED)), ["b"]);
    assert_eq!(problems(&mut agent), []);
}

#[test]
fn a_running_workspace_gets_the_gate_when_it_stops_and_not_by_a_restart() {
    let deployment = |replicas: i32| json!({ "spec": { "replicas": replicas, "template": { "spec": {} } } });
    let gated = |replicas: i32, live: Option<Template>| {
        let mut deployment = deployment(replicas);
        put_on(&mut deployment, live);
        deployment["spec"]["template"]["spec"]["schedulingGates"] == json!([{ "name": POD_GATE }])
    };
    let live = |gated, replicas| Some(Template { gated, replicas });
    assert!(gated(1, None) && gated(1, live(true, 1)) && gated(1, live(false, 0)));
    assert!(gated(0, live(false, 1)) && gated(0, live(true, 1)));
    assert!(!gated(1, live(false, 1)), "its pod would be made anew");
}
