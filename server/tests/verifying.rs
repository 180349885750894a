//! Every place that verifies a signed token, tried with those that nobody may accept.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_db::{OrganizationConn, Reach, SigningKeyRow};
use berth_issuer::{Kind, LEEWAY_SECONDS, MAX_TOKEN_BYTES, SigningKey};
use berth_server::clock;
use berth_server::crypto::{SealedKey, seal_signing_key};
use berth_server::routes::{self, Audience, Route};
use berth_server::services::signing_keys;
use berth_server::services::tokens::hash;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use crate::connections::{Proxy, workspace_of};
use crate::hostile_tokens::Truth;
use crate::login::Cli;
use crate::sign_in::signed_in;
use crate::support::{Admin, App, Requests as _, Visitor, postgres, send};

/// What all kinds of tokens are about: one organisation, one workspace, one person.
struct World<'a> {
    app: &'a App,
    admin: Admin,
    proxy: Proxy,
    workspace: String,
    cli: Cli,
    /// What the command line was given.
    tokens: Value,
    /// The claims of its access token: whose it is, by which session.
    login: Value,
    der: Vec<u8>,
    kid: String,
    now: Timestamp,
}

fn claims_of(token: &str) -> Value {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("claims")).expect("base64");
    serde_json::from_slice(&claims).expect("JSON")
}

/// A key that the server signs with, and whose private half the test has.
async fn own_key(app: &App, now: Timestamp) -> (Vec<u8>, String) {
    let random = SystemRandom::new();
    let (key, der) = SigningKey::generate(&random).expect("a key");
    let sealed = seal_signing_key(&app.context.keys.current(), key.kid(), &der, &random).expect("sealed");
    let SealedKey { kek_id, salt, sealed } = sealed;
    let kid = key.kid().to_owned();
    let row = SigningKeyRow { kid, kek_id, salt, sealed, created_at: now, signs_at: now, revoked_at: None };
    let insert = async |conn: &OrganizationConn<'_>| conn.signing_keys().insert(&row).await;
    app.context.database.transaction(Reach::installation(), "test", insert).await.expect("stored");
    signing_keys::of(&app.context, now).await.expect("taken up");
    (der.to_vec(), row.kid)
}

impl<'a> World<'a> {
    async fn new(app: &'a App) -> Self {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let proxy = Proxy::of(&admin, &agent).await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let workspace = workspace_of(app, &mut ada).await;
        let cli = Cli::of(app);
        let tokens = cli.log_in(&mut ada).await;
        let login = claims_of(tokens["access_token"].as_str().expect("a token"));
        let now = clock::now();
        let (der, kid) = own_key(app, now).await;
        Self { app, admin, proxy, workspace, cli, tokens, login, der, kid, now }
    }

    /// A token of that kind which everybody believes whom it is for.
    fn truth(&self, kind: Kind) -> Truth {
        let iss = self.app.context.issuer.name();
        let proxy = claims_of(&self.proxy.token)["sub"].as_str().expect("a subject").to_owned();
        let (account, session) = (self.login["sub"].clone(), self.login["sid"].clone());
        let refresh = claims_of(self.tokens["refresh_token"].as_str().expect("a token"));
        let (sub, aud, sid, jti) = match kind {
            Kind::Access => {
                (account, format!("{iss}/api/v1"), session, json!("0197a1e0-6e02-7c3e-a5d5-3f8c1f0a9b1e"))
            }
            Kind::Refresh => (account, format!("{iss}/oauth/token"), session, refresh["jti"].clone()),
            Kind::Personal => {
                let claims = claims_of(self.admin.token.expose());
                let aud = claims["aud"].as_str().expect("text").to_owned();
                (claims["sub"].clone(), aud, claims["sid"].clone(), claims["jti"].clone())
            }
            Kind::Git => {
                (json!("organization/x"), "https://git.example.com".to_owned(), Value::Null, json!("1"))
            }
            Kind::Code => {
                let aud =
                    format!("{proxy} {} {}", crate::connections::REDIRECT, crate::connections::CHALLENGE);
                (account, aud, session, json!("0197a1e0-6e02-7c3e-a5d5-3f8c1f0a9b1f"))
            }
            Kind::Grant => {
                let jti = json!("0197a1e0-6e02-7c3e-a5d5-3f8c1f0a9b20");
                (account, format!("{iss}/api/v1/proxy/{proxy}"), session, jti)
            }
            Kind::Proxy => (json!(proxy), format!("{iss}/api/v1/proxy"), Value::Null, json!("1")),
        };
        let now = self.now.as_second();
        let longest = kind.max_lifetime_seconds();
        let mut claims = json!({
            "iss": iss, "sub": sub, "aud": aud, "iat": now, "nbf": now, "exp": now + longest.min(850), "jti": jti,
        });
        if !sid.is_null() {
            claims["sid"] = sid;
        }
        let others = Kind::ALL.into_iter().filter(|other| *other != kind);
        Truth {
            der: self.der.clone(),
            kid: self.kid.clone(),
            typ: kind.typ().to_owned(),
            other_typs: others.map(|other| other.typ().to_owned()).collect(),
            claims,
            now,
            // What is to be valid too late has to be so when it is its turn.
            leeway: 3_000 + LEEWAY_SECONDS,
            longest,
            most_bytes: MAX_TOKEN_BYTES,
        }
    }

