use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, answer, bodies, ok, problem, requests};

const BELOW: &str = "/agents/berlin/configuration";

fn view(version: i64, configuration: &Value, rendered: Option<i64>) -> Value {
    let mut view = json!({
        "version": version, "configuration": configuration, "effective": { "user": 5001, "labels": { "team": "red" } },
    });
    if let Some(rendered) = rendered {
        view["rendered_again"] = rendered.into();
    }
    view
}

#[tokio::test]
async fn what_get_prints_is_what_set_takes() {
    let server = MockServer::start().await;
    let document = json!({ "user": 5002, "labels": { "team": "red" }, "network_policy": { "egress": [] } });
    answer(&server, "GET", BELOW, ok(view(3, &document, None))).await;
    answer(&server, "PUT", BELOW, ok(view(3, &document, Some(0)))).await;
    let berth = Berth::with(&server);
    for form in ["yaml", "json"] {
        let got =
            berth.run(&["agents", "configuration", "get", "berlin", "-o", form]).ok().says("at version 3");
        let set = berth.run_with(&["agents", "configuration", "set", "berlin", "-f", "-"], &got.stdout).ok();
        set.prints("").says("no workspace changes");
    }
    assert_eq!(bodies(&server).await, [document.clone(), document]);
}

#[tokio::test]
async fn what_holds_is_shown_when_asked_for() {
    let server = MockServer::start().await;
    answer(&server, "GET", BELOW, ok(view(0, &json!({}), None))).await;
    let berth = Berth::with(&server);
    berth.run(&["agents", "config", "get", "berlin"]).ok().prints("{}\n").says("no configuration of its own");
    let effective =
        berth.run(&["agents", "config", "get", "berlin", "--effective", "-o", "json"]).ok().json();
    assert_eq!(effective, json!({ "user": 5001, "labels": { "team": "red" } }));
}

#[tokio::test]
async fn every_field_that_the_server_refuses_is_told() {
    let server = MockServer::start().await;
    let errors = json!([
        { "field": "network_policy.egress[0].allow", "message": "is not a range" },
        { "field": "usr", "message": "is not known" },
    ]);
    answer(&server, "PUT", BELOW, problem(422, "two are wrong", &errors)).await;
    let ran =
        Berth::with(&server).run_with(&["agents", "config", "set", "berlin", "-f", "-"], "usr: 1").exits(1);
    ran.says("  network_policy.egress[0].allow: is not a range\n  usr: is not known\n");
}

#[tokio::test]
async fn a_version_to_insist_on_is_sent_as_a_precondition() {
    let server = MockServer::start().await;
    answer(&server, "PUT", BELOW, problem(412, "it is at version 4", &json!([]))).await;
    let arguments = ["agents", "config", "set", "berlin", "-f", "-", "--if-version", "3"];
    Berth::with(&server).run_with(&arguments, "user: 1").exits(6).says("it is at version 4");
    let all = server.received_requests().await.unwrap();
    assert_eq!(all[0].headers["if-match"], "\"3\"");
}

#[tokio::test]
async fn diff_shows_both_sides_and_changes_nothing() {
    let server = MockServer::start().await;
    answer(&server, "GET", BELOW, ok(view(3, &json!({ "user": 5002 }), None))).await;
    answer(&server, "PUT", BELOW, ok(view(3, &json!({ "user": 5003 }), Some(2)))).await;
    let ran =
        Berth::with(&server).run_with(&["agents", "config", "diff", "berlin", "-f", "-"], "user: 5003").ok();
    let expected = "--- version 3\n+++ standard input\n@@ -1 +1 @@\n-user: 5002\n+user: 5003\n";
    ran.prints(expected).says("2 workspaces would be applied anew");
    assert!(
        requests(&server)
            .await
            .ends_with("PUT /api/v1/organizations/main/agents/berlin/configuration?dry_run=true\n")
    );
}

#[tokio::test]
async fn a_file_that_is_no_document_is_refused_here() {
    let berth = Berth::at("http://127.0.0.1:9");
    for (text, says) in [
        ("", "is empty"),
        ("- a", "must hold an object"),
        ("a: [", "line 1, column"),
        ("a: 1\na: 2", "line 2, column 1: a: stands here a second time"),
        ("{\"a\": 1, \"a\": 2}", "stands here a second time"),
        ("labels: {1: x}", "write \"1\" in quotes"),
        ("user: 0777", "octal"),
        ("user: !!python/object:os.system x", "tags are not allowed"),
    ] {
        let ran = berth.run_with(&["agents", "config", "set", "berlin", "-f", "-"], text).exits(2).says(says);
        assert!(ran.stderr.lines().count() <= 2, "{}", ran.stderr);
    }
    berth.run(&["agents", "config", "set", "berlin"]).exits(2).says("--file <FILE>");
}
