use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, WORKSPACE_ID, answer, ok, problem};

fn why() -> Value {
    json!({
        "workspace_id": WORKSPACE_ID, "name": "reef", "desired_state": "Running", "actual_state": "Failed",
        "situation": "image_cannot_be_pulled",
        "cause": "Its image cannot be pulled \u{1b}]0;owned\u{7}.",
        "reason": { "reason": "ImagePullBackOff", "message": "no such image" },
        "since": "2026-01-01T00:00:00Z",
        "next": { "actor": "user", "action": "Correct the image.", "by": "2026-01-01T00:05:00Z" },
        "generation": 4, "applied_generation": 4,
        "agent": { "name": "berlin", "last_contact_at": "2026-01-01T00:00:05Z" },
    })
}

#[tokio::test]
async fn why_tells_state_cause_reason_and_who_acts_next() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/workspaces/reef/why", ok(why())).await;
    let ran = Berth::with(&server).run(&["why", "reef"]).ok();
    let line = |label: &str| {
        let lines = ran.stdout.lines().filter_map(|line| line.split_once('\t'));
        let found = lines.clone().find(|(found, _)| *found == label);
        found.unwrap_or_else(|| panic!("no '{label}': {}", ran.stdout)).1.to_owned()
    };
    assert!(line("State").starts_with("Failed, for ") && line("State").ends_with("; wanted: Running"));
    assert_eq!(line("Cause"), r"Its image cannot be pulled \u{1b}]0;owned\u{7}.");
    assert_eq!(line("Reason"), "ImagePullBackOff: no such image");
    assert_eq!(line("Next"), "you: Correct the image.");
    assert_eq!(line("By"), "2026-01-01T00:05:00Z (now)");
    assert!(line("Agent").starts_with("berlin, heard of "));
    assert_eq!(line("Generation"), "4 (applied: 4)");
}

#[tokio::test]
async fn why_comes_as_the_apis_own_object_too() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/workspaces/reef/why", ok(why())).await;
    let berth = Berth::with(&server);
    assert_eq!(berth.run(&["workspaces", "why", "reef", "-o", "json"]).ok().json(), why());
    let yaml = berth.run(&["why", "reef", "-o", "yaml"]).ok().stdout;
    assert!(yaml.contains("situation: image_cannot_be_pulled") && !yaml.contains('\u{1b}'), "{yaml:?}");
    berth.run(&["why", "reef", "-o", "name"]).ok().prints("reef\n");
}

#[tokio::test]
async fn why_of_nothing_is_not_found() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/workspaces/reef/why", problem(404, "there is no such workspace", &json!([])))
        .await;
    let ran = Berth::with(&server).run(&["why", "reef"]).exits(3);
    ran.says("cannot ask why workspace 'reef' is as it is: there is no such workspace");
}
