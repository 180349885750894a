//! A browser of the same machine, which brings a code (RFC 8252 and RFC 7636).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::join_all;
use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::{Cli, REDIRECT, VERIFIER, refused};
use crate::sign_in::signed_in;
use crate::support::{App, Visitor};

fn authorize<'a>(state: &'a str, challenge: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("response_type", "code"),
        ("client_id", "berth-cli"),
        ("redirect_uri", REDIRECT),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        ("state", state),
        ("device_name", "<b>laptop</b>"),
    ]
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()))
}

/// The code that the browser is sent back with.
async fn code(browser: &mut Visitor) -> String {
    let challenge = challenge();
    let mut fields = authorize("a state", &challenge);
    fields[5].1 = "a-state";
    fields.push(("decision", "allow"));
    let reply = browser.submit("/oauth/authorize", &fields).await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    let back: url::Url = reply.header("location").parse().expect("a URL");
    assert!(back.as_str().starts_with(REDIRECT));
    let pairs: std::collections::HashMap<_, _> = back.query_pairs().into_owned().collect();
    assert_eq!((pairs["state"].as_str(), pairs["iss"].as_str()), ("a-state", browser.origin()));
    pairs["code"].clone()
}

#[tokio::test]
async fn what_is_taken_from_a_browser_after_it_allowed_a_code_is_not_got_back_by_the_code() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        assert_eq!(ada.get("/organizations/acme/workspaces").await.status, 200);
        let cli = Cli::of(app);
        let (early, late) = (code(&mut ada).await, code(&mut ada).await);
        app.execute("UPDATE access_tokens SET revoked_at = now() WHERE is_session").await;
        let reply = cli.post("/oauth/token", &exchange(&early, REDIRECT, VERIFIER)).await;
        assert_eq!(refused(&reply), "400 invalid_grant");
        assert_eq!(app.count("SELECT count(*) FROM sessions WHERE client = 'command-line'").await, 0);
        app.execute("UPDATE sessions SET verified_at = now() + interval '1 second'").await;
        let reply = cli.post("/oauth/token", &exchange(&late, REDIRECT, VERIFIER)).await;
        assert_eq!(reply.status, 200, "the same browser once it was proven anew: {}", reply.text);
    })
    .await;
}

fn exchange<'a>(code: &'a str, redirect: &'a str, verifier: &'a str) -> [(&'static str, &'a str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect),
        ("code_verifier", verifier),
    ]
}

#[tokio::test]
async fn a_browser_of_the_same_machine_hands_over_a_code_that_only_who_asked_can_use() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let cli = Cli::of(app);
        let challenge = challenge();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(authorize("s", &challenge))
            .finish();
        let page = ada.get(&format!("/oauth/authorize?{query}")).await;
        assert_eq!(page.status, 200);
        assert!(
            page.text.contains("&lt;b&gt;laptop") || page.text.contains("&#60;b&#62;laptop"),
            "{}",
            page.text
        );
        let policy = page.header("content-security-policy");
        assert!(policy.contains("form-action 'self' http://127.0.0.1:49152;"), "{policy}");
        // Nobody is led to somewhere else, whatever they answer.
        for decision in ["allow", "refuse"] {
            let mut fields = authorize("s", &challenge);
            fields[2].1 = "https://evil.example/callback";
            fields.push(("decision", decision));
            let reply = ada.submit("/oauth/authorize", &fields).await;
            assert_eq!(reply.status, 422);
            assert!(!reply.headers.contains_key("location"));
        }
        let given = code(&mut ada).await;
        let other = "X".repeat(43);
        assert_eq!(refused(&cli.token(&exchange(&given, REDIRECT, &other)).await), "400 invalid_grant");
        let elsewhere = "http://127.0.0.1:49153/callback";
        assert_eq!(refused(&cli.token(&exchange(&given, elsewhere, VERIFIER)).await), "400 invalid_grant");
        let damaged = format!("{}{}", &given[..given.len() - 3], "AAA");
        assert_eq!(refused(&cli.token(&exchange(&damaged, REDIRECT, VERIFIER)).await), "400 invalid_grant");
        let tokens: Value = cli.token(&exchange(&given, REDIRECT, VERIFIER)).await.expect(200);
        assert_eq!(cli.get(&tokens, "/api/v1/account").await.status, 200);
        // Shown again, somebody else has it: what it was exchanged for ends.
        assert_eq!(refused(&cli.token(&exchange(&given, REDIRECT, VERIFIER)).await), "400 invalid_grant");
        assert_eq!(cli.get(&tokens, "/api/v1/account").await.status, 401);

        let late = code(&mut ada).await;
        app.execute("UPDATE authorization_codes SET expires_at = now()").await;
        assert_eq!(refused(&cli.token(&exchange(&late, REDIRECT, VERIFIER)).await), "400 invalid_grant");
        let mut refusing = authorize("s", &challenge);
        refusing.push(("decision", "refuse"));
        let reply = ada.submit("/oauth/authorize", &refusing).await;
        assert!(reply.header("location").starts_with(&format!("{REDIRECT}?error=access_denied&state=s")));
    })
    .await;
}

#[tokio::test]
async fn a_code_is_worth_nothing_once_the_session_that_gave_it_was_ended() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let mut stolen = signed_in(app, "acme", "Ada").await;
        let (given, own) = (code(&mut stolen).await, code(&mut ada).await);
        assert_eq!(ada.submit("/sessions/end-others", &[]).await.status, 303);
        let cli = Cli::of(app);
        assert_eq!(refused(&cli.token(&exchange(&given, REDIRECT, VERIFIER)).await), "400 invalid_grant");
        assert_eq!(cli.token(&exchange(&own, REDIRECT, VERIFIER)).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn of_many_who_bring_a_code_at_once_at_most_one_is_let_in() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let given = code(&mut ada).await;
        let tries = (0..8).map(|_| async {
            let cli = Cli::of(app);
            cli.token(&exchange(&given, REDIRECT, VERIFIER)).await.status
        });
        let answers = join_all(tries).await;
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
        // The others made it end: two had the code.
        let sessions = ada.get("/sessions").await.text;
        assert!(!sessions.contains("laptop"), "{sessions}");
    })
    .await;
}
