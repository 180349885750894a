//! The organisation's tree: groups and projects, and who may see and change what of it.

mod agents;
mod git;
mod roles;
mod tree;
mod variables;
mod withdrawals;
mod workspaces;

use berth_schema::api::Paged;
use berth_schema::groups::Group;
use berth_schema::policy::Policy;
use berth_schema::projects::Project;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Admin, Reply, Requests, send};

/// In an address a path is one part.
fn escaped(path: &str) -> String {
    path.replace('/', "%2F")
}

/// Asks for what a path says, in the group before its last name.
async fn create(who: &Admin, kind: &str, path: &str) -> Reply {
    let (below, name) = match path.rsplit_once('/') {
        Some((group, name)) => (format!("/groups/{}/{kind}", escaped(group)), name),
        None => (format!("/{kind}"), path),
    };
    who.post(&who.path(&below), &json!({"name": name})).await
}

async fn group(who: &Admin, path: &str) -> Group {
    create(who, "groups", path).await.expect(201)
}

async fn project(who: &Admin, path: &str) -> Project {
    create(who, "projects", path).await.expect(201)
}

async fn moved(who: &Admin, kind: &str, from: &str, to: &str) -> Reply {
    let path = who.path(&format!("/{kind}/{}", escaped(from)));
    send(who.request(Method::PATCH, &path).json(&json!({"path": to}))).await
}

async fn delete(who: &Admin, kind: &str, which: &str) -> Reply {
    send(who.request(Method::DELETE, &who.path(&format!("/{kind}/{}", escaped(which))))).await
}

async fn get(who: &Admin, kind: &str, which: &str) -> Reply {
    who.get(&who.path(&format!("/{kind}/{}", escaped(which)))).await
}

async fn paths(who: &Admin, kind: &str) -> Vec<String> {
    let page: Paged<Value> = who.get(&who.path(&format!("/{kind}"))).await.expect(200);
    let mut paths: Vec<_> =
        page.items.iter().map(|item| item["path"].as_str().expect("a path").to_owned()).collect();
    paths.sort_unstable();
    paths
}

async fn forbid(owner: &Admin, rules: &str) {
    let rules = json!({"rules": format!("{}\n{rules}", berth_policy::BUILT_IN)});
    owner.put(&owner.path("/policy"), &rules).await.expect::<Policy>(200);
}
