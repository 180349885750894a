use serde_json::json;
use wiremock::{MockServer, ResponseTemplate};

use crate::support::{Berth, InTurn, TOKEN, answer, ok, problem, requests, workspace};

#[tokio::test]
async fn each_kind_of_problem_has_its_exit_code() {
    for (status, code) in
        [(400, 1), (401, 4), (403, 5), (404, 3), (409, 6), (412, 6), (422, 1), (500, 1), (503, 1)]
    {
        let server = MockServer::start().await;
        answer(&server, "POST", "/workspaces/reef/start", problem(status, "so it is", &json!([]))).await;
        let ran = Berth::with(&server).run(&["start", "reef"]).exits(code).prints("");
        ran.says("error: cannot start workspace 'reef': so it is\n").says("  request id: request-1\n");
    }
}

#[tokio::test]
async fn every_field_that_is_wrong_is_told() {
    let server = MockServer::start().await;
    let errors = json!([
        { "field": "name", "message": "is taken" },
        { "field": "variables[1].name", "message": "is reserved" },
    ]);
    answer(&server, "POST", "/workspaces", problem(422, "name: is taken (and 1 more)", &errors)).await;
    let ran = Berth::with(&server).run(&["create", "reef", "--image", "debian:13"]).exits(1);
    let expected = "error: cannot create workspace 'reef': A title\n  name: is taken\n  variables[1].name: is reserved\n  \
                    request id: request-1\n";
    assert_eq!(ran.stderr, expected);
}

#[tokio::test]
async fn one_field_is_told_once() {
    let server = MockServer::start().await;
    let errors = json!([{ "field": "name", "message": "is taken" }]);
    answer(&server, "POST", "/workspaces", problem(409, "name: is taken", &errors)).await;
    let ran = Berth::with(&server).run(&["create", "reef", "--image", "debian:13"]).exits(6);
    assert_eq!(ran.stderr.matches("is taken").count(), 1, "{}", ran.stderr);
}

#[tokio::test]
async fn an_answer_that_is_not_berths_is_named_as_such() {
    for (response, says) in [
        (
            ResponseTemplate::new(404).set_body_string("<html>nginx</html>"),
            "answered 404 in words that are not Berth's",
        ),
        (ResponseTemplate::new(302).insert_header("location", "https://login.example.com"), "answered 302"),
        (ResponseTemplate::new(200).set_body_string("{}"), "answered 200 in words that are not Berth's"),
        (ResponseTemplate::new(200).set_body_bytes(vec![b' '; 11 << 20]), "is larger than 10 MiB"),
    ] {
        let server = MockServer::start().await;
        answer(&server, "POST", "/workspaces/reef/start", response).await;
        let ran = Berth::with(&server).run(&["start", "reef"]).exits(1).says(says);
        assert!(!ran.stderr.contains("nginx"), "{}", ran.stderr);
        assert_eq!(requests(&server).await.lines().count(), 1);
    }
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_where_nothing_is_changed() {
    let server = MockServer::start().await;
    let busy = || problem(503, "draining", &json!([]));
    answer(
        &server,
        "GET",
        "/workspaces/reef",
        InTurn::new([busy(), busy(), ok(workspace("Running", "Running", 1, 1))]),
    )
    .await;
    let ran = Berth::with(&server).run(&["get", "reef", "-o", "name", "--verbose"]).ok().prints("reef\n");
    ran.says("draining; trying again in 250 ms").says("/workspaces/reef 200 in ");
}

#[tokio::test]
async fn the_problems_words_are_not_obeyed_by_the_terminal() {
    let server = MockServer::start().await;
    let errors = json!([{ "field": "a\u{1b}[2J", "message": "b\nerror: forged" }]);
    answer(&server, "POST", "/workspaces/reef/start", problem(422, "\u{1b}]0;title\u{7}", &errors)).await;
    let ran = Berth::with(&server).run(&["start", "reef"]).exits(1);
    assert!(!ran.stderr.contains('\u{1b}') && !ran.stderr.contains("\nerror: forged"), "{}", ran.stderr);
}

#[test]
fn a_server_that_is_not_there_is_named_with_the_reason() {
    let ran = Berth::at("http://127.0.0.1:1").run(&["list"]).exits(1);
    ran.says("cannot list the workspaces: no connection to http://127.0.0.1:1: Connection refused")
        .says("hint: ");
}

#[test]
fn a_token_that_is_none_is_refused_without_being_shown() {
    let pasted = format!("{TOKEN} {TOKEN}");
    Berth::at("http://127.0.0.1:1").env("BERTH_TOKEN", &pasted).run(&["list"]).exits(2).says("no token has");
}

#[test]
fn a_url_whose_password_was_given_is_refused() {
    Berth::at("http://me:pw@127.0.0.1:1").run(&["list"]).exits(2).says("must not hold a user or a password");
}

#[test]
fn certificates_that_are_none_are_named() {
    let berth = Berth::at("https://127.0.0.1:1");
    berth.run(&["list", "--ca-file", "/no/such.pem"]).exits(1).says("/no/such.pem: No such file");
    let file = berth.home.path().join("empty.pem").display().to_string();
    std::fs::write(&file, "nothing").unwrap();
    berth.run(&["list", "--ca-file", &file]).exits(2).says("holds no certificate in PEM form");
}

#[tokio::test]
async fn where_no_role_helps_none_is_hinted_at() {
    for (detail, hint) in [
        (
            "the organization's rule 'night' forbids 'workspace.start'",
            "hint: owners set the rules: `berth policy set`",
        ),
        ("this token may look at everything and change nothing", "hint: use a token that is not read-only"),
        (
            "your role does not permit 'workspace.start' here",
            "a role for a time: `berth elevations request --help`",
        ),
    ] {
        let server = MockServer::start().await;
        answer(&server, "POST", "/workspaces/reef/start", problem(403, detail, &json!([]))).await;
        let ran = Berth::with(&server).run(&["start", "reef"]).exits(5).says(hint);
        assert_eq!(
            ran.stderr.contains("a role for a time"),
            detail.starts_with("your role"),
            "{}",
            ran.stderr
        );
    }
}
