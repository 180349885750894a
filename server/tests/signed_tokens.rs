//! Access tokens are signed (decision 0080): what they say, when they end, and what becomes of those of before.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_schema::OpaqueAccessToken;
use berth_schema::access::{TOKEN_LIFE, Token, TokenCreated};
use berth_schema::api::{Paged, WhoAmI};
use berth_server::clock;
use berth_server::services::{signing_keys, tokens};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{Admin, App, Requests};
use crate::tokens::{made, opens, rotated};

/// The header and the claims of a signed token.
fn parts(token: &str) -> [Value; 2] {
    let part =
        |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON");
    let parts: Vec<&str> = token.split('.').collect();
    [part(parts[0]), part(parts[1])]
}

#[tokio::test]
async fn a_token_is_signed_by_a_published_key_and_says_nothing_of_a_person() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let body = json!({"name": "Ada Lovelace", "scope": "read-only"});
        let created: TokenCreated = admin.post(&admin.path("/tokens"), &body).await.expect(201);
        let (details, token) = (&created.details, created.token.as_str());
        // What tells scanners for secrets that it is one of ours.
        assert!(token.starts_with("eyJ0eXAiOiJiZXJ0aC1wYXQrand0Ii"), "{token}");
        let [header, claims] = parts(token);
        let set: Value = app.anyone(None).get("/.well-known/jwks.json").await.expect(200);
        let kids: Vec<_> = set["keys"].as_array().expect("keys").iter().map(|key| &key["kid"]).collect();
        assert!(kids.contains(&&header["kid"]) && details.signed_by.as_deref() == header["kid"].as_str());
        assert_eq!((header["typ"].as_str(), header["alg"].as_str()), (Some("berth-pat+jwt"), Some("ES256")));
        let expected = json!({
            "iss": "https://berth.example.com",
            "aud": format!("https://berth.example.com/api/v1/organizations/{}", admin.organization()),
            "sub": format!("subject/{}", details.subject_id.expect("a subject")),
            "sid": details.id,
            "jti": claims["jti"], "iat": claims["iat"], "nbf": claims["iat"], "exp": claims["exp"],
        });
        assert_eq!(claims, expected);
        let rotated: TokenCreated =
            admin.post(&admin.path("/tokens/Ada%20Lovelace/rotate"), &json!({})).await.expect(200);
        let [_, again] = parts(&rotated.token);
        assert_ne!(again["jti"], claims["jti"], "each secret has its own id");
        assert_eq!((&again["sid"], &again["sub"]), (&claims["sid"], &claims["sub"]));
    })
    .await;
}

#[tokio::test]
async fn every_token_ends_within_a_year() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let in_a_year = |end: Option<jiff::Timestamp>| {
            let end = end.expect("it ends");
            (end - TOKEN_LIFE).duration_since(clock::now()).abs() < SignedDuration::from_mins(5)
        };
        let list: Paged<Token> = admin.get(&admin.path("/tokens")).await.expect(200);
        assert!(in_a_year(list.items[0].expires_at), "{list:?}");
        let (unasked, _) = made(app, &admin, &json!({"name": "unasked"})).await;
        assert!(in_a_year(unasked.expires_at));
        let longest = clock::now() + SignedDuration::from_hours(366 * 24);
        let later = longest + SignedDuration::from_hours(1);
        // Not even somebody whose own token never ends makes one that goes on for longer.
        let before = app.opaque_token(&admin.token).await;
        let before = app.anyone(Some(before.expose()));
        let body = json!({"name": "long", "expires_at": longest});
        let long: TokenCreated = before.post(&admin.path("/tokens"), &body).await.expect(201);
        let body = json!({"expires_at": later});
        let reply = before.post(&admin.path("/tokens/long/rotate"), &body).await;
        assert_eq!(reply.wrong_fields(), ["expires_at"]);
        let long = Admin::new(app.address(), long.token.parse().expect("a token"));
        assert!(opens(&long).await);
        // It ends with its row, too.
        app.execute("UPDATE access_tokens SET expires_at = now() WHERE name = 'long'").await;
        assert!(!opens(&long).await);
    })
    .await;
}

