//! A device that shows a code (RFC 8628).

use reqwest::Method;
use serde_json::{Value, json};

use super::{Cli, refused, text};
use crate::sign_in::signed_in;
use crate::support::{App, Reply, Requests, Visitor};

#[tokio::test]
async fn a_device_is_let_in_by_its_code_and_acts_as_the_person() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let cli = Cli::of(app);
        let device = cli.begin().await;
        assert_eq!(refused(&cli.poll(&device).await), "400 authorization_pending");
        assert_eq!(refused(&cli.poll(&device).await), "400 slow_down");
        let page = ada.get(&format!("/device?user_code={}", text(&device, "user_code"))).await;
        assert!(page.text.contains("ada&#39;s laptop") && page.text.contains("127.0.0.1"), "{}", page.text);
        // To look lets nobody in.
        assert_eq!(refused(&cli.poll(&device).await), "400 slow_down");
        let lower = text(&device, "user_code").to_lowercase();
        let answer = ada.submit("/device", &[("user_code", &lower), ("decision", "allow")]).await;
        assert_eq!(answer.status, 200);
        let again = ada.submit("/device", &[("user_code", &lower), ("decision", "refuse")]).await;
        assert_eq!(again.status, 404);
        for page in [again, ada.get("/device?user_code=BBBBBBBB").await] {
            assert!(page.status == 404 && page.text.contains("There is no such code"), "{}", page.text);
        }
        let tokens: Value = cli.poll(&device).await.expect(200);
        assert_eq!((text(&tokens, "token_type"), &tokens["expires_in"]), ("Bearer", &json!(600)));
        assert_eq!(refused(&cli.poll(&device).await), "400 invalid_grant");

        let account: Value = cli.get(&tokens, "/api/v1/account").await.expect(200);
        assert_eq!(account["name"], "Ada");
        assert_eq!(account["organizations"][0]["name"], "acme");
        assert_eq!(cli.get(&tokens, "/api/v1/organizations/acme/workspaces").await.status, 200);
        let whoami = cli.get_as(text(&tokens, "access_token"), "/api/v1/whoami", Some("acme")).await;
        assert_eq!(whoami.expect::<Value>(200)["token_name"], "Ada");
        // What somebody makes while they are logged in stays when they are not.
        let request = cli.visitor.request(Method::POST, "/api/v1/organizations/acme/tokens");
        let request = request.bearer_auth(text(&tokens, "access_token"));
        let wanted = json!({"name": "ci", "same_subject": true});
        let made = Reply::of(request.json(&wanted).send().await.expect("an answer")).await;
        let made = made.expect::<Value>(201);
        let end: jiff::Timestamp = text(&made, "expires_at").parse().expect("a time");
        assert!(end > jiff::Timestamp::now() + jiff::SignedDuration::from_hours(364 * 24), "{end}");
        assert_eq!(cli.get_as(text(&made, "token"), "/api/v1/whoami", None).await.status, 200);
        // Without saying which organisation is meant.
        assert_eq!(cli.get(&tokens, "/api/v1/whoami").await.status, 400);
        let elsewhere = cli.get(&tokens, "/api/v1/organizations/umbrella/workspaces").await;
        assert_eq!(elsewhere.status, 404);
        // There is no way from an organisation to the account.
        let others = admin.get("/api/v1/account").await;
        assert_eq!(others.status, 403, "{}", others.text);
        assert!(ada.get("/sessions").await.text.contains("ada&#39;s laptop"));
    })
    .await;
}

