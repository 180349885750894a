use serde_json::json;
use wiremock::MockServer;

use crate::support::{
    Berth, ORGANIZATION, WORKSPACE_ID, agent, answer, bodies, ok, problem, requests, workspace,
};

#[tokio::test]
async fn each_verb_asks_for_its_change_and_prints_the_name() {
    let server = MockServer::start().await;
    for verb in ["start", "stop", "restart", "terminate", "rebuild"] {
        let below = format!("/workspaces/reef/{verb}");
        answer(&server, "POST", &below, ok(workspace("Running", "Stopped", 2, 1))).await;
    }
    answer(&server, "POST", "/agents/here/revoke", ok(agent("here"))).await;
    let berth = Berth::with(&server);
    for args in [
        vec!["start", "reef"],
        vec!["workspaces", "stop", "reef"],
        vec!["ws", "restart", "reef"],
        vec!["delete", "reef", "--yes"],
        vec!["rebuild", "reef", "--image", "debian:14"],
    ] {
        berth.run(&args).ok().prints("reef\n").says("Workspace 'reef' is ");
    }
    berth.run(&["agents", "revoke", "here", "-y"]).ok().prints("here\n").says("is revoked");
    let sent = ["start", "stop", "restart", "terminate", "rebuild"]
        .map(|verb| format!("POST {ORGANIZATION}/workspaces/reef/{verb}\n"))
        .concat();
    assert_eq!(requests(&server).await, sent + &format!("POST {ORGANIZATION}/agents/here/revoke\n"));
    assert_eq!(bodies(&server).await, [json!({ "image": "debian:14" })]);
}

#[tokio::test]
async fn a_generation_that_is_expected_goes_into_if_match() {
    let server = MockServer::start().await;
    answer(&server, "POST", "/workspaces/reef/stop", problem(412, "it is of generation 5", &json!([]))).await;
    let ran = Berth::with(&server).run(&["stop", "reef", "--if-generation", "4"]);
    ran.exits(6).says("it is of generation 5").says("hint: somebody changed it meanwhile");
    let sent = server.received_requests().await.unwrap();
    assert_eq!(sent[0].headers["if-match"], "\"4\"");
}

#[tokio::test]
async fn nothing_is_deleted_or_revoked_unasked() {
    let server = MockServer::start().await;
    let berth = Berth::with(&server);
    berth.run_with(&["delete", "reef"], "y\n").exits(2).says("no terminal to ask").says("--yes");
    berth.run_with(&["agents", "revoke", "here"], "y\n").exits(2).says("--yes");
    assert_eq!(requests(&server).await, "");
}

#[tokio::test]
async fn one_of_several_that_fails_does_not_keep_the_others() {
    let server = MockServer::start().await;
    answer(
        &server,
        "POST",
        "/workspaces/gone/stop",
        problem(404, "there is no workspace 'gone'", &json!([])),
    )
    .await;
    answer(&server, "POST", "/workspaces/reef/stop", ok(workspace("Stopped", "Running", 2, 1))).await;
    let ran = Berth::with(&server).run(&["stop", "gone", "reef"]).exits(3).prints("reef\n");
    ran.says("cannot stop workspace 'gone': there is no workspace 'gone'").says("1 of 2 failed");
}

fn agent_with_a_loss() -> serde_json::Value {
    let mut found = agent("here");
    found["suspected_loss"] = json!({
        "since": "2026-01-01T00:00:00Z", "missing": 6, "applied": 6, "needs_confirmation": true,
        "fingerprint": "00000000-0000-0000-0000-00000000000a",
    });
    found
}

#[tokio::test]
async fn a_loss_is_confirmed_by_what_was_seen_of_it() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/agents/here", ok(agent_with_a_loss())).await;
    answer(&server, "POST", "/agents/here/confirm-loss", ok(json!({ "workspaces": 6 }))).await;
    let berth = Berth::with(&server);
    berth.run(&["agents", "confirm-loss", "here"]).exits(2).says("--yes");
    assert_eq!(bodies(&server).await.len(), 0, "nothing is confirmed unasked");
    berth
        .run(&["agents", "confirm-loss", "here", "--yes"])
        .ok()
        .says("6 workspaces of agent 'here' are made");
    assert_eq!(bodies(&server).await, [json!({ "fingerprint": "00000000-0000-0000-0000-00000000000a" })]);
    let shown = berth.run(&["agents", "get", "here"]).ok();
    assert!(shown.stdout.contains("6 of 6 workspaces are missing"), "{}", shown.stdout);
}

