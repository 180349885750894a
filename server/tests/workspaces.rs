//! What users do with workspaces.

use berth_schema::api::Workspace;
use berth_schema::{ActualState, DesiredState, Generation};
use reqwest::Method;
use serde_json::json;

use crate::support::{Admin, App, Reply, Requests, send};

async fn wish_at(admin: &Admin, wish: &str, generation: &str) -> Reply {
    let path = admin.path(&format!("/workspaces/w/{wish}"));
    send(admin.request(Method::POST, &path).header("if-match", generation)).await
}

#[tokio::test]
async fn a_workspace_is_created_whole() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let devfile =
            "schemaVersion: 2.2.2\ncomponents:\n  - name: main\n    container:\n      image: debian:13\n";
        let variables =
            json!([{"name": "A", "value": "x"}, {"name": "f.txt", "kind": "file", "value_base64": "AP8="}]);
        let body = json!({"name": "w", "agent": "cluster", "devfile": devfile, "variables": variables});
        let reply = admin.create(&body).await;
        let created: Workspace = reply.expect(201);
        assert_eq!((reply.header("etag"), created.generation), ("\"1\"", Generation::FIRST));
        assert_eq!(created.desired_state, DesiredState::Running);
        assert_eq!(created.actual_state, ActualState::CreationRequested);
        assert_eq!((created.agent_id, created.image.as_str()), (agent.id, "debian:13"));
        assert!(created.namespace.as_str().starts_with("berth-w-"), "{}", created.namespace);
        let names: Vec<_> = created.variables.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names, ["A", "f.txt"]);
        let got = admin.get(reply.header("location")).await;
        assert_eq!(got.expect::<Workspace>(200), created);
        assert_eq!(got.header("etag"), "\"1\"");
        assert_eq!(admin.workspace("w").await, created);
    })
    .await;
}

#[tokio::test]
async fn what_a_workspace_is_made_of_need_not_be_said() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let created: Workspace = admin.create(&json!({})).await.expect(201);
        assert_eq!(created.image, "docker.io/library/buildpack-deps:trixie");
    })
    .await;
}

#[tokio::test]
async fn a_name_is_drawn_when_none_is_given_and_taken_when_one_is() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let drawn: Workspace = admin.create(&json!({"image": "a"})).await.expect(201);
        assert_eq!(drawn.name.as_str().split('-').count(), 3);
        let body = json!({"name": drawn.name, "image": "a"});
        assert_eq!(admin.create(&body).await.problem(409, "name-taken").errors[0].field, "name");
    })
    .await;
}

#[tokio::test]
async fn wishes_raise_the_generation_and_repeating_one_is_harmless() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        for (wish, desired, generation) in [
            ("start", DesiredState::Running, 1),
            ("stop", DesiredState::Stopped, 2),
            ("stop", DesiredState::Stopped, 2),
            ("start", DesiredState::Running, 3),
            ("restart", DesiredState::RestartRequested, 4),
            ("restart", DesiredState::RestartRequested, 4),
            ("stop", DesiredState::Stopped, 5),
            ("terminate", DesiredState::Terminated, 6),
            ("terminate", DesiredState::Terminated, 6),
        ] {
            let reply = admin.wish("w", wish).await;
            let workspace: Workspace = reply.expect(200);
            assert_eq!(
                (workspace.desired_state, workspace.generation.get()),
                (desired, generation),
                "{wish}"
            );
            assert_eq!(reply.header("etag"), format!("\"{generation}\""));
        }
        for wish in ["start", "stop", "restart"] {
            admin.wish("w", wish).await.problem(409, "wrong-state");
        }
        admin.wish("nobody", "stop").await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test]
async fn a_change_upon_an_outdated_generation_is_refused() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        wish_at(&admin, "stop", "\"1\"").await.expect::<Workspace>(200);
        let problem = wish_at(&admin, "start", "\"1\"").await.problem(412, "generation-mismatch");
        assert!(problem.detail.contains("generation 2"), "{problem:?}");
        assert_eq!(admin.workspace("w").await.desired_state, DesiredState::Stopped);
        wish_at(&admin, "start", "\"2\"").await.expect::<Workspace>(200);
        wish_at(&admin, "stop", "*").await.expect::<Workspace>(200);
    })
    .await;
}

#[tokio::test]
async fn of_many_changes_upon_one_generation_one_wins() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let replies = futures::future::join_all((0..20).map(|_| wish_at(&admin, "stop", "\"1\""))).await;
        let won = replies.iter().filter(|reply| reply.status == 200).count();
        assert_eq!((won, admin.workspace("w").await.generation.get()), (1, 2));
        assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 412)));
    })
    .await;
}

#[tokio::test]
async fn opposite_wishes_at_once_are_all_answered() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let wishes = (0..20).map(|index| admin.wish("w", if index % 2 == 0 { "stop" } else { "start" }));
        for reply in futures::future::join_all(wishes).await {
            reply.expect::<Workspace>(200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_rebuild_replaces_the_spec_and_keeps_the_wish() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let path = admin.path("/workspaces/w/rebuild");
        let rebuilt: Workspace = admin.post(&path, &json!({"image": "debian:14"})).await.expect(200);
        assert_eq!((rebuilt.image.as_str(), rebuilt.generation.get()), ("debian:14", 2));
        assert_eq!(rebuilt.desired_state, DesiredState::Running);
        assert_eq!(admin.post(&path, &json!({})).await.wrong_fields(), ["devfile"]);
        assert_eq!(admin.post(&path, &json!({"image": "a b"})).await.wrong_fields(), ["image"]);
        assert_eq!(admin.workspace("w").await.generation.get(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_project_is_stored_with_its_workspace_and_kept_by_a_rebuild() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let project = json!({"url": "https://git.example/group/site.git", "ref": "main"});
        let body = json!({"name": "w", "image": "debian:13", "project": project});
        let created: Workspace = admin.create(&body).await.expect(201);
        assert_eq!(serde_json::to_value(&created.project).expect("JSON"), project);
        let path = admin.path("/workspaces/w/rebuild");
        let rebuilt: Workspace = admin.post(&path, &json!({"image": "debian:14"})).await.expect(200);
        assert_eq!(rebuilt.project, created.project);
        let wrong = json!({"image": "a", "project": {"url": "https://me:s3cret@git.example/a", "ref": "-x"}});
        let reply = admin.create(&wrong).await;
        assert!(!reply.text.contains("s3cret"));
        assert_eq!(reply.wrong_fields(), ["project.url", "project.ref"]);
    })
    .await;
}

#[tokio::test]
async fn another_organisations_workspace_does_not_exist() {
    App::run(async |app| {
        let (admin, other) = (app.organization("acme").await, app.organization("other").await);
        admin.create_agent("cluster").await;
        let workspace = admin.create_workspace("w").await;
        for name in [workspace.id.to_string(), "w".to_owned()] {
            other.get(&other.path(&format!("/workspaces/{name}"))).await.problem(404, "not-found");
            other.wish(&name, "terminate").await.problem(404, "not-found");
            // With the right organisation in the path, the organisation itself is what does not exist.
            other.get(&admin.path(&format!("/workspaces/{name}"))).await.problem(404, "not-found");
        }
        assert_eq!(admin.workspace("w").await, workspace);
    })
    .await;
}
