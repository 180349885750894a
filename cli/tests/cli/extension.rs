use serde_json::json;
use wiremock::MockServer;

use crate::support::{Berth, answer, bodies, ok, problem, workspace};

#[tokio::test]
async fn an_extension_says_until_when() {
    let server = MockServer::start().await;
    let mut extended = workspace("Running", "Running", 3, 3);
    extended["lifecycle"] = json!({
        "action": "stop", "rule": "max_active_hours_before_stop", "at": "2026-01-03T00:00:00Z",
        "extended_hours": 12, "extendable_hours": 24,
    });
    answer(&server, "POST", "/workspaces/reef/extend", ok(extended.clone())).await;
    answer(&server, "GET", "/workspaces/reef", ok(extended)).await;
    let berth = Berth::with(&server);
    let ran = berth.run(&["extend", "reef", "--hours", "12"]).ok().prints("reef\n");
    ran.says("Workspace 'reef' is stopped by itself at 2026-01-03T00:00:00Z.");
    assert_eq!(bodies(&server).await, [json!({ "hours": 12 })]);
    let shown = berth.run(&["get", "reef"]).ok().stdout;
    let line = shown.lines().find(|line| line.starts_with("Lifecycle\t")).unwrap();
    assert!(
        line.contains("stopped at 2026-01-03T00:00:00Z") && line.contains("max_active_hours_before_stop"),
        "{line}"
    );
    assert!(line.ends_with("extended by 12 h, up to 24 h more with `berth extend reef --hours N`"), "{line}");
}

#[tokio::test]
async fn what_is_not_granted_is_said_and_hours_are_checked_before_anything_is_sent() {
    let server = MockServer::start().await;
    let detail = "hours: at most 2 more hours are granted: 36 in all, and 34 were taken";
    let errors = json!([{ "field": "hours", "message": "at most 2 more hours are granted" }]);
    answer(&server, "POST", "/workspaces/reef/extend", problem(422, detail, &errors)).await;
    let berth = Berth::with(&server);
    berth.run(&["extend", "reef", "--hours", "12"]).exits(1).says(detail);
    for wrong in ["0", "-1", "x", "87601"] {
        berth.run(&["extend", "reef", &format!("--hours={wrong}")]).exits(2);
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_idle_is_told_with_the_time_and_how_it_is_put_off() {
    let server = MockServer::start().await;
    let mut one = workspace("Running", "Running", 3, 3);
    one["last_active_at"] = json!("2026-01-01T00:10:00Z");
    one["idle_stop"] = json!({"minutes": 30, "at": "2026-01-01T00:40:00Z"});
    answer(&server, "GET", "/workspaces/reef", ok(one.clone())).await;
    let berth = Berth::with(&server);
    let line = |shown: &str, name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name} in {shown}")).to_owned()
    };
    let shown = berth.run(&["get", "reef"]).ok().stdout;
    assert!(line(&shown, "Last active\t").contains("2026-01-01T00:10:00Z"), "{shown}");
    let idle = line(&shown, "Idle\t");
    assert!(
        idle.contains("stopped at 2026-01-01T00:40:00Z") && idle.contains("if nothing happens"),
        "{idle}"
    );
    assert!(idle.ends_with("`berth extend reef --hours N` puts it off"), "{idle}");

    // What is used up is not offered.
    one["lifecycle"] = json!({
        "action": "stop", "rule": "max_active_hours_before_stop", "at": "2026-01-01T08:00:00Z",
        "extended_hours": 24, "extendable_hours": 0,
    });
    let full = MockServer::start().await;
    answer(&full, "GET", "/workspaces/reef", ok(one.clone())).await;
    let shown = Berth::with(&full).run(&["get", "reef"]).ok().stdout;
    assert!(line(&shown, "Idle\t").ends_with("no more hours are granted"), "{shown}");
    assert!(!shown.contains("berth extend"), "{shown}");

    one["idle_stop"] = json!({"minutes": 30});
    let silent = MockServer::start().await;
    answer(&silent, "GET", "/workspaces/reef", ok(one)).await;
    let shown = Berth::with(&silent).run(&["get", "reef"]).ok().stdout;
    assert!(line(&shown, "Idle\t").ends_with("not while no proxy tells what happens in it"), "{shown}");
}
