//! A provider, or somebody who pretends to be one, or another site, does everything else.

use berth_schema::audit::{Outcome, Who};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Browser, run, set};
use crate::openid::logout::records;
use crate::support::Requests as _;
use crate::support::provider::{Behaviour, Key, Provider};

/// In which one respect a token is wrong, and what is on record of it.
fn cases() -> Vec<(&'static str, Value, Value, &'static str)> {
    let now = Timestamp::now().as_second();
    let claims = |patch: Value| (json!({}), patch);
    let header = |patch: Value| (patch, json!({}));
    let case = |name, (header, claims): (Value, Value), reason| (name, header, claims, reason);
    vec![
        case("alg none", header(json!({"alg": "none"})), "token-malformed"),
        case("alg HS256", header(json!({"alg": "HS256"})), "token-algorithm"),
        case("alg RS256", header(json!({"alg": "RS256"})), "token-key"),
        case("typ", header(json!({"typ": "at+jwt"})), "token-type"),
        case("kid", header(json!({"kid": "unknown"})), "token-key"),
        case("crit", header(json!({"crit": ["x"]})), "token-critical"),
        case("iss", claims(json!({"iss": "https://evil.example"})), "token-issuer"),
        case("no iss", claims(json!({"iss": null})), "token-claims"),
        case("aud", claims(json!({"aud": "other"})), "token-audience"),
        case("several aud", claims(json!({"aud": ["berth-at-home", "other"]})), "token-audience"),
        case("no aud", claims(json!({"aud": null})), "token-claims"),
        case("azp", claims(json!({"azp": "other"})), "token-audience"),
        case("nonce", claims(json!({"nonce": "other"})), "token-nonce"),
        case("no nonce", claims(json!({"nonce": null})), "token-nonce"),
        case("exp", claims(json!({"exp": now - 600, "iat": now - 700})), "token-expired"),
        case("no exp", claims(json!({"exp": null})), "token-claims"),
        case("iat in the future", claims(json!({"iat": now + 600, "exp": now + 900})), "token-not-yet"),
        case("iat long ago", claims(json!({"iat": now - 3_600})), "token-old"),
        case("no iat", claims(json!({"iat": null})), "token-claims"),
        case("nbf", claims(json!({"nbf": now + 600})), "token-not-yet"),
        case("no sub", claims(json!({"sub": null})), "token-subject"),
        case("empty sub", claims(json!({"sub": ""})), "token-subject"),
        case("long sub", claims(json!({"sub": "x".repeat(256)})), "token-subject"),
        case("sub of another type", claims(json!({"sub": ["ada"]})), "token-claims"),
        case("auth_time", claims(json!({"auth_time": now + 600})), "token-not-yet"),
        case("a logout token", claims(json!({"events": {}})), "token-claims"),
        case("address not verified", claims(json!({"email_verified": false})), "not-admitted"),
        case("verified as a text", claims(json!({"email_verified": "true"})), "not-admitted"),
        case("another domain", claims(json!({"email": "ada@acme.com.evil.com"})), "not-admitted"),
        case("two domains", claims(json!({"email": "ada@evil.com@acme.com"})), "not-admitted"),
    ]
}

#[tokio::test]
async fn a_token_that_is_wrong_in_one_respect_signs_nobody_in_and_is_on_record() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let provider = set(&admin, "sso", &at.form()).await;
        for (name, header, claims, reason) in cases() {
            at.honest_again();
            at.set().header = header;
            at.claim(&claims);
            let before = records(&admin).await;
            let mut browser = Browser::default();
            let reply = browser.sign_in(app, &at, &provider).await;
            assert_eq!(reply.status, 401, "{name}: {}", reply.text);
            assert_eq!(browser.cookie("__Host-berth-session"), None, "{name}");
            let is_it = |outcome: &Outcome| *outcome == Outcome::Denied(reason.to_owned());
            // Equal ones of a minute are one record.
            let records = records(&admin).await;
            let record = records.iter().find(|record| is_it(&record.outcome));
            let record = record.unwrap_or_else(|| panic!("{name}: {:?}", &records[before.len()..]));
            assert_eq!(record.who, Who::Provider { provider: provider.id }, "{name}");
        }
        at.honest_again();
        at.set().forger = Some(Key::new("first"));
        assert_eq!(Browser::default().sign_in(app, &at, &provider).await.status, 401, "another's signature");
        assert_eq!(app.count("SELECT count(*) FROM identities").await, 0);
        assert_eq!(app.count("SELECT count(*) FROM sessions").await, 0);
        at.honest_again();
        assert_eq!(
            Browser::default().sign_in(app, &at, &provider).await.status,
            303,
            "and one that is right does"
        );
    })
    .await;
}