#[tokio::test]
async fn a_token_of_before_goes_on_until_it_is_given_a_signed_secret() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let token = app.opaque_token(&admin.token).await;
        let before = app.anyone(Some(token.expose()));
        let whoami: WhoAmI = before.get("/api/v1/whoami").await.expect(200);
        assert_eq!(whoami.token_id, Some(token.token_id()));
        let path = admin.path(&format!("/tokens/{}", token.token_id()));
        let shown: Token = admin.get(&path).await.expect(200);
        assert_eq!((shown.expires_at, shown.signed_by), (None, None));
        // It may do all that it did: give itself another secret, which goes beside it for a while.
        let body = json!({"overlap_seconds": 3600});
        let rotated: TokenCreated = before.post(&format!("{path}/rotate"), &body).await.expect(200);
        assert!(rotated.details.signed_by.is_some() && rotated.details.expires_at.is_some());
        let signed = Admin::new(app.address(), rotated.token.parse().expect("a token"));
        assert_eq!(signed.token.token_id(), token.token_id());
        assert_eq!(before.get("/api/v1/whoami").await.status, 200);
        assert!(opens(&signed).await);
        let over =
            "UPDATE access_tokens SET previous_valid_until = now() WHERE previous_valid_until IS NOT NULL";
        app.execute(over).await;
        assert_eq!(before.get("/api/v1/whoami").await.status, 401);
        assert!(opens(&signed).await);
        // A server of before, which knows neither, may have rotated a signed one.
        let opaque = OpaqueAccessToken::new(admin.organization(), token.token_id(), &[9; 32]);
        let hash = tokens::hash(opaque.expose());
        let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        app.execute(&format!(
            "UPDATE access_tokens SET secret_hash = '\\x{hash}' WHERE id = '{}'",
            token.token_id()
        ))
        .await;
        assert_eq!(app.anyone(Some(opaque.expose())).get("/api/v1/whoami").await.status, 200);
        assert!(!opens(&signed).await);
    })
    .await;
}

#[tokio::test]
async fn a_token_outlives_the_key_that_signs_next_and_ends_with_its_own() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let (details, ci) = made(app, &admin, &json!({"name": "ci"})).await;
        let own = details.signed_by.expect("a key");
        let now = clock::now();
        app.on_signing_keys(now, async |keys| keys.rotate().await).await.expect("rotated");
        // It is as if a day had passed: another one signs. Most of a year later the first one verifies still.
        app.execute(&format!("UPDATE signing_keys SET signs_at = now() WHERE kid <> '{own}'")).await;
        let later = now + SignedDuration::from_hours(364 * 24);
        signing_keys::of(&app.context, later).await.expect("taken up");
        assert!(opens(&ci).await);
        signing_keys::of(&app.context, clock::now()).await.expect("taken up");
        let set: Value = app.anyone(None).get("/.well-known/jwks.json").await.expect(200);
        assert!(set["keys"].as_array().expect("keys").len() <= 3, "{set}");
        let signed = app.on_signing_keys(clock::now(), async |keys| keys.shown().await).await.expect("keys");
        assert!(signed.iter().any(|key| key.kid == own && !key.signs));
        let (details, later) = made(app, &ci, &json!({"name": "later"})).await;
        assert_ne!(details.signed_by.as_deref(), Some(own.as_str()));
        app.on_signing_keys(now, async |keys| keys.revoke(&own).await).await.expect("revoked");
        signing_keys::of(&app.context, clock::now()).await.expect("taken up");
        assert!(!opens(&ci).await && !opens(&admin).await && opens(&later).await);
        // Whoever looks at them sees which open nothing now.
        let dead = async || {
            let list: Paged<Token> = later.get(&later.path("/tokens")).await.expect(200);
            let dead = list.items.into_iter().filter(|token| token.key_revoked);
            dead.map(|token| token.name).collect::<Vec<_>>()
        };
        assert_eq!(dead().await, ["ci", "first administrator"]);
        // Its row is as it was: another secret opens.
        let again = rotated(app, &later, "ci", &json!({})).await;
        assert!(opens(&again).await);
        assert_eq!(dead().await, ["first administrator"]);
    })
    .await;
}

#[tokio::test]
async fn so_many_keys_verify_and_no_more() {
    App::run(async |app| {
        let start = clock::now();
        let days = |days: i64| start + SignedDuration::from_hours(25 * days);
        let mut made = 0;
        let refused = loop {
            match app.on_signing_keys(days(made), async |keys| keys.rotate().await).await {
                Ok(_) => made += 1,
                Err(refused) => break refused,
            }
            assert!(made < 100, "there is no end");
        };
        assert!(format!("{refused:?}").contains("is kept for as long as what it signed"), "{refused:?}");
        signing_keys::of(&app.context, days(made)).await.expect("taken up");
        let set: Value = app.anyone(None).get("/.well-known/jwks.json").await.expect(200);
        assert_eq!(set["keys"].as_array().expect("keys").len(), 32);
        // By itself the next one is made all the same, in its time.
        signing_keys::of(&app.context, days(made + 91)).await.expect("taken up");
        let set: Value = app.anyone(None).get("/.well-known/jwks.json").await.expect(200);
        assert_eq!(set["keys"].as_array().expect("keys").len(), 33);
    })
    .await;
}