#[tokio::test]
async fn a_device_that_is_refused_or_late_gets_nothing() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let cli = Cli::of(app);
        let device = cli.begin().await;
        let answer = [("user_code", text(&device, "user_code")), ("decision", "refuse")];
        assert_eq!(ada.submit("/device", &answer).await.status, 200);
        assert_eq!(refused(&cli.poll(&device).await), "400 access_denied");
        let late = cli.begin().await;
        app.execute("UPDATE device_requests SET expires_at = now()").await;
        let answer = [("user_code", text(&late, "user_code")), ("decision", "allow")];
        assert_eq!(ada.submit("/device", &answer).await.status, 404);
        assert_eq!(refused(&cli.poll(&late).await), "400 expired_token");
        // Whoever is suspended meanwhile is not let in.
        let third = cli.begin().await;
        let answer = [("user_code", text(&third, "user_code")), ("decision", "allow")];
        assert_eq!(ada.submit("/device", &answer).await.status, 200);
        app.execute("UPDATE accounts SET suspended_at = now()").await;
        assert_eq!(refused(&cli.poll(&third).await), "400 access_denied");
        // Nobody who is not signed in decides anything.
        let fourth = cli.begin().await;
        let answer = [("user_code", text(&fourth, "user_code")), ("decision", "allow")];
        let sent = Visitor::new(app.address()).submit("/device", &answer).await;
        assert_eq!((sent.status, sent.header("location")), (303, "/sign-in"));
        for wrong in ["berth_dev_x", "", "x"] {
            let reply = cli.poll(&json!({"device_code": wrong})).await;
            assert_eq!(refused(&reply), "400 invalid_grant");
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_session_has_let_in_ends_with_it() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let mut stolen = signed_in(app, "acme", "Ada").await;
        let cli = Cli::of(app);
        let (device, own) = (cli.begin().await, cli.begin().await);
        for (browser, device) in [(&mut stolen, &device), (&mut ada, &own)] {
            let answer = [("user_code", text(device, "user_code")), ("decision", "allow")];
            assert_eq!(browser.submit("/device", &answer).await.status, 200);
        }
        assert_eq!(ada.submit("/sessions/end-others", &[]).await.status, 303);
        assert_eq!(refused(&cli.poll(&device).await), "400 access_denied");
        assert_eq!(cli.poll(&own).await.status, 200, "what the one that goes on has let in is let in");
    })
    .await;
}

#[tokio::test]
async fn what_an_organisation_has_taken_from_a_browser_it_does_not_get_back_by_a_command_line() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        assert_eq!(ada.get("/organizations/acme/workspaces").await.status, 200);
        let cli = Cli::of(app);
        let early = cli.begin().await;
        let answer = [("user_code", text(&early, "user_code")), ("decision", "allow")];
        assert_eq!(ada.submit("/device", &answer).await.status, 200);
        app.execute("UPDATE access_tokens SET revoked_at = now() WHERE is_session").await;
        assert_eq!(refused(&cli.poll(&early).await), "400 access_denied", "it was decided before");
        let device = cli.begin().await;
        let answer = [("user_code", text(&device, "user_code")), ("decision", "allow")];
        let led = ada.submit("/device", &answer).await;
        assert!(led.status == 303 && led.header("location").starts_with("/confirm"), "{}", led.text);
        assert_eq!(refused(&cli.poll(&device).await), "400 authorization_pending");
        app.execute("UPDATE sessions SET verified_at = now() + interval '1 second'").await;
        assert_eq!(ada.submit("/device", &answer).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn one_address_does_not_fill_the_room_of_all_devices() {
    App::run(async |app| {
        let cli = Cli::of(app);
        app.execute(
            "INSERT INTO device_requests (secret_hash, user_code, device_name, address, created_at, expires_at, interval_seconds)
             SELECT sha256(n::text::bytea), lpad(n::text, 8, '0'), 'x', '127.0.0.1', now(), now() + interval '10 min', 5
             FROM generate_series(1, 100) n",
        )
        .await;
        let full = cli.post("/oauth/device_authorization", &[]).await;
        assert_eq!(full.status, 429);
        assert!(full.headers.contains_key("retry-after"));
        app.execute("UPDATE device_requests SET expires_at = now()").await;
        cli.begin().await;
    })
    .await;
}
