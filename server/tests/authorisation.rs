//! Every route, asked by everybody.

use berth_schema::{AccessToken, Action, Effect};
use berth_server::clock;
use berth_server::routes::{Audience, ROUTES, Renderer, Route};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use crate::support::{Anyone, App, Requests, send};

/// `PASSES` is anything but 401, 403 and 404.
const PASSES: u16 = 0;

const ASKERS: [&str; 9] = [
    "nobody",
    "garbage",
    "forged",
    "administrator",
    "agent",
    "administrator of another organisation",
    "revoked",
    "expired",
    "read-only",
];

const OPEN: [u16; 9] = [PASSES; 9];
const OWN: [u16; 9] = [401, 401, 401, PASSES, 403, PASSES, 401, 401, PASSES];
/// What changes nothing.
const LOOKS: [u16; 9] = [401, 401, 401, PASSES, 403, 404, 401, 401, PASSES];
const CHANGES: [u16; 9] = [401, 401, 401, PASSES, 403, 404, 401, 401, 403];
/// A person's own: no token of an organisation leads there.
const PERSON: [u16; 9] = [401, 401, 401, 403, 403, 403, 401, 401, 403];
const AGENT: [u16; 9] = [401, 401, 401, 403, PASSES, 403, 401, 401, 403];
/// What proves a proxy is nothing of these.
const PROXY: [u16; 9] = [401; 9];

/// What each asker gets, in the order of [`ASKERS`]: what the route table says, and nothing else.
fn expected(route: &Route) -> [u16; 9] {
    let below_an_organization = route.path.contains("{organization}");
    match (route.audience(), route.action().map(Action::effect)) {
        (Audience::Everyone, None) => OPEN,
        (Audience::Member, Some(Effect::Reads)) if below_an_organization => LOOKS,
        (Audience::Member, Some(Effect::Changes)) if below_an_organization => CHANGES,
        (Audience::Member, Some(Effect::Reads)) => OWN,
        (Audience::Person, Some(Effect::Reads)) => PERSON,
        (Audience::Agent, Some(_)) => AGENT,
        (Audience::Proxy, Some(_)) => PROXY,
        odd => panic!("{} {} is for {odd:?}, which nobody thought of", route.method, route.path),
    }
}

#[tokio::test]
async fn every_route_is_open_to_whom_the_route_table_says() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let victim = admin.create_agent("victim").await;
        let workspace = admin.create(&json!({"name": "w", "image": "a", "agent": "cluster"})).await;
        workspace.expect::<serde_json::Value>(201);
        let orphan = crate::orphans::report(&victim, 1).await;
        let tokens = tokens(app, &admin.token, &agent.token).await;

        // Pages take no token: `sign_in` tries them.
        for route in ROUTES.iter().filter(|route| route.renderer != Renderer::Page) {
            let expected = expected(route);
            for organization in [admin.organization().to_string(), "acme".to_owned()] {
                let path = route.path.replace("{organization}", &organization);
                let path = path.replace("{agent}", &victim.id.to_string()).replace("{workspace}", "w");
                let path =
                    path.replace("{orphan}", &orphan.to_string()).replace("{token}", "first%20administrator");
                let path =
                    path.replace("{kind}", "environment").replace("{name}", "A").replace("{host}", "git.a");
                // What is deleted by those who may has to be there before.
                let variable = json!({"name": "A", "value": "x"});
                let set = Method::PUT;
                send(admin.request(set, &admin.path("/variables")).json(&variable))
                    .await
                    .expect::<serde_json::Value>(200);
                send(
                    admin
                        .request(Method::PUT, &admin.path("/git-credentials/git.a"))
                        .json(&json!({"token": "t"})),
                )
                .await
                .expect::<serde_json::Value>(200);
                for ((asker, token), expected) in ASKERS.iter().zip(&tokens).zip(expected) {
                    let status = ask(&app.anyone(token.as_deref()), route.method, &path).await;
                    let passed = !matches!(status, 401 | 403 | 404 | 500..);
                    let right = if expected == PASSES { passed } else { status == expected };
                    assert!(right, "{} {path} for {asker}: {status}, not {expected}", route.method);
                }
            }
        }
    })
    .await;
}

async fn tokens(app: &App, administrator: &AccessToken, agent: &str) -> [Option<String>; 9] {
    let stranger = app.organization("stranger").await;
    let revoked = app.token(administrator.organization(), None).await;
    app.revoke(&revoked).await;
    let past = clock::now().checked_sub(SignedDuration::from_secs(1)).expect("a time");
    let expired = app.token(administrator.organization(), Some(past)).await;
    // The right ids with another secret.
    let forged = AccessToken::new(administrator.organization(), administrator.token_id(), &[7; 32]);
    let text = |token: &AccessToken| Some(token.expose().to_owned());
    let reader = app.read_only_token(administrator.organization()).await;
    [
        None,
        Some("garbage".to_owned()),
        text(&forged),
        text(administrator),
        Some(agent.to_owned()),
        text(&stranger.token),
        text(&revoked),
        text(&expired),
        text(&reader),
    ]
}

async fn ask(who: &Anyone, method: &str, path: &str) -> u16 {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let request = who.request(method.clone(), path);
    if path.ends_with("/events") {
        // A stream that was opened has no end to wait for.
        let opened = request.try_clone().expect("no body").send().await.expect("the server answers");
        if opened.status() == 200 {
            return 200;
        }
    }
    // A body that is refused shows that the asker passed; nothing is changed by it.
    let reply = send(if method == Method::POST || method == Method::PUT {
        request.json(&json!({"unknown": 1}))
    } else {
        request
    })
    .await;
    match reply.status {
        401 => {
            reply.problem(401, "unauthenticated");
            assert!(reply.header("www-authenticate").starts_with("Bearer"));
        }
        403 => {
            reply.problem(403, "forbidden");
        }
        404 => {
            reply.problem(404, "not-found");
        }
        _ => {}
    }
    reply.status
}

#[tokio::test]
async fn a_stranger_is_refused_before_anything_else_is_looked_at() {
    App::run(async |app| {
        let stranger = app.anyone(None);
        let path = "/api/v1/organizations/acme/workspaces";
        stranger.get(&format!("{path}?limit=0")).await.problem(401, "unauthenticated");
        let large = json!({"image": "x".repeat(5 * 1024 * 1024)});
        stranger.post(path, &large).await.problem(401, "unauthenticated");
        let request = stranger.request(Method::POST, &format!("{path}/w/stop")).header("if-match", "broken");
        send(request).await.problem(401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn a_revoked_agents_token_opens_nothing() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        agent.partial(1, vec![]).await;
        let revoked = admin.post(&admin.path("/agents/cluster/revoke"), &json!({})).await;
        assert!(revoked.expect::<berth_schema::api::Agent>(200).revoked_at.is_some());
        agent.send(&crate::support::message(2, vec![])).await.problem(401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_in_the_table_is_a_problem() {
    App::run(async |app| {
        let anyone = app.anyone(None);
        anyone.get("/index.html").await.problem(404, "not-found");
        anyone.get("/api/v1/organizations").await.problem(404, "not-found");
        let reply = anyone.post("/healthz", &json!({})).await;
        reply.problem(405, "method-not-allowed");
        assert_eq!(reply.header("allow"), "GET");
        let reply = send(anyone.request(Method::DELETE, "/api/v1/organizations/a/agents")).await;
        reply.problem(405, "method-not-allowed");
        assert_eq!(reply.header("allow"), "POST, GET");
    })
    .await;
}
