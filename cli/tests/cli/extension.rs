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
