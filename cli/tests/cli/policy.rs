//! `berth policy …` and `berth auth can-i`.

use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, answer, ok, problem};

const RULES: &str = "@id(\"a\")\npermit (principal, action, resource);\n";

fn policy(version: i64) -> Value {
    json!({"version": version, "built_in": false, "rules": RULES, "schema": "entity Subject;\n"})
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    std::fs::write(&path, text).expect("a file");
    let path = path.to_str().expect("a path").to_owned();
    (directory, path)
}

#[tokio::test]
async fn rules_are_printed_as_they_are_and_set_whole() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/policy", ok(policy(3))).await;
    answer(&server, "PUT", "/policy", ok(policy(4))).await;
    let berth = || Berth::with(&server);
    let ran = berth().run(&["policy", "get"]).ok();
    assert_eq!(ran.stdout, RULES);
    ran.says("Version 3: rules of the organization's.");
    assert_eq!(berth().run(&["policy", "get", "--schema"]).ok().stdout, "entity Subject;\n");
    let (_directory, path) = file(RULES);
    berth()
        .run(&["policy", "set", "-f", &path, "--if-version", "3"])
        .ok()
        .says("The policy is at version 4.");
    berth().run(&["policy", "set", "--built-in", "--dry-run"]).ok().says("nothing was set");
    let requests = server.received_requests().await.expect("recorded");
    let puts: Vec<_> = requests.iter().filter(|request| request.method.as_str() == "PUT").collect();
    let body = |number: usize| serde_json::from_slice::<Value>(&puts[number].body).expect("JSON");
    assert_eq!((body(0), body(1)), (json!({"rules": RULES}), json!({"built_in": true})));
    assert_eq!(puts[0].headers["if-match"], "\"3\"");
    assert_eq!(puts[1].url.query(), Some("dry_run=true"));
}

#[tokio::test]
async fn what_cannot_be_meant_is_told_before_anything_is_sent() {
    let server = MockServer::start().await;
    for wrong in [
        vec!["policy", "set"],
        vec!["policy", "set", "--built-in", "-f", "x"],
        vec!["policy", "set", "--built-in", "--dry-run", "--if-version", "3"],
        vec!["policy", "test"],
        vec!["auth", "can-i"],
        vec!["tokens", "create", "x", "--role", "emperor"],
        vec!["tokens", "create", "x", "--role", "owner", "--same-subject"],
    ] {
        Berth::with(&server).run(&wrong).exits(2);
    }
    assert!(server.received_requests().await.expect("recorded").is_empty());
}

#[tokio::test]
async fn answers_that_were_not_expected_fail_the_command() {
    let server = MockServer::start().await;
    let answers = json!({"answers": [
        {"allowed": true, "reason": "permitted", "rules": ["developers-own-workspaces"]},
        {"allowed": false, "reason": "not-permitted", "rules": []},
    ]});
    answer(&server, "POST", "/policy/test", ok(answers)).await;
    let ask = |expected: bool| {
        let questions = json!([
            {"role": "developer", "action": "workspace.stop", "own": true, "expect": true},
            {"role": "developer", "action": "workspace.stop", "expect": expected},
        ]);
        let (_directory, path) = file(&questions.to_string());
        Berth::with(&server).run(&["policy", "test", "--questions", &path])
    };
    let ran = ask(false).ok();
    assert!(ran.stdout.contains("developer\tworkspace.stop\tyes\tyes\tpermitted\tdevelopers-own-workspaces"));
    ask(true).exits(8).says("1 of 2 answers are not as expected");
}

#[tokio::test]
async fn one_may_ask_what_one_may_do() {
    let server = MockServer::start().await;
    let told = json!({"action": "workspace.stop", "resource": "x", "role": "developer", "policy_version": 2,
        "allowed": false, "reason": "forbidden", "rules": ["freeze"]});
    answer(&server, "GET", "/can-i", ok(told)).await;
    let berth = || Berth::with(&server);
    let ran = berth().run(&["auth", "can-i", "workspace.stop", "mine", "--explain"]).exits(8);
    assert_eq!(ran.stdout, "no\n");
    ran.says("As developer, by version 2 of the policy: forbidden (rule freeze).");
    let hidden = MockServer::start().await;
    answer(&hidden, "GET", "/can-i", problem(404, "there is no such workspace", &json!([]))).await;
    Berth::with(&hidden).run(&["auth", "can-i", "workspace.stop", "x"]).exits(3);
}

#[tokio::test]
async fn what_is_permitted_and_would_be_refused_all_the_same_is_told_with_its_field() {
    let server = MockServer::start().await;
    let told = json!({"action": "workspace.start", "resource": "x", "role": "developer", "policy_version": 2,
        "objection": {"field": "agent", "message": "'here' is not allowed for project 'a/b'"},
        "allowed": true, "reason": "permitted", "rules": ["developers-own-workspaces"]});
    answer(&server, "GET", "/can-i", ok(told)).await;
    for explain in [&[][..], &["--explain"]] {
        let ran = Berth::with(&server).run(&[&["auth", "can-i", "workspace.start", "x"], explain].concat());
        let ran = ran.exits(8);
        assert_eq!(ran.stdout, "not now\n");
        ran.says(
            "would be refused at the moment all the same: agent: 'here' is not allowed for project 'a/b'",
        );
    }
}