    fn path(&self, route: &Route) -> String {
        let mut path = route.path.replace("{organization}", &self.admin.organization().to_string());
        while let Some((before, rest)) = path.split_once('{') {
            path = format!("{before}x{}", rest.split_once('}').expect("it is closed").1);
        }
        path
    }

    /// What is answered to that token; `None`: it cannot be sent.
    async fn ask(&self, route: &Route, token: &str) -> Option<u16> {
        let value = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).ok()?;
        let method = Method::from_bytes(route.method.as_bytes()).expect("a method");
        let request = self.app.anyone(None).request(method, &self.path(route));
        match request.header(AUTHORIZATION, value).send().await {
            Ok(answer) => Some(answer.status().as_u16()),
            // Who sends a megabyte for a head is not listened to until the end.
            Err(_) if token.len() > 10 * MAX_TOKEN_BYTES => None,
            Err(error) => panic!("{} {}: {error}", route.method, route.path),
        }
    }

    /// The access token's row holds the hash of that text.
    async fn store(&self, client: &tokio_postgres::Client, text: &str) {
        let id = self.admin.token.token_id();
        let statement = format!("UPDATE access_tokens SET secret_hash = $1 WHERE id = '{id}'");
        client.execute(&statement, &[&hash(text).as_slice()]).await.expect("stored");
    }
}

const AUDIENCES: [Audience; 4] = [Audience::Member, Audience::Person, Audience::Agent, Audience::Proxy];

/// Where somebody brings a token as `Authorization`.
fn routes(audience: Audience) -> Vec<&'static Route> {
    routes::all().filter(|route| route.audience() == audience && !route.renderer.is_for_a_browser()).collect()
}

/// Whether such a token proves anybody to those whom a route is for, be it only to be refused.
fn proves(kind: Kind, audience: Audience) -> bool {
    match audience {
        Audience::Member | Audience::Person | Audience::Agent => {
            matches!(kind, Kind::Access | Kind::Personal)
        }
        Audience::Proxy => kind == Kind::Proxy,
        Audience::Everyone => false,
    }
}

