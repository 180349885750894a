use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, answer, ok, problem};

fn provider() -> Value {
    json!({
        "id": "00000000-0000-4000-8000-000000000001", "name": "sso", "issuer": "https://id.example.com", "client_id": "berth",
        "has_secret": true, "scopes": ["profile", "email"], "listed": true,
        "admission": {"email_domains": ["acme.com"], "roles": [{"claim": "groups", "value": "a:b", "role": "owner"}]},
        "evidence": {"amr": ["mfa"], "max_age_seconds": 3600},
        "redirect_uri": "https://berth.example.com/sign-in/callback/1",
        "backchannel_logout_uri": "https://berth.example.com/sign-in/backchannel-logout/1",
        "post_logout_redirect_uri": "https://berth.example.com/signed-out",
        "sign_in_uri": "https://berth.example.com/sign-in/with/1", "updated_at": "2026-01-01T00:00:00Z",
    })
}

#[tokio::test]
async fn providers_are_listed_with_whom_they_let_in_and_what_they_have_to_prove() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/identity-providers", ok(json!({"items": [provider()]}))).await;
    let stdout = Berth::with(&server).run(&["identity-providers", "list"]).ok().stdout;
    let line: Vec<&str> = stdout.lines().nth(1).expect("a line").split('\t').take(5).collect();
    let lets_in = "@acme.com, groups=a:b:owner";
    assert_eq!(line, ["sso", "https://id.example.com", "berth", lets_in, "amr mfa, within 3600 s"]);
}

#[tokio::test]
async fn a_provider_is_set_as_it_was_told_and_what_to_register_is_said() {
    let server = MockServer::start().await;
    answer(&server, "PUT", "/identity-providers/sso", ok(provider())).await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("secret");
    std::fs::write(&file, "hunter2\n").expect("a file");
    let file = file.to_str().expect("a path");
    let ran = Berth::with(&server).run(&[
        "identity-providers",
        "set",
        "sso",
        "--issuer",
        "https://id.example.com",
        "--client-id",
        "berth",
        "--client-secret-file",
        file,
        "--email-domain",
        "acme.com",
        "--role",
        "groups=a:b:owner",
        "--require-amr",
        "mfa",
        "--max-age",
        "3600",
    ]);
    let ran = ran.ok();
    assert!(!ran.stdout.contains("hunter2") && !ran.stderr.contains("hunter2"));
    ran.says("redirect URI: https://berth.example.com/sign-in/callback/1");
    let requests = server.received_requests().await.expect("recorded");
    let put = requests.iter().find(|request| request.method.as_str() == "PUT").expect("a PUT");
    let body: Value = serde_json::from_slice(&put.body).expect("JSON");
    let expected = json!({
        "issuer": "https://id.example.com", "client_id": "berth", "client_secret": "hunter2", "scopes": ["profile", "email"],
        "listed": true,
        "admission": {"email_domains": ["acme.com"], "roles": [{"claim": "groups", "value": "a:b", "role": "owner"}]},
        "evidence": {"amr": ["mfa"], "max_age_seconds": 3600},
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_is_no_rule_is_told_before_anything_is_sent() {
    let server = MockServer::start().await;
    let set = |rule: &str| {
        let start =
            ["identity-providers", "set", "sso", "--issuer", "https://a.b", "--client-id", "c", "--role"];
        Berth::with(&server).run(&[start.as_slice(), &[rule]].concat())
    };
    set("groups").exits(2).says("must be CLAIM=VALUE:ROLE");
    set("groups=a").exits(2).says("must be CLAIM=VALUE:ROLE");
    set("groups=a:emperor").exits(2).says("the role must be one of owner");
    assert!(server.received_requests().await.expect("recorded").is_empty());
}

#[tokio::test]
async fn a_provider_that_is_not_there_cannot_be_deleted() {
    let server = MockServer::start().await;
    let missing = problem(404, "there is no such identity provider", &json!([]));
    answer(&server, "DELETE", "/identity-providers/sso", missing).await;
    let ran = Berth::with(&server).run(&["identity-providers", "delete", "sso"]).exits(3);
    ran.says("there is no such identity provider");
}
