use serde_json::json;
use wiremock::MockServer;

use crate::support::{Berth, ORGANIZATION, agent, answer, bodies, ok, problem, requests, workspace};

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
