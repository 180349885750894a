use std::fs;

use serde_json::{Value, json};
use wiremock::matchers::{header, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Berth, ORGANIZATION, TOKEN, answer, bodies, ok, problem, requests, whoami};

const ID: &str = "0191e2b4-0000-4000-8000-000000000007";

fn token(rest: &Value) -> Value {
    let mut token = json!({
        "id": ID, "name": "ci", "scope": "full", "created_at": "2026-01-01T00:00:00Z",
        "created_by_name": "first administrator", "subject_name": "Ada",
    });
    token.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    token
}

#[tokio::test]
async fn a_token_that_is_made_is_the_only_thing_on_stdout() {
    let server = MockServer::start().await;
    let made =
        token(&json!({"token": "berth_pat_new", "expires_at": "2099-01-01T00:00:00Z", "role": "owner"}));
    answer(&server, "POST", "/tokens", ok(made)).await;
    let berth = Berth::with(&server);
    let ran = berth.run(&["tokens", "create", "ci", "--read-only"]).ok();
    let ran = ran.says("Token 'ci' (read-only, with the role owner) is made").says("it ends at 2099-01-01");
    ran.says("not shown again").prints("berth_pat_new\n");
    assert_eq!(bodies(&server).await, [json!({"name": "ci", "scope": "read-only"})]);
    berth.run(&["tokens", "create", "a\u{202e}b"]).exits(2).says("must be letters, digits");
    berth.run(&["tokens", "create", "a", "--expires-in", "90"]).exits(2).says("not a time as in 90d");
}

#[tokio::test]
async fn tokens_are_listed_with_who_made_them_and_when_they_end() {
    let server = MockServer::start().await;
    let ended = json!({"name": "old", "expires_at": "2026-01-02T00:00:00Z"});
    let gone = json!({"name": "gone", "revoked_at": "2026-01-02T00:00:00Z", "scope": "read-only"});
    let later = json!({"name": "later", "scope": "a scope of a later version", "created_by_name": null});
    let dead = json!({"name": "dead", "signed_by": "k", "key_revoked": true});
    let items =
        json!({"items": [token(&json!({})), token(&ended), token(&gone), token(&later), token(&dead)]});
    answer(&server, "GET", "/tokens", ok(items)).await;
    let valid = Berth::with(&server).run(&["tokens", "list", "-o", "name"]).ok().prints("ci\nlater\ndead\n");
    valid.says("2 in another state are not shown; --state all shows them.");
    for (state, names) in [("revoked", "gone\n"), ("expired", "old\n"), ("valid", "ci\nlater\ndead\n")] {
        Berth::with(&server).run(&["tokens", "list", "-o", "name", "--state", state]).ok().prints(names);
    }
    let ran = Berth::with(&server).run(&["tokens", "list", "--state", "all"]).ok();
    let columns = |line: &str| {
        let cells: Vec<_> = line.split('\t').collect();
        [cells[0], cells[1], cells[2], cells[3], cells[6]].join(" ")
    };
    let lines: Vec<_> = ran.stdout.lines().skip(1).map(columns).collect();
    let expected = [
        "ci Ada full Active first administrator",
        "old Ada full Expired first administrator",
        "gone Ada read-only Revoked first administrator",
        "later Ada unknown Active the server",
        "dead Ada full Key revoked first administrator",
    ];
    assert_eq!(lines, expected);
    assert!(ran.stdout.contains("\tnever\t"), "{}", ran.stdout);
}

