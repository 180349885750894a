//! Each change has one record, and what is no change has none.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use berth_schema::audit::{Outcome, Record, What, Who};
use berth_schema::sealing::PublicKey;
use berth_schema::{Action, Effect};
use berth_server::routes::{self, Audience, Route};
use reqwest::Method;
use serde_json::{Value, json};

use super::world::World;
use super::{CANARY, records, since};
use crate::support::{App, Requests, send};

/// A record without what differs from run to run: ids by their number, and neither times nor keys.
fn told(record: &Record, ids: &mut BTreeMap<String, usize>) -> String {
    let mut value = serde_json::to_value(record).expect("JSON");
    for field in ["sequence", "time", "request", "organization"] {
        value.as_object_mut().expect("an object").remove(field);
    }
    value.sort_all_objects();
    settle(&mut value, ids);
    value.to_string()
}

fn settle(value: &mut Value, ids: &mut BTreeMap<String, usize>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| settle(item, ids)),
        Value::Object(fields) => fields.values_mut().for_each(|field| settle(field, ids)),
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => "<time>".clone_into(text),
        Value::String(text) if text.parse::<PublicKey>().is_ok() => "<key>".clone_into(text),
        Value::String(text) => {
            let parts = text.split('/').map(|part| {
                if part.parse::<uuid::Uuid>().is_err() {
                    return part.to_owned();
                }
                let next = ids.len() + 1;
                format!("<{}>", ids.entry(part.to_owned()).or_insert(next))
            });
            *text = parts.collect::<Vec<_>>().join("/");
        }
        _ => {}
    }
}

/// Rounds are looked at below: most of them change nothing.
fn changing() -> impl Iterator<Item = Action> {
    // A page does what a line of the API does, but for people's own pages.
    let by_the_api = |page: &&Route| {
        routes::all().any(|line| line.action() == page.action() && !line.renderer.is_for_a_browser())
    };
    let routes = routes::all().filter(|route| route.audience() != Audience::Everyone);
    let routes = routes.filter(move |route| !(route.renderer.is_for_a_browser() && by_the_api(route)));
    let actions = routes.filter_map(Route::action);
    let is_report =
        |action: &Action| matches!(action, Action::Reconcile | Action::TellActivity | Action::TellConnected);
    actions.filter(move |action| action.effect() == Effect::Changes && !is_report(action))
}

#[tokio::test]
async fn every_action_that_changes_something_leaves_exactly_one_record() {
    App::run(async |app| {
        let world = World::new(app).await;
        let mut ids = BTreeMap::new();
        let mut reviewed = String::new();
        let order = |action: &Action| {
            // What takes something away comes behind what needs it.
            matches!(
                action,
                Action::ForgetWorkspace
                    | Action::DeleteVariable
                    | Action::DeleteGitCredential
                    | Action::DeleteIdentityProvider
                    | Action::SignOut
            )
        };
        let mut actions: Vec<Action> = changing().collect();
        actions.sort_by_key(order);
        for action in actions {
            let request = world.prepare(app, action).await;
            let before = records(&world.admin).await.len();
            let reply = world.ask(app, action, &request).await;
            assert!((200..304).contains(&reply.status), "{action}: {}", reply.text);
            let left = since(&world.admin, before).await;
            let [record] = left.as_slice() else { panic!("{action} left {left:?}") };
            assert_eq!((record.action, &record.outcome), (What::Action(action), &Outcome::Done));
            let id = reply.header("x-request-id");
            assert_eq!(record.request.map(|request| request.to_string()).as_deref(), Some(id), "{action}");
            let by_agent = matches!(record.who, Who::Agent { agent } if agent == world.agent.id);
            let is_agents = matches!(action, Action::RegisterKey | Action::IssueProxyToken);
            assert_eq!(by_agent, is_agents, "{action}");
            writeln!(reviewed, "{}", told(record, &mut ids)).expect("a string grows");
        }
        insta::assert_snapshot!(reviewed);
        let all = format!("{:?}", records(&world.admin).await);
        assert!(!all.contains(CANARY) && !all.contains(world.admin.token.expose()), "a secret is on record");
    })
    .await;
}

#[tokio::test]
async fn what_fails_and_what_changes_nothing_leaves_no_record() {
    App::run(async |app| {
        let world = World::new(app).await;
        let admin = &world.admin;
        // A body that nobody understands, or a thing that is not there.
        for route in routes::all().filter(|route| route.audience() == Audience::Member) {
            // That no token asks for a role is a denial, which is on record.
            let is_denied = route.action() == Some(Action::RequestElevation);
            if is_denied || route.action().is_none_or(|action| action.effect() == Effect::Reads) {
                continue;
            }
            let mut path = route.path.replace("{organization}", "acme");
            for name in ["{agent}", "{workspace}", "{token}", "{host}", "{name}", "{provider}"] {
                path = path.replace(name, "nothing");
            }
            let path = path.replace("{kind}", "file").replace("{orphan}", &world.orphan.to_string());
            let before = records(admin).await.len();
            let method = Method::from_bytes(route.method.as_bytes()).expect("a method");
            let reply = send(admin.request(method, &path).json(&json!({"unknown": 1}))).await;
            assert!((400..500).contains(&reply.status), "{path}: {}", reply.status);
            assert_eq!(since(admin, before).await, [], "{path}: {}", reply.text);
        }
        // What is so already, and what was asked for before.
        let create = async || {
            let request = admin.request(Method::POST, &admin.path("/agents")).json(&json!({"name": "twice"}));
            send(request.header("idempotency-key", "k")).await
        };
        assert_eq!(create().await.status, 201);
        admin.wish("stopping", "stop").await.expect::<Value>(200);
        let document = json!({"labels": {"a": "b"}});
        let configuration = admin.path("/agents/cluster/configuration");
        admin.put(&configuration, &document).await.expect::<Value>(200);
        admin.post(&admin.path("/agents/stranded/revoke"), &json!({})).await.expect::<Value>(200);
        let before = records(admin).await.len();
        assert!(create().await.status < 300);
        admin.wish("stopping", "stop").await.expect::<Value>(200);
        admin.put(&configuration, &document).await.expect::<Value>(200);
        let other = json!({"labels": {"a": "c"}});
        admin.put(&format!("{configuration}?dry_run=true"), &other).await.expect::<Value>(200);
        admin.post(&admin.path("/agents/stranded/revoke"), &json!({})).await.expect::<Value>(200);
        let kept = admin.path(&format!("/agents/cluster/orphans/{}/keep", world.orphan));
        admin.post(&kept, &json!({})).await.expect::<Value>(200);
        world.agent.register(world.agent.key()).await.expect::<Value>(200);
        let mut ada = world.ada.at(app.address());
        assert_eq!(ada.submit("/sessions/end-others", &[]).await.status, 303, "there are no others");
        let unknown = format!("/sessions/{}/end", berth_schema::SessionId::random());
        assert_eq!(ada.submit(&unknown, &[]).await.status, 404);
        let foreign = ada.request(Method::POST, "/sign-out").header("origin", "https://evil.example");
        assert_eq!(send(foreign).await.status, 401);
        assert_eq!(since(admin, before).await, []);
    })
    .await;
}
