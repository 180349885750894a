use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, answer, bodies, ok, problem};

fn credential(host: &str, rest: &Value) -> Value {
    let mut credential = json!({
        "host": host, "method": "token", "username": "berth", "updated_at": "2026-01-01T00:00:00Z",
    });
    let rest = rest.as_object().expect("an object").clone();
    credential.as_object_mut().expect("an object").extend(rest);
    credential
}

#[tokio::test]
async fn hosts_are_listed_without_tokens() {
    let server = MockServer::start().await;
    let mut signed = json!({"method": "jwt", "audience": "git", "plain_http": true});
    let of_before = credential("c.d:81", &signed);
    signed["token_audience"] = json!("git/organization/1");
    let items = json!({ "items": [credential("a.b", &json!({})), of_before, credential("e.f", &signed)] });
    answer(&server, "GET", "/git-credentials", ok(items)).await;
    let stdout = Berth::with(&server).run(&["git-credentials", "list"]).ok().stdout;
    let lines: Vec<Vec<&str>> = stdout.lines().map(|line| line.split('\t').take(5).collect()).collect();
    assert_eq!(lines[1], ["a.b", "https", "token", "berth", "-"]);
    assert_eq!(lines[2], ["c.d:81", "http", "jwt", "berth", "git"]);
    assert_eq!(lines[3], ["e.f", "http", "jwt", "berth", "git/organization/1"], "what the host demands");
}

#[tokio::test]
async fn a_token_is_read_from_a_file_and_never_repeated() {
    let server = MockServer::start().await;
    answer(&server, "PUT", "/git-credentials/git.example.com", ok(credential("git.example.com", &json!({}))))
        .await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    std::fs::write(&file, "hunter2\r\n").expect("a file");
    let file = file.to_str().expect("a path");
    let ran =
        Berth::with(&server).run(&["git-credentials", "set", "git.example.com", "--token-file", file]).ok();
    assert!(!ran.stdout.contains("hunter2") && !ran.stderr.contains("hunter2"));
    ran.says("Workspaces of the organization log in at git.example.com by the stored token, unless");
    let requests = server.received_requests().await.expect("recorded");
    let put = requests.iter().find(|request| request.method.as_str() == "PUT").expect("a PUT");
    let body: Value = serde_json::from_slice(&put.body).expect("JSON");
    assert_eq!(body, json!({"token": "hunter2"}));
}

#[tokio::test]
async fn what_cannot_be_set_is_told_before_anything_is_sent() {
    let server = MockServer::start().await;
    let berth = || Berth::with(&server);
    let ran =
        berth().run(&["git-credentials", "set", "https://u:hunter2@git.example.com", "--audience", "a"]);
    let ran = ran.exits(2).says("HOST must be a host name");
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    berth()
        .run(&["git-credentials", "set", "git.example.com"])
        .exits(2)
        .says("--token-file <FILE>|--audience <AUDIENCE>");
    berth().run(&["git-credentials", "set", "a", "--token-file", "/dev/null"]).exits(2).says("is empty");
    assert!(server.received_requests().await.expect("recorded").is_empty());
}

#[tokio::test]
async fn a_host_that_is_not_there_cannot_be_deleted() {
    let server = MockServer::start().await;
    let missing = problem(404, "there is no such git credential", &json!([]));
    answer(&server, "DELETE", "/git-credentials/git.example.com", missing).await;
    let ran = Berth::with(&server).run(&["git-credentials", "delete", "git.example.com"]).exits(3);
    ran.says("there is no such git credential");
}

#[tokio::test]
async fn those_of_a_group_a_project_and_of_ones_own_are_at_places_of_their_own() {
    let server = MockServer::start().await;
    let at = [
        (vec!["--group", "platform"], "/groups/platform"),
        (vec!["--project", "platform/api"], "/projects/platform%2Fapi"),
        (vec!["--mine"], "/me"),
    ];
    for (_, below) in &at {
        let path = format!("{below}/git-credentials");
        let shown = credential("git.example.com", &json!({}));
        answer(&server, "PUT", &path, ok(shown.clone())).await;
        answer(&server, "GET", &path, ok(json!({"items": [shown.clone()]}))).await;
        answer(&server, "POST", &format!("{path}/remove"), ok(shown)).await;
    }
    let berth = Berth::with(&server);
    for (whose, _) in &at {
        let run = |args: &[&str]| berth.run(&[&["git-credentials"], args, whose.as_slice()].concat());
        run(&["set", "git.example.com", "--audience", "git"]).ok();
        assert!(run(&["list"]).ok().stdout.contains("git.example.com\thttps"));
        run(&["delete", "git.example.com"]).ok().says("do not log in at git.example.com by this any more");
    }
    let sent = bodies(&server).await;
    let put = json!({"host": "git.example.com", "audience": "git"});
    let removed = json!({"host": "git.example.com"});
    assert_eq!(sent, [&put, &removed].repeat(3).into_iter().cloned().collect::<Vec<_>>());
}