#[tokio::test]
async fn a_way_back_is_this_browsers_once() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let provider = set(&admin, "sso", &at.form()).await;
        let refused = async |browser: &mut Browser, path: &str| {
            let reply = browser.get(app.address(), path).await;
            assert_eq!(reply.status, 401, "{path}: {}", reply.text);
            assert!(reply.text.contains("You are not signed in"), "{}", reply.text);
            assert_eq!(browser.cookie("__Host-berth-session"), None);
        };
        // Login CSRF: the attacker's own way back, in somebody else's browser.
        let mut attacker = Browser::default();
        let back = at.authorize(&attacker.begin(app.address(), &provider).await);
        let mut victim = Browser::default();
        refused(&mut victim, &back).await;
        let _ = victim.begin(app.address(), &provider).await;
        refused(&mut victim, &back).await;
        // It was not used up by that: it is the attacker's.
        let kept = attacker.visitor(app.address());
        assert_eq!(attacker.get(app.address(), &back).await.status, 303);
        // Nor is it good a second time, with all that the browser had.
        let again = kept.get(&back).await;
        assert_eq!(again.status, 401, "{}", again.text);

        // The state of another attempt of the same browser, or none.
        let mut browser = Browser::default();
        let first = at.authorize(&browser.begin(app.address(), &provider).await);
        let second = at.authorize(&browser.begin(app.address(), &provider).await);
        refused(&mut browser, &first).await;
        let without = second.split("&state=").next().expect("a part").to_owned();
        refused(&mut browser, &without).await;
        refused(&mut browser, &format!("{without}&state=")).await;
        assert_eq!(browser.get(app.address(), &format!("{second}&state=x")).await.status, 422, "twice");
        // Somebody else's code in one's own way back: it was not made for this verifier.
        let mut eve = Browser::default();
        let hers = at.authorize(&eve.begin(app.address(), &provider).await);
        let code = |path: &str| {
            path.split("code=").nth(1).and_then(|rest| rest.split('&').next()).expect("a code").to_owned()
        };
        refused(&mut browser, &second.replace(&code(&second), &code(&hers))).await;
        // Late.
        let mut late = Browser::default();
        let back = at.authorize(&late.begin(app.address(), &provider).await);
        app.execute("UPDATE sign_in_attempts SET expires_at = now()").await;
        refused(&mut late, &back).await;
        // Refused there.
        let mut browser = Browser::default();
        let back = at.authorize(&browser.begin(app.address(), &provider).await);
        let denied = back
            .replace(&format!("code={}", code(&back)), "error=access_denied&error_description=%3Cscript%3E");
        refused(&mut browser, &denied).await;
        // Two cookies of that name are none.
        let mut browser = Browser::default();
        let back = at.authorize(&browser.begin(app.address(), &provider).await);
        let mut twice = browser.visitor(app.address());
        twice.cookie = twice.cookie.map(|one| format!("{one}; {one}"));
        assert_eq!(twice.get(&back).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn two_providers_are_not_taken_for_each_other() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let (honest, evil) = (Provider::start().await, Provider::start().await);
        let good = set(&admin, "good", &honest.form()).await;
        let bad = set(&admin, "bad", &evil.form()).await;
        // The way back of one, with the other's answer: its code would be shown to the wrong one.
        let mut browser = Browser::default();
        let back = honest.authorize(&browser.begin(app.address(), &good).await);
        let crossed = back.replace(&good.id.to_string(), &bad.id.to_string());
        assert_eq!(browser.get(app.address(), &crossed).await.status, 401);
        assert!(!evil.set().asked.iter().any(|path| path == "/token"), "it has seen the code");
        // Who answers has to be whom the browser was sent to (RFC 9207), where it says so always.
        let issuer = |back: &str, with: &str| {
            let (before, _) = back.split_once("&iss=").expect("an issuer");
            format!("{before}{with}")
        };
        for with in [String::new(), format!("&iss={}", evil.issuer), "&iss=".to_owned()] {
            let mut browser = Browser::default();
            let back = honest.authorize(&browser.begin(app.address(), &good).await);
            let reply = browser.get(app.address(), &issuer(&back, &with)).await;
            assert_eq!(reply.status, 401, "{with}: {}", reply.text);
        }
        assert!(!honest.set().asked.iter().any(|path| path == "/token"), "a code was redeemed");
        // One that says nothing of it may be silent.
        let silent = Provider::start().await;
        silent.set().discovery = json!({"authorization_response_iss_parameter_supported": null});
        let third = set(&admin, "silent", &silent.form()).await;
        let mut browser = Browser::default();
        let back = silent.authorize(&browser.begin(app.address(), &third).await);
        assert_eq!(browser.get(app.address(), &issuer(&back, "")).await.status, 303);
        // A token of one is none of the other, by whichever key.
        evil.claim(&json!({"iss": honest.issuer}));
        assert_eq!(Browser::default().sign_in(app, &evil, &bad).await.status, 401);
        // The same id of a person at two issuers is two people.
        assert_eq!(Browser::default().sign_in(app, &honest, &good).await.status, 303);
        evil.honest_again();
        assert_eq!(Browser::default().sign_in(app, &evil, &bad).await.status, 303);
        assert_eq!(app.count("SELECT count(DISTINCT account_id) FROM identities").await, 3);
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_misbehaves_is_told_of_and_led_nowhere() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let elsewhere = Provider::start().await;
        let path = admin.path("/identity-providers/sso");
        for behaviour in [
            Behaviour::Slow,
            Behaviour::Huge,
            Behaviour::Redirect(format!("{}/.well-known/openid-configuration", elsewhere.issuer)),
            Behaviour::Status(500),
            Behaviour::Garbage,
        ] {
            let at = Provider::start().await;
            at.set().behaviour = behaviour.clone();
            assert_eq!(admin.put(&path, &at.form()).await.wrong_fields(), ["issuer"], "{behaviour:?}");
        }
        for (name, value) in [
            ("issuer", json!("https://evil.example")),
            ("issuer", json!(elsewhere.issuer)),
            ("token_endpoint", json!("http://10.0.0.1/token")),
            ("token_endpoint", json!("https://169.254.169.254/token")),
            ("jwks_uri", json!("https://[fd00::1]/keys")),
            ("jwks_uri", json!("file:///etc/passwd")),
            ("authorization_endpoint", json!("javascript:alert(1)")),
            ("end_session_endpoint", json!("javascript:alert(1)")),
            ("response_types_supported", json!(["id_token"])),
        ] {
            let at = Provider::start().await;
            at.set().discovery[name] = value.clone();
            assert_eq!(admin.put(&path, &at.form()).await.wrong_fields(), ["issuer"], "{name} {value}");
        }
        for keys in [json!({"keys": []}), json!([]), json!({"keys": [{"kty": "oct", "k": "AAAA"}]})] {
            let at = Provider::start().await;
            at.set().published = Some(keys.clone());
            assert_eq!(admin.put(&path, &at.form()).await.wrong_fields(), ["issuer"], "{keys}");
        }
        assert_eq!(elsewhere.set().asked, [""; 0], "nobody was led there");
        // And where it was honest when it was set.
        let at = Provider::start().await;
        let provider = set(&admin, "sso", &at.form()).await;
        for behaviour in [
            Behaviour::Huge,
            Behaviour::Redirect(format!("{}/token", elsewhere.issuer)),
            Behaviour::Status(500),
            Behaviour::Garbage,
        ] {
            at.honest_again();
            let mut browser = Browser::default();
            let back = at.authorize(&browser.begin(app.address(), &provider).await);
            at.set().behaviour = behaviour.clone();
            let reply = browser.get(app.address(), &back).await;
            assert!([401, 503].contains(&reply.status), "{behaviour:?}: {}", reply.text);
            assert!(reply.text.contains("You are not signed in"), "{}", reply.text);
        }
        for answer in [
            (200, json!({})),
            (200, json!({"id_token": 7})),
            (200, json!({"id_token": "a.b.c"})),
            (400, json!({"error": "<script>"})),
        ] {
            at.honest_again();
            at.set().token_answer = Some(answer.clone());
            let reply = Browser::default().sign_in(app, &at, &provider).await;
            assert!([401, 503].contains(&reply.status), "{answer:?}: {}", reply.text);
            assert!(!reply.text.contains("<script>"), "{}", reply.text);
        }
        assert_eq!(elsewhere.set().asked, [""; 0], "nobody was led there");
        assert_eq!(app.count("SELECT count(*) FROM sessions").await, 0);
    })
    .await;
}

#[tokio::test]
async fn another_sites_page_begins_nothing() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let provider = set(&admin, "sso", &at.form()).await;
        let visitor = Browser::default().visitor(app.address());
        let path = format!("/sign-in/with/{}", provider.id);
        for (site, location) in
            [("cross-site", "/sign-in"), ("same-site", "/sign-in"), ("same-origin", ""), ("none", "")]
        {
            let request = visitor.request(reqwest::Method::GET, &path).header("sec-fetch-site", site);
            let reply = request.send().await.expect("an answer");
            let led = reply.headers()["location"].to_str().expect("ASCII");
            assert_eq!(led == "/sign-in", location == "/sign-in", "{site}: {led}");
        }
        assert_eq!(app.count("SELECT count(*) FROM sign_in_attempts").await, 2);
        let unknown = visitor.get("/sign-in/with/00000000-0000-4000-8000-000000000000").await;
        assert_eq!(unknown.status, 404);
        assert_eq!(visitor.get("/sign-in/with/x").await.status, 404);
    })
    .await;
}
