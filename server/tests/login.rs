//! A command line that is let in by a browser, here or elsewhere (decision 0054).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_server::services::signing_keys;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::sign_in::signed_in;
use crate::support::{App, Reply, Requests, Visitor};

const REDIRECT: &str = "http://127.0.0.1:49152/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A command line.
pub(crate) struct Cli {
    visitor: Visitor,
}

impl Cli {
    pub(crate) fn of(app: &App) -> Self {
        Self { visitor: Visitor::new(app.address()) }
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", "berth-cli").extend_pairs(fields);
        let request = self
            .visitor
            .request(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.finish());
        Reply::of(request.send().await.expect("an answer")).await
    }

    async fn token(&self, fields: &[(&str, &str)]) -> Reply {
        self.post("/oauth/token", fields).await
    }

    pub(crate) async fn refresh(&self, tokens: &Value) -> Reply {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", text(tokens, "refresh_token"))]).await
    }

    async fn poll(&self, device: &Value) -> Reply {
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        self.token(&[("grant_type", grant), ("device_code", text(device, "device_code"))]).await
    }

    async fn begin(&self) -> Value {
        self.post("/oauth/device_authorization", &[("device_name", "ada's laptop")]).await.expect(200)
    }

    /// Gives the session up.
    pub(crate) async fn log_out(&self, tokens: &Value) -> Reply {
        self.post("/oauth/revoke", &[("token", text(tokens, "refresh_token"))]).await
    }

    /// Lets a device in.
    pub(crate) async fn log_in(&self, browser: &mut Visitor) -> Value {
        let device = self.begin().await;
        let fields = [("user_code", text(&device, "user_code")), ("decision", "allow")];
        assert_eq!(browser.submit("/device", &fields).await.status, 200);
        self.poll(&device).await.expect(200)
    }

    async fn get(&self, tokens: &Value, path: &str) -> Reply {
        self.get_as(text(tokens, "access_token"), path, None).await
    }

    async fn get_as(&self, token: &str, path: &str, organization: Option<&str>) -> Reply {
        let request = self.visitor.request(Method::GET, path).bearer_auth(token);
        let request = match organization {
            Some(organization) => request.header("berth-organization", organization),
            None => request,
        };
        Reply::of(request.send().await.expect("an answer")).await
    }
}

/// A device that asks to be let in: its code for people.
pub(crate) async fn begin_device(app: &App) -> String {
    text(&Cli::of(app).begin().await, "user_code").to_owned()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

fn refused(reply: &Reply) -> String {
    let value: Value = serde_json::from_str(&reply.text).expect("JSON");
    format!("{} {}", reply.status, text(&value, "error"))
}

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
        assert_eq!(made["expires_at"], Value::Null);
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

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_session() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let cli = Cli::of(app);
        let first = cli.log_in(&mut ada).await;
        let second: Value = cli.refresh(&first).await.expect(200);
        assert_ne!(first["refresh_token"], second["refresh_token"]);
        // Its answer was lost, or two commands ran at once: the same successor.
        let same: Value = cli.refresh(&first).await.expect(200);
        let third: Value = cli.refresh(&same).await.expect(200);
        assert_eq!(cli.get(&third, "/api/v1/account").await.status, 200);
        // An access token is none, nor the other way round.
        let mixed = [("grant_type", "refresh_token"), ("refresh_token", text(&third, "access_token"))];
        assert_eq!(refused(&cli.token(&mixed).await), "400 invalid_grant");
        let reply = cli.get_as(text(&third, "refresh_token"), "/api/v1/account", None).await;
        assert_eq!(reply.status, 401);
        // Two before: somebody has kept it.
        assert_eq!(refused(&cli.refresh(&first).await), "400 invalid_grant");
        assert_eq!(refused(&cli.refresh(&third).await), "400 invalid_grant");
        assert_eq!(cli.get(&third, "/api/v1/account").await.status, 401);

        // The one before, when the overlap is over.
        let first = cli.log_in(&mut ada).await;
        let second: Value = cli.refresh(&first).await.expect(200);
        app.execute("UPDATE sessions SET refreshed_at = now() - interval '31 seconds'").await;
        assert_eq!(refused(&cli.refresh(&first).await), "400 invalid_grant");
        assert_eq!(refused(&cli.refresh(&second).await), "400 invalid_grant");
    })
    .await;
}

