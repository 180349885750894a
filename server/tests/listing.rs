//! Lists of workspaces.

use std::collections::BTreeSet;

use berth_schema::OpaqueAccessToken;
use berth_schema::api::{Paged, Workspace};
use reqwest::Method;

use crate::support::{Admin, App, Requests, message, send};

async fn list(admin: &Admin, query: &str) -> Paged<Workspace> {
    admin.get(&admin.path(&format!("/workspaces?{query}"))).await.expect(200)
}

async fn names(admin: &Admin, query: &str) -> Vec<String> {
    list(admin, query).await.items.into_iter().map(|workspace| workspace.name.to_string()).collect()
}

#[tokio::test]
async fn paging_is_stable_while_others_are_created() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        for index in 0..30 {
            admin.create_workspace(&format!("w-{index:02}")).await;
        }
        let first = list(&admin, "").await;
        assert_eq!(first.items.len(), 25, "the default");
        let mut seen = Vec::new();
        let mut after = String::new();
        for round in 0.. {
            let page = list(&admin, &format!("limit=7{after}")).await;
            seen.extend(page.items.into_iter().map(|workspace| workspace.name.to_string()));
            admin.create_workspace(&format!("later-{round}")).await;
            let Some(next) = page.next else { break };
            after = format!("&after={next}");
        }
        let expected: Vec<_> = (0..30).rev().map(|index| format!("w-{index:02}")).collect();
        assert_eq!(seen, expected, "the newest first, each once, none that came later");
    })
    .await;
}

#[tokio::test]
async fn filters_can_be_combined() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        for name in ["red-one", "red-two", "blue-one"] {
            admin.create_workspace(name).await;
        }
        admin.wish("red-two", "stop").await.expect::<Workspace>(200);
        admin.create_agent("empty").await;
        assert_eq!(names(&admin, "name=red").await, ["red-two", "red-one"]);
        assert_eq!(names(&admin, "desired_state=stopped").await, ["red-two"]);
        assert_eq!(names(&admin, "desired_state=Stopped,Running&name=one").await, ["blue-one", "red-one"]);
        assert_eq!(names(&admin, "actual_state=CreationRequested&limit=1").await, ["blue-one"]);
        assert!(names(&admin, "actual_state=Running").await.is_empty());
        assert_eq!(names(&admin, &format!("agent={}", agent.id)).await.len(), 3);
        assert_eq!(names(&admin, "agent=cluster").await.len(), 3);
        assert!(names(&admin, "agent=empty").await.is_empty());
        assert!(names(&admin, "name=%25").await.is_empty(), "a wildcard is a character like any other");
    })
    .await;
}

#[tokio::test]
async fn a_list_holds_nothing_of_another_organisation() {
    App::run(async |app| {
        let (admin, other) = (app.organization("acme").await, app.organization("other").await);
        admin.create_agent("cluster").await;
        let foreign = other.create_agent("cluster").await;
        admin.create_workspace("w").await;
        assert!(names(&other, "").await.is_empty());
        let directives = foreign.send(&message(1, vec![])).await;
        let response: berth_schema::reconcile::ReconcileResponse = directives.expect(200);
        assert!(response.workspaces.is_empty());
        let ids: BTreeSet<_> =
            list(&admin, "").await.items.iter().map(|workspace| workspace.agent_id).collect();
        assert!(!ids.contains(&foreign.id));
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_told_only_to_who_has_proven_who_they_are() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let stranger = app.anyone(Some(&forged(&admin)));
        for (query, field) in [("limit=0", "limit"), ("colour=red", "colour"), ("agent=nobody", "agent")] {
            let path = admin.path(&format!("/workspaces?{query}"));
            stranger.get(&path).await.problem(401, "unauthenticated");
            assert_eq!(admin.get(&path).await.wrong_fields(), [field]);
        }
    })
    .await;
}

/// A token of the same organisation and id with another secret.
fn forged(admin: &Admin) -> String {
    let (organization, id) = (admin.token.organization(), admin.token.token_id());
    OpaqueAccessToken::new(organization, id, &[9; 32]).expose().to_owned()
}

#[tokio::test]
async fn only_a_long_list_is_compressed() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        for index in 0..60 {
            admin.create_workspace(&format!("w-{index:02}")).await;
        }
        // The client asks for gzip, and takes the header away where it unpacks.
        let encoding = async |limit| {
            let path = admin.path(&format!("/workspaces?limit={limit}"));
            let reply = admin.get(&path).await;
            reply.headers.get("content-encoding").map(|value| value.to_str().expect("text").to_owned())
        };
        assert_eq!(encoding(10).await.as_deref(), Some("identity"));
        assert_eq!(encoding(60).await, None);
    })
    .await;
}

#[tokio::test]
async fn whatever_is_said_of_encodings_a_request_is_answered_as_every_other() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        for (number, accepted) in [
            "*;q=0",
            "identity;q=0",
            "gzip;q=0, identity;q=0, *;q=0",
            "br",
            "zstd, deflate",
            ";;;",
            "gzip;q=2",
            "",
        ]
        .into_iter()
        .enumerate()
        {
            let odd = |request: reqwest::RequestBuilder| send(request.header("accept-encoding", accepted));
            odd(app.anyone(None).request(Method::GET, "/nothing")).await.problem(404, "not-found");
            odd(app.anyone(Some("forged")).request(Method::GET, "/api/v1/whoami"))
                .await
                .problem(401, "unauthenticated");
            let body = serde_json::json!({"name": format!("w-{number}"), "image": "a"});
            let created = admin.request(Method::POST, &admin.path("/workspaces")).json(&body);
            assert_eq!(odd(created).await.status, 201, "{accepted}");
            assert_eq!(odd(admin.request(Method::GET, &admin.path("/workspaces"))).await.status, 200);
        }
    })
    .await;
}