#[tokio::test]
async fn a_cluster_that_enforces_nothing_is_shown_as_such() {
    let server = MockServer::start().await;
    let mut checked = agent("here");
    checked["network_check"] = json!({ "result": {
        "verdict": "not_enforced", "reason": "a pod reached another", "checked_at": "2026-01-01T00:00:00Z",
    } });
    let mut asked = agent("here");
    asked["network_check"] = json!({ "requested_at": "2026-01-01T00:00:00Z" });
    answer(&server, "POST", "/agents/here/check-network", ok(asked)).await;
    answer(&server, "GET", "/agents/here", ok(checked)).await;
    let berth = Berth::with(&server);
    let ran = berth.run(&["agents", "check-network", "here", "-o", "wide"]).ok();
    ran.says("Agent 'here' is asked to check its network");
    let shown = berth.run(&["agents", "get", "here"]).ok();
    assert!(shown.stdout.contains("NOT enforced"), "{}", shown.stdout);
}

#[tokio::test]
async fn without_a_suspected_loss_nothing_is_confirmed() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/agents/here", ok(agent("here"))).await;
    let ran = Berth::with(&server).run(&["agents", "confirm-loss", "here", "--yes"]).ok();
    ran.says("No loss is suspected");
    assert_eq!(requests(&server).await, format!("GET {ORGANIZATION}/agents/here\n"));
}

#[tokio::test]
async fn an_orphan_is_listed_and_its_removal_is_allowed_on_purpose() {
    let server = MockServer::start().await;
    let orphan = json!({
        "workspace_id": WORKSPACE_ID, "name": "stray", "namespace": "ws-stray", "removal_allowed": false,
        "first_seen_at": "2026-01-01T00:00:00Z", "kept_until": "2026-01-02T00:00:00Z",
    });
    let mut allowed = orphan.clone();
    allowed["removal_allowed"] = json!(true);
    let below = format!("/agents/here/orphans/{WORKSPACE_ID}/remove");
    answer(&server, "GET", "/agents/here/orphans", ok(json!({ "items": [orphan] }))).await;
    answer(&server, "POST", &below, ok(allowed)).await;
    let berth = Berth::with(&server);
    let shown = berth.run(&["agents", "orphans", "here"]).ok().stdout;
    assert!(shown.contains("stray") && shown.contains("ws-stray"), "{shown}");
    berth.run(&["agents", "remove-orphan", "here", WORKSPACE_ID]).exits(2).says("--yes");
    let ran = berth.run(&["agents", "remove-orphan", "here", WORKSPACE_ID, "--yes"]).ok();
    ran.prints("stray\n").says("not before 2026-01-02");
}

#[tokio::test]
async fn a_resize_sends_what_was_given_and_nothing_else() {
    let server = MockServer::start().await;
    answer(&server, "POST", "/workspaces/reef/resize", ok(workspace("Running", "Running", 2, 1))).await;
    let berth = Berth::with(&server);
    let ran = berth.run(&["resize", "reef", "--cpu", "2", "--disk", "20Gi", "--if-generation", "1"]).ok();
    ran.prints("reef\n").says("is being resized");
    assert_eq!(bodies(&server).await, [json!({ "cpu": "2", "disk": "20Gi" })]);
    assert_eq!(server.received_requests().await.unwrap()[0].headers["if-match"], "\"1\"");
    berth.run(&["resize", "reef"]).exits(2).says("--cpu");
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_told_with_its_limit() {
    let server = MockServer::start().await;
    let message = "the agent's quota of workspaces is 20, and 20 of it are used; this needs 1 more";
    let errors = json!([{ "field": "quotas.agent.workspaces", "message": message }]);
    let detail = format!("quotas.agent.workspaces: {message}");
    answer(&server, "POST", "/workspaces/reef/start", problem(403, &detail, &errors)).await;
    Berth::with(&server).run(&["start", "reef"]).exits(5).says(message);
}