#[tokio::test]
async fn the_context_gets_the_new_secret_of_the_token_that_it_holds() {
    let server = MockServer::start().await;
    let mut own = whoami();
    own["token_id"] = json!(ID);
    Mock::given(path("/api/v1/whoami")).respond_with(ok(own)).mount(&server).await;
    let rotated = token(&json!({"token": "berth_pat_rotated"}));
    answer(&server, "POST", "/tokens/ci/rotate", ok(rotated)).await;
    let berth = Berth::new();
    berth.run_with(&["login", &server.uri(), "--token-stdin"], TOKEN).ok();
    let ran = berth.run(&["tokens", "rotate", "ci"]).ok().prints("berth_pat_rotated\n");
    ran.says("the old one has ended").says("uses it from now on");
    let file = fs::read_to_string(berth.home.path().join(".config/berth/config.yaml")).unwrap();
    assert!(file.contains("berth_pat_rotated") && !file.contains(TOKEN), "{file}");
    let body = bodies(&server).await.remove(0);
    assert_eq!(body, json!({"overlap_seconds": 0}));
    // One of the environment is nobody's to store.
    let berth = Berth::with(&server);
    let ran = berth.run(&["tokens", "rotate", "ci", "--overlap", "1h"]).ok();
    assert!(!ran.stderr.contains("from now on"), "{}", ran.stderr);
    assert_eq!(bodies(&server).await[1], json!({"overlap_seconds": 3600}));
}

#[tokio::test]
async fn what_would_lock_everybody_out_says_how_to_go_on() {
    let server = MockServer::start().await;
    let mut last = problem(409, "this is the last token that may change anything", &json!([]));
    last = last.set_body_raw(
        json!({"type": "urn:berth:problem:last-full-token", "title": "t", "status": 409,
               "detail": "this is the last token that may change anything"})
        .to_string(),
        "application/problem+json",
    );
    answer(&server, "POST", "/tokens/ci/revoke", last).await;
    Mock::given(path("/api/v1/whoami")).respond_with(ok(whoami())).mount(&server).await;
    let berth = Berth::with(&server);
    berth.run(&["tokens", "revoke", "ci"]).exits(2).says("--yes");
    let ran = berth.run(&["tokens", "revoke", "ci", "--yes"]).exits(6);
    ran.says("last token that may change anything").says("berth tokens create").says("--force");
    assert_eq!(bodies(&server).await, [json!({"force": false})]);
}

#[tokio::test]
async fn a_logout_forgets_the_token_and_may_take_it_away() {
    let server = MockServer::start().await;
    let mut own = whoami();
    own["token_id"] = json!(ID);
    let bearer = header("authorization", format!("Bearer {TOKEN}").as_str());
    Mock::given(path("/api/v1/whoami")).and(bearer).respond_with(ok(own)).mount(&server).await;
    let revoked = token(&json!({"revoked_at": "2026-01-01T00:00:00Z"}));
    answer(&server, "POST", &format!("/tokens/{ID}/revoke"), ok(revoked)).await;
    let berth = Berth::new();
    for (args, says) in [(&["logout"][..], "stays valid"), (&["logout", "--revoke"], "is revoked")] {
        berth.run_with(&["login", &server.uri(), "--token-stdin"], TOKEN).ok();
        berth.run(args).ok().says(says).says("is forgotten");
        berth.run(&["whoami"]).exits(4).says("not logged in");
    }
    assert_eq!(requests(&server).await.matches("/revoke").count(), 1);
    berth.run(&["logout"]).exits(3).says("no current context");
}

#[tokio::test]
async fn a_login_does_not_write_over_another_organisations_token() {
    let server = MockServer::start().await;
    let of = |token: &'static str, organization: &str| {
        let mut answer = whoami();
        answer["organization"] = json!(organization);
        Mock::given(path("/api/v1/whoami"))
            .and(header("authorization", format!("Bearer {token}").as_str()))
            .respond_with(ok(answer))
    };
    of("token-of-main", "main").mount(&server).await;
    of("token-of-other", "other").mount(&server).await;
    let berth = Berth::new();
    let url = server.uri();
    let host = url.trim_start_matches("http://");
    let login = |token: &str, args: &[&str]| {
        berth.run_with(&[&["login", url.as_str(), "--token-stdin"], args].concat(), token)
    };
    login("token-of-main", &[]).ok().says(&format!("Context '{host}'"));
    login("token-of-other", &[]).ok().says(&format!("Context '{host}/other'"));
    login("token-of-main", &[]).ok().says(&format!("Context '{host}'"));
    let refused = login("token-of-other", &["--context", host]).exits(2);
    refused.says("holds a token of organisation 'main'").says("berth logout");
    let file = fs::read_to_string(berth.home.path().join(".config/berth/config.yaml")).unwrap();
    assert!(file.contains("token-of-main") && file.contains("token-of-other"), "{file}");
}