#[tokio::test]
async fn a_login_ends_on_every_server_at_once() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let cli = Cli::of(app);
        let other = app.replica().await;
        let there = Cli::of(&other);
        let path = "/api/v1/organizations/acme/workspaces";
        let logged_out = cli.log_in(&mut ada).await;
        assert_eq!(there.get(&logged_out, path).await.status, 200);
        assert_eq!(cli.log_out(&logged_out).await.status, 200);
        assert_eq!(there.get(&logged_out, path).await.status, 401);
        assert_eq!(refused(&there.refresh(&logged_out).await), "400 invalid_grant");
        // What is no token is as revoked as it can be.
        assert_eq!(cli.post("/oauth/revoke", &[("token", "x")]).await.status, 200);

        let ended = cli.log_in(&mut ada).await;
        assert_eq!(ada.submit("/sessions/end-others", &[]).await.status, 303);
        assert_eq!(there.get(&ended, path).await.status, 401);
        let suspended = cli.log_in(&mut ada).await;
        app.execute("UPDATE subjects SET suspended_at = now()").await;
        assert_eq!(there.get(&suspended, path).await.status, 404);
        assert_eq!(there.get(&suspended, "/api/v1/account").await.status, 200);
        app.execute("UPDATE accounts SET suspended_at = now()").await;
        assert_eq!(there.get(&suspended, "/api/v1/account").await.status, 401);
        assert_eq!(refused(&there.refresh(&suspended).await), "400 invalid_grant");
        other.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_key_is_replaced_without_a_restart_and_what_a_revoked_one_signed_is_worth_nothing() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let cli = Cli::of(app);
        let tokens = cli.log_in(&mut ada).await;
        let published = || async {
            let jwks: Value = ada.get("/.well-known/jwks.json").await.expect(200);
            let keys = jwks["keys"].as_array().expect("keys").iter();
            keys.map(|key| text(key, "kid").to_owned()).collect::<Vec<_>>()
        };
        let before = published().await;
        assert_eq!(before.len(), 1);
        let now = Timestamp::now();
        app.on_signing_keys(now, async |keys| keys.rotate().await).await.expect("rotated");
        // Another one waits already.
        app.on_signing_keys(now, async |keys| keys.rotate().await).await.expect("rotated");
        signing_keys::of(&app.context, now).await.expect("taken up");
        let both = published().await;
        assert!(both.len() == 2 && both[0] == before[0], "the one of before signs still: {both:?}");
        let later = now + SignedDuration::from_hours(25);
        signing_keys::of(&app.context, later).await.expect("taken up");
        assert_eq!(published().await[0], both[1], "its day is over");
        assert_eq!(cli.get(&tokens, "/api/v1/account").await.status, 200, "what was signed goes on");
        app.on_signing_keys(later, async |keys| keys.revoke(&before[0]).await).await.expect("revoked");
        signing_keys::of(&app.context, later).await.expect("taken up");
        assert_eq!(published().await, [both[1].clone()]);
        assert_eq!(cli.get(&tokens, "/api/v1/account").await.status, 401);
        assert_eq!(refused(&cli.refresh(&tokens).await), "400 invalid_grant");
        assert!(app.on_signing_keys(later, async |keys| keys.revoke("nothing").await).await.is_err());
        // The last one that is good: another is made in its place.
        app.on_signing_keys(later, async |keys| keys.revoke(&both[1]).await).await.expect("revoked");
        signing_keys::of(&app.context, later).await.expect("taken up");
        assert!(published().await.len() == 1 && !both.contains(&published().await[0]));
        // After a quarter of a year the next one is made by itself.
        let much_later = later + SignedDuration::from_hours(91 * 24);
        signing_keys::of(&app.context, much_later).await.expect("taken up");
        assert_eq!(published().await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn who_is_not_signed_in_is_led_back_to_what_they_wanted() {
    App::run(async |app| {
        app.organization("acme").await;
        let link = crate::sign_in::link(app, "acme", "Ada").await;
        let mut ada = Visitor::new(app.address());
        let asked = ada.get("/device?user_code=BCDF-GHJK").await;
        assert_eq!((asked.status, asked.header("location")), (303, "/sign-in"));
        let kept = asked.header("set-cookie").split(';').next().expect("a pair").to_owned();
        assert!(kept.starts_with("__Host-berth-return="));
        ada.cookie = Some(kept);
        assert_eq!(ada.sign_in(&link).await.header("location"), "/device?user_code=BCDF-GHJK");
        // What somebody else has put there leads nowhere.
        for evil in ["https://evil.example/", "//evil.example", "/api/v1/whoami", "/\r\nx: y"] {
            let link = crate::sign_in::link(app, "acme", "Ada").await;
            let cookie = format!("__Host-berth-return={}", URL_SAFE_NO_PAD.encode(evil));
            let mut visitor = Visitor::with(app.address(), Some(cookie));
            assert_eq!(visitor.sign_in(&link).await.header("location"), "/workspaces", "{evil}");
        }
    })
    .await;
}