async fn with_room_for_strangers(test: impl AsyncFnOnce(&World<'_>)) {
    App::run_with(
        |http| (http.edge.unproven_burst, http.edge.unproven_per_second) = (1_000_000, 1_000_000),
        async |app| test(&World::new(app).await).await,
    )
    .await;
}

#[tokio::test]
async fn no_route_takes_a_hostile_token_though_its_row_is_there() {
    with_room_for_strangers(async |world| {
        let client = postgres::client(&world.app.database_url).await;
        let mut tried: BTreeSet<&str> = BTreeSet::new();
        for kind in [Kind::Access, Kind::Personal, Kind::Proxy] {
            let truth = world.truth(kind);
            let (good, hostile) = (truth.token(), truth.hostile());
            assert!(hostile.len() >= 300);
            for audience in AUDIENCES {
                let routes = routes(audience);
                world.store(&client, &good).await;
                let before = world.ask(routes[0], &good).await;
                assert_eq!(before != Some(401), proves(kind, audience), "{kind:?}: {before:?}");
                let mut sent = 0;
                for (token, route) in hostile.iter().zip(routes.iter().cycle()) {
                    if kind == Kind::Personal {
                        // Nothing but the token itself is wrong.
                        world.store(&client, token).await;
                    }
                    let Some(status) = world.ask(route, token).await else { continue };
                    assert!(
                        matches!(status, 400 | 401 | 431),
                        "{} {}: {status}: {token}",
                        route.method,
                        route.path
                    );
                    tried.insert(route.path);
                    sent += 1;
                }
                assert!(sent >= 300, "{sent} of {} could be sent", hostile.len());
                world.store(&client, &good).await;
                assert_eq!(world.ask(routes[0], &good).await, before, "{kind:?}: it is as before");
            }
        }
        let all: BTreeSet<_> = AUDIENCES.into_iter().flat_map(routes).map(|route| route.path).collect();
        assert_eq!(tried, all);
    })
    .await;
}

#[tokio::test]
async fn each_route_takes_tokens_of_its_own_kinds_alone() {
    with_room_for_strangers(async |world| {
        let client = postgres::client(&world.app.database_url).await;
        let mut answers: BTreeMap<(u16, bool), usize> = BTreeMap::new();
        for kind in Kind::ALL {
            let token = world.truth(kind).token();
            world.store(&client, &token).await;
            for route in AUDIENCES.into_iter().flat_map(routes) {
                let status = world.ask(route, &token).await.expect("it can be sent");
                let right = (status != 401) == proves(kind, route.audience()) && status < 500;
                assert!(right, "{} {} for {kind:?}: {status}", route.method, route.path);
                *answers.entry((status, proves(kind, route.audience()))).or_default() += 1;
            }
        }
        assert!(
            answers.keys().any(|(status, _)| *status == 401) && answers.keys().any(|(_, proves)| *proves)
        );
    })
    .await;
}

#[tokio::test]
async fn no_form_takes_a_hostile_token() {
    with_room_for_strangers(async |world| {
        let truth = world.truth(Kind::Refresh);
        let hostile = [truth.hostile(), world.truth(Kind::Access).hostile()].concat();
        // All that is posted by whoever has proven nothing, but for pages, which take no signed token.
        let forms = routes::all().filter(|route| {
            route.audience() == Audience::Everyone
                && route.method == "POST"
                && !route.renderer.is_for_a_browser()
        });
        for route in forms {
            for token in &hostile {
                let (fields, expected): (Vec<(&str, &str)>, &[u16]) = match route.path {
                    "/oauth/token" => {
                        (vec![("grant_type", "refresh_token"), ("refresh_token", token)], &[400, 413, 422])
                    }
                    // What is no token is as revoked as it can be (RFC 7009, 2.2).
                    "/oauth/revoke" => (vec![("token", token)], &[200, 413, 422]),
                    "/sign-in/backchannel-logout/{provider}" => {
                        (vec![("logout_token", token)], &[400, 404, 413, 422])
                    }
                    "/oauth/device_authorization" => continue,
                    other => panic!("{other} takes something that nobody thought of"),
                };
                let reply = world.cli.post(&world.path(route), &fields).await;
                assert!(expected.contains(&reply.status), "{}: {}: {token}", route.path, reply.status);
            }
        }
        // A single one of them that was taken would have ended the session.
        assert_eq!(world.cli.get(&world.tokens, "/api/v1/account").await.status, 200);
        let mut tokens = world.tokens.clone();
        tokens["refresh_token"] = json!(truth.token());
        let renewed: Value = world.cli.refresh(&tokens).await.expect(200);
        assert_eq!(world.cli.log_out(&renewed).await.status, 200);
        assert_eq!(world.cli.get(&renewed, "/api/v1/account").await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn no_proxy_exchanges_a_hostile_code_or_goes_on_by_a_hostile_grant() {
    with_room_for_strangers(async |world| {
        let (app, proxy, workspace) = (world.app, &world.proxy, world.workspace.as_str());
        let path = format!("/api/v1/proxy/decision?workspace={workspace}&name=hers&port=8080");
        let decide = async |grant: &str| {
            let value = HeaderValue::from_bytes(grant.as_bytes()).ok()?;
            let request = app.anyone(Some(&proxy.token)).request(Method::GET, &path).header("berth-grant", value);
            let reply = request.send().await.ok()?;
            let (status, text) = (reply.status().as_u16(), reply.text().await.expect("a body"));
            let body: Value = serde_json::from_str(&text).expect("JSON");
            Some((status, body["decision"].as_str().map(str::to_owned)))
        };
        let truth = world.truth(Kind::Grant);
        let allowed = Some((200, Some("allowed".to_owned())));
        assert_eq!(decide(&truth.token()).await, allowed);
        // White space around a header is none of its value.
        for token in truth.hostile().into_iter().filter(|token| token.trim() == token) {
            let answer = decide(&token).await;
            let denied = matches!(&answer, Some((200, Some(denied))) if denied == "denied");
            let refused = matches!(answer, None | Some((400 | 401 | 422 | 431, None)));
            assert!(denied || refused, "{answer:?}: {token}");
        }
        assert_eq!(decide(&truth.token()).await, allowed);

        let truth = world.truth(Kind::Code);
        let body = |code: &str| {
            json!({
                "code": code, "redirect_uri": crate::connections::REDIRECT,
                "code_verifier": crate::connections::VERIFIER, "workspace": workspace, "name": "hers", "port": 8080,
            })
        };
        for token in truth.hostile() {
            let reply = proxy.open(app, &body(&token)).await;
            assert!(matches!(reply.status, 400 | 413 | 422), "{}: {token}", reply.status);
        }
        // A minute is short: a code of now.
        let now = clock::now().as_second();
        let claims = [("iat", now), ("nbf", now), ("exp", now + 30)].into_iter().fold(
            truth.claims.clone(),
            |mut claims, (name, at)| {
                claims[name] = json!(at);
                claims
            },
        );
        let fresh = Truth { claims, ..truth };
        let opened: Value = proxy.open(app, &body(&fresh.token())).await.expect(200);
        assert_eq!(opened["decision"], "allowed");
    })
    .await;
}

#[tokio::test]
async fn a_token_of_one_organisation_is_none_of_another() {
    with_room_for_strangers(async |world| {
        let other = world.app.organization("other").await;
        let client = postgres::client(&world.app.database_url).await;
        let truth = world.truth(Kind::Personal);
        let theirs = claims_of(other.token.expose());
        let whoami = async |token: &str| {
            send(world.app.anyone(Some(token)).request(Method::GET, "/api/v1/whoami")).await.status
        };
        // Signed by the true key, and its hash in its own row: for another organisation, of somebody else, of another row.
        for (claim, value) in [
            ("aud", &theirs["aud"]),
            ("sub", &theirs["sub"]),
            ("sid", &theirs["sid"]),
            ("iss", &json!("https://other.example.com")),
        ] {
            let token = truth.with_claim(claim, value.clone());
            world.store(&client, &token).await;
            assert_eq!(whoami(&token).await, 401, "{claim}");
        }
        // Another secret of the same token, which nobody has stored.
        let again = truth.with_claim("jti", json!("0197a1e0-6e02-7c3e-a5d5-3f8c1f0a9b21"));
        assert_eq!(whoami(&again).await, 401);
        world.store(&client, &again).await;
        assert_eq!(whoami(&again).await, 200);
        for organization in ["other".to_owned(), other.organization().to_string()] {
            let path = format!("/api/v1/organizations/{organization}/workspaces");
            let reply = send(world.app.anyone(Some(&again)).request(Method::GET, &path)).await;
            reply.problem(404, "not-found");
        }
        // An access token of an organisation is no account's.
        let request = world.app.anyone(Some(&again)).request(Method::GET, "/api/v1/account");
        send(request).await.problem(403, "forbidden");
        let visitor = Visitor::new(world.app.address());
        assert_ne!(visitor.get("/sessions").await.status, 200);
    })
    .await;
}
