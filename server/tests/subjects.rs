//! Whose a token is: what two tokens of one person share, and what two people do not.

use berth_schema::access::{Token, TokenCreated};
use berth_schema::api::Workspace;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Admin, App, Reply, Requests, send};

async fn token(app: &App, maker: &Admin, name: &str, same_subject: bool) -> (Token, Admin) {
    let body = json!({"name": name, "same_subject": same_subject});
    let created: TokenCreated = maker.post(&maker.path("/tokens"), &body).await.expect(201);
    (created.details, Admin::new(app.address(), created.token.parse().expect("a token")))
}

async fn keyed(who: &Admin, body: &Value) -> Reply {
    let request = who.request(Method::POST, &who.path("/workspaces")).header("idempotency-key", "key");
    send(request.json(body)).await
}

fn image(name: &str) -> Value {
    json!({"name": name, "image": "debian:13"})
}

#[tokio::test]
async fn two_tokens_of_one_subject_have_one_quota_and_another_subject_has_its_own() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let limits = json!({"quotas": {"user": {"workspaces": 1}}});
        admin.put(&admin.path("/agents/cluster/configuration"), &limits).await.expect::<Value>(200);
        let (laptop, at_the_laptop) = token(app, &admin, "laptop", true).await;
        let (colleague, of_a_colleague) = token(app, &admin, "colleague", false).await;
        let first: Token = admin.get(&admin.path("/tokens/first%20administrator")).await.expect(200);
        assert!(first.subject_id.is_some() && first.subject_id == laptop.subject_id);
        assert_ne!(first.subject_id, colleague.subject_id);

        admin.create(&image("one")).await.expect::<Workspace>(201);
        at_the_laptop.create(&image("two")).await.problem(403, "quota-exceeded");
        of_a_colleague.create(&image("three")).await.expect::<Workspace>(201);
        of_a_colleague.create(&image("four")).await.problem(403, "quota-exceeded");

        // Another secret is the same token, and the same person.
        let rotated = admin.post(&admin.path("/tokens/laptop/rotate"), &json!({})).await;
        let rotated: TokenCreated = rotated.expect(200);
        assert_eq!(rotated.details.subject_id, laptop.subject_id);
        let rotated = Admin::new(app.address(), rotated.token.parse().expect("a token"));
        rotated.create(&image("five")).await.problem(403, "quota-exceeded");
    })
    .await;
}

#[tokio::test]
async fn what_one_token_asked_for_is_repeated_by_the_subjects_other_one() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let (_, laptop) = token(app, &admin, "laptop", true).await;
        let (_, colleague) = token(app, &admin, "colleague", false).await;
        let body = json!({"image": "debian:13"});
        let made: Workspace = keyed(&admin, &body).await.expect(201);
        let again: Workspace = keyed(&laptop, &body).await.expect(200);
        assert_eq!(made.id, again.id);
        keyed(&laptop, &image("another")).await.problem(422, "idempotency-key-reused");
        let other: Workspace = keyed(&colleague, &body).await.expect(201);
        assert_ne!(other.id, made.id);
    })
    .await;
}

#[tokio::test]
async fn a_rotated_token_repeats_what_it_asked_for_before() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let made: Workspace = keyed(&admin, &image("one")).await.expect(201);
        let rotated = admin.post(&admin.path("/tokens/first%20administrator/rotate"), &json!({})).await;
        let rotated: TokenCreated = rotated.expect(200);
        let rotated = Admin::new(app.address(), rotated.token.parse().expect("a token"));
        let again: Workspace = keyed(&rotated, &image("one")).await.expect(200);
        assert_eq!(made.id, again.id);
    })
    .await;
}

#[tokio::test]
async fn what_the_version_before_marked_is_known_again() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let made: Workspace = keyed(&admin, &image("one")).await.expect(201);
        // It stores no mark but that of the token.
        app.execute("UPDATE idempotency_keys SET fingerprint = NULL").await;
        let again: Workspace = keyed(&admin, &image("one")).await.expect(200);
        assert_eq!(made.id, again.id);
        keyed(&admin, &image("two")).await.problem(422, "idempotency-key-reused");
    })
    .await;
}
