use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, answer, bodies, ok, problem};

fn variable(name: &str, is_final: bool) -> Value {
    json!({
        "name": name, "kind": "environment", "version": 2, "final": is_final, "updated_at": "2026-01-01T00:00:00Z",
    })
}

#[tokio::test]
async fn variables_are_listed_with_everything_but_their_values() {
    let server = MockServer::start().await;
    let items = json!({ "items": [variable("PROXY", true), variable("MODE", false)] });
    answer(&server, "GET", "/variables", ok(items)).await;
    let stdout = Berth::with(&server).run(&["variables", "list"]).ok().stdout;
    let lines: Vec<Vec<&str>> = stdout.lines().map(|line| line.split('\t').take(4).collect()).collect();
    assert_eq!(lines[1], ["PROXY", "environment", "2", "forbidden"]);
    assert_eq!(lines[2], ["MODE", "environment", "2", "allowed"]);
}

#[tokio::test]
async fn a_value_goes_into_the_body_and_is_not_repeated() {
    let server = MockServer::start().await;
    answer(&server, "PUT", "/variables", ok(variable("API_KEY", true))).await;
    let ran = Berth::with(&server).run(&["variables", "set", "-e", "API_KEY=hunter2", "--final"]).ok();
    assert!(!ran.stdout.contains("hunter2") && !ran.stderr.contains("hunter2"));
    ran.says("'API_KEY' (environment) is set, version 2.");
    let requests = server.received_requests().await.expect("recorded");
    let put = requests.iter().find(|request| request.method.as_str() == "PUT").expect("a PUT");
    let body: Value = serde_json::from_slice(&put.body).expect("JSON");
    assert_eq!(body, json!({"name": "API_KEY", "kind": "environment", "value": "hunter2", "final": true}));
    assert!(!put.url.as_str().contains("API_KEY"));
}

#[tokio::test]
async fn nothing_to_set_and_nothing_to_delete_are_told() {
    let server = MockServer::start().await;
    Berth::with(&server).run(&["variables", "set"]).exits(2).says("no variable is given");
    let missing = problem(404, "there is no such variable here", &json!([]));
    answer(&server, "DELETE", "/variables/file/ca.pem", missing).await;
    let ran = Berth::with(&server).run(&["variables", "delete", "ca.pem", "--kind", "file"]).exits(3);
    ran.says("there is no such variable here");
}

#[tokio::test]
async fn where_a_workspaces_variables_come_from_is_told() {
    let server = MockServer::start().await;
    let origin = |name: &str, scope: &str, overrides: Option<&str>| {
        let mut origin = variable(name, false);
        origin["scope"] = json!(scope);
        origin["set_at"] = json!("2026-01-01T00:00:00Z");
        origin["frozen_at"] = json!("2026-01-02T00:00:00Z");
        origin["overrides"] = json!(overrides);
        origin
    };
    let items = json!({ "items": [origin("A", "organization", None), origin("B", "workspace", Some("organization"))] });
    answer(&server, "GET", "/workspaces/reef/variables", ok(items)).await;
    let stdout = Berth::with(&server).run(&["variables", "explain", "reef"]).ok().stdout;
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines[1].starts_with("A\tenvironment\torganization\t2\t"), "{stdout}");
    assert!(lines[2].ends_with("\toverrides the organization"), "{stdout}");
}

#[tokio::test]
async fn those_of_a_group_a_project_and_of_ones_own_are_at_places_of_their_own() {
    let server = MockServer::start().await;
    let at = [
        (vec!["--group", "platform/payments"], "/groups/platform%2Fpayments"),
        (vec!["--project", "platform/api"], "/projects/platform%2Fapi"),
        (vec!["--mine"], "/me"),
    ];
    for (_, below) in &at {
        let path = format!("{below}/variables");
        answer(&server, "PUT", &path, ok(variable("A", false))).await;
        answer(&server, "GET", &path, ok(json!({"items": [variable("A", false)]}))).await;
        answer(&server, "POST", &format!("{path}/remove"), ok(variable("A", false))).await;
    }
    let berth = Berth::with(&server);
    for (whose, _) in &at {
        let run = |args: &[&str]| berth.run(&[&["variables"], args, whose.as_slice()].concat());
        run(&["set", "-e", "A=1"]).ok().says("'A' (environment) is set");
        assert!(run(&["list"]).ok().stdout.contains("A\tenvironment"));
        run(&["delete", "A"]).ok().says("'A' (environment) is deleted");
    }
    let bodies = bodies(&server).await;
    let given = json!({"name": "A", "kind": "environment", "value": "1", "final": false});
    let removed = json!({"name": "A", "kind": "environment"});
    assert_eq!(bodies, [&given, &removed].repeat(3).into_iter().cloned().collect::<Vec<_>>());
    for both in [["--mine", "--group=a"], ["--group=a", "--project=b"]] {
        berth.run(&[&["variables", "list"], &both[..]].concat()).exits(2);
    }
}
