//! A creation that is asked for twice is done once.

use std::collections::BTreeSet;

use berth_schema::api::{AgentCreated, Workspace};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Admin, App, Reply, Requests, send};

async fn keyed(admin: &Admin, key: &str, path: &str, body: &Value) -> Reply {
    send(admin.request(Method::POST, &admin.path(path)).header("idempotency-key", key).json(body)).await
}

#[tokio::test]
async fn fifty_at_once_make_one() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let body = json!({"image": "a", "variables": [{"name": "A", "value": "x"}]});
        let replies = join_all((0..50).map(|_| keyed(&admin, "key", "/workspaces", &body))).await;
        let created = replies.iter().filter(|reply| reply.status == 201).count();
        let ids: BTreeSet<_> = replies
            .iter()
            .map(|reply| reply.expect::<Workspace>(if reply.status == 201 { 201 } else { 200 }).id)
            .collect();
        assert_eq!((created, ids.len()), (1, 1));
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 1);
        assert_eq!(app.count("SELECT count(*) FROM workspace_data_keys").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_repeated_creation_of_an_agent_keeps_its_token_to_itself() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let body = json!({"name": "cluster"});
        let first: AgentCreated = keyed(&admin, "key", "/agents", &body).await.expect(201);
        let second: AgentCreated = keyed(&admin, "key", "/agents", &body).await.expect(200);
        assert_eq!(first.agent, second.agent);
        assert!(first.token.is_some() && second.token.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_key_belongs_to_one_request_of_one_token() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let body = json!({"name": "one", "image": "a"});
        let first: Workspace = keyed(&admin, "key", "/workspaces", &body).await.expect(201);
        let other = json!({"name": "two", "image": "a"});
        keyed(&admin, "key", "/workspaces", &other).await.problem(422, "idempotency-key-reused");
        keyed(&admin, "key", "/agents", &body).await.problem(422, "invalid");
        keyed(&admin, "key", "/agents", &json!({"name": "one"})).await.problem(422, "idempotency-key-reused");
        // The organisation's name in the path is the same as its id.
        let path = "/api/v1/organizations/acme/workspaces";
        let request = admin.request(Method::POST, path).header("idempotency-key", "key").json(&body);
        assert_eq!(send(request).await.expect::<Workspace>(200).id, first.id);
        let colleague = Admin::new(app.address(), app.token(admin.organization(), None).await);
        let theirs: Workspace = keyed(&colleague, "key", "/workspaces", &other).await.expect(201);
        assert_ne!(theirs.id, first.id);
    })
    .await;
}

#[tokio::test]
async fn a_refused_creation_leaves_its_key_free() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let body = json!({"image": "a"});
        assert_eq!(keyed(&admin, "key", "/workspaces", &body).await.wrong_fields(), ["agent"]);
        admin.create_agent("cluster").await;
        keyed(&admin, "key", "/workspaces", &body).await.expect::<Workspace>(201);
    })
    .await;
}

#[tokio::test]
async fn a_creation_is_repeated_even_after_its_agent_was_revoked() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let body = json!({"image": "a"});
        let first: Workspace = keyed(&admin, "key", "/workspaces", &body).await.expect(201);
        admin.post(&admin.path("/agents/cluster/revoke"), &json!({})).await.expect::<Value>(200);
        let second: Workspace = keyed(&admin, "key", "/workspaces", &body).await.expect(200);
        assert_eq!(first, second);
    })
    .await;
}

#[tokio::test]
async fn what_is_stored_of_a_request_does_not_tell_its_body() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let body = json!({"image": "a", "variables": [{"name": "PIN", "value": "1234"}]});
        keyed(&admin, "key", "/workspaces", &body).await.expect::<Workspace>(201);
        let query = format!(
            "SELECT count(*) FROM idempotency_keys WHERE request_hash = sha256(convert_to('{body}', 'UTF8'))"
        );
        assert_eq!(app.count(&query).await, 0, "whoever reads the database could try every PIN");
    })
    .await;
}