#[tokio::test]
async fn whoever_takes_away_the_token_that_is_used_is_told() {
    const OTHER: &str = "0191e2b4-0000-4000-8000-0000000000aa";
    let server = MockServer::start().await;
    let mut own = whoami();
    own["token_id"] = json!(ID);
    Mock::given(path("/api/v1/whoami")).respond_with(ok(own)).mount(&server).await;
    let other = token(&json!({"id": OTHER, "name": "other"}));
    for (name, shown) in [("ci", token(&json!({}))), (ID, token(&json!({}))), ("other", other)] {
        answer(&server, "GET", &format!("/tokens/{name}"), ok(shown.clone())).await;
        answer(&server, "POST", &format!("/tokens/{name}/revoke"), ok(shown)).await;
    }
    let berth = Berth::with(&server);
    for name in ["ci", ID] {
        berth.run(&["tokens", "revoke", name, "--yes"]).ok().says("it is the one that this command used");
    }
    let ran = berth.run(&["tokens", "revoke", "other", "--yes"]).ok();
    assert!(!ran.stderr.contains("this command used"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_page_of_what_is_valid_ends_with_the_last_that_is_shown() {
    let server = MockServer::start().await;
    let gone = json!({"name": "gone", "revoked_at": "2026-01-02T00:00:00Z"});
    let called = |name: &str| token(&json!({ "name": name }));
    let all = json!({"items": [token(&gone), called("one"), called("two"), called("three")]});
    let cut = json!({"items": [token(&gone), called("one"), called("two")], "next": "behind-two"});
    let list = || Mock::given(path(format!("{ORGANIZATION}/tokens")));
    list().and(query_param("limit", "100")).respond_with(ok(all)).mount(&server).await;
    list().and(query_param("limit", "3")).respond_with(ok(cut)).mount(&server).await;
    let ran = Berth::with(&server).run(&["tokens", "list", "--limit", "2", "-o", "json"]).ok();
    let names: Vec<_> =
        ran.json()["items"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!((names, ran.json()["next"].clone()), (vec![json!("one"), json!("two")], json!("behind-two")));
}

#[tokio::test]
async fn a_rotation_that_is_not_over_names_what_that_command_has() {
    let server = MockServer::start().await;
    let pending = || {
        let body = json!({"type": "urn:berth:problem:rotation-pending", "title": "t", "status": 409, "detail": "not over"});
        ResponseTemplate::new(409).set_body_raw(body.to_string(), "application/problem+json")
    };
    Mock::given(path("/api/v1/whoami")).respond_with(ok(whoami())).mount(&server).await;
    answer(&server, "POST", "/tokens/ci/rotate", pending()).await;
    answer(&server, "POST", "/agents/here/rotate-token", pending()).await;
    let berth = Berth::with(&server);
    let token = berth.run(&["tokens", "rotate", "ci"]).exits(6).says("rotate without --overlap");
    assert!(!token.stderr.contains("--again"), "{}", token.stderr);
    let agent = berth.run(&["agents", "rotate-token", "here"]).exits(6).says("--again").says("--now");
    assert!(!agent.stderr.contains("overlap"), "{}", agent.stderr);
}

#[tokio::test]
async fn a_token_that_there_is_not_leads_to_the_list_of_tokens() {
    let server = MockServer::start().await;
    Mock::given(path("/api/v1/whoami")).respond_with(ok(whoami())).mount(&server).await;
    let missing = || problem(404, "there is no such token", &json!([]));
    answer(&server, "GET", "/tokens/nosuch", missing()).await;
    for how in ["rotate", "revoke"] {
        answer(&server, "POST", &format!("/tokens/nosuch/{how}"), missing()).await;
    }
    let berth = Berth::with(&server);
    for args in [
        &["tokens", "get", "nosuch"][..],
        &["tokens", "rotate", "nosuch"],
        &["tokens", "revoke", "nosuch", "--yes"],
    ] {
        berth.run(args).exits(3).says("hint: `berth tokens list --state all` shows");
    }
}
