//! Workspaces that are made for a project.

use berth_schema::access::Role;
use berth_schema::api::{Paged, Workspace};
use berth_schema::groups::{GivenRole, Group};
use berth_schema::policy::Permission;
use berth_schema::projects::Project;
use reqwest::Method;
use serde_json::{Value, json};

use super::roles::{give, member_id, take};
use super::{delete, escaped, forbid, group, moved, project};
use crate::connections::Proxy;
use crate::events::Stream;
use crate::login::Cli;
use crate::policy::join;
use crate::sign_in::signed_in;
use crate::support::{Admin, App, Reply, Requests, send};

async fn made_for(who: &Admin, project: &str, body: &Value) -> Reply {
    who.post(&who.path(&format!("/projects/{}/workspaces", escaped(project))), body).await
}

async fn names(who: &Admin, query: &str) -> Vec<String> {
    let page: Paged<Workspace> = who.get(&who.path(&format!("/workspaces{query}"))).await.expect(200);
    let mut names: Vec<_> = page.items.iter().map(|workspace| workspace.name.to_string()).collect();
    names.sort_unstable();
    names
}

async fn settings(who: &Admin, project: &str, settings: Value) {
    let path = who.path(&format!("/projects/{}", escaped(project)));
    let change = who.request(Method::PATCH, &path).json(&json!({"settings": settings}));
    send(change).await.expect::<Project>(200);
}

#[tokio::test]
async fn a_workspace_is_made_of_what_its_project_says_unless_the_request_says_otherwise() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        for agent in ["berlin", "paris"] {
            owner.create_agent(agent).await;
        }
        group(&owner, "platform").await;
        let api = project(&owner, "platform/api").await;
        let body = |more: Value| {
            let mut body = json!({"image": "debian:13"});
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            body
        };
        let wrong = made_for(&owner, "platform/api", &body(json!({}))).await;
        assert_eq!(wrong.wrong_fields(), ["agent"], "the project says nothing");
        let only_ref = body(json!({"agent": "paris", "project": {"ref": "next"}}));
        assert_eq!(made_for(&owner, "platform/api", &only_ref).await.wrong_fields(), ["project.url"]);
        let repository = json!({"url": "https://git.a/api.git", "ref": "main"});
        settings(&owner, "platform/api", json!({"agent": "berlin", "repository": repository})).await;

        let made = made_for(&owner, "platform/api", &body(json!({"name": "one"}))).await;
        let one: Workspace = made.expect(201);
        let cloned = |workspace: &Workspace| serde_json::to_value(&workspace.project).expect("JSON");
        assert_eq!((one.agent.as_str(), cloned(&one)), ("berlin", repository));
        let of = one.belongs_to.as_ref().expect("a project");
        assert_eq!((of.id, of.path.as_str()), (api.id, "platform/api"));
        let other = body(json!({"agent": "paris", "project": {"ref": "next"}}));
        let other: Workspace = made_for(&owner, &api.id.to_string(), &other).await.expect(201);
        assert_eq!(other.agent.as_str(), "paris");
        assert_eq!(cloned(&other), json!({"url": "https://git.a/api.git", "ref": "next"}));
        let mine = body(json!({"project": {"url": "https://git.a/mine.git"}}));
        let mine: Workspace = made_for(&owner, "platform/api", &mine).await.expect(201);
        assert_eq!(cloned(&mine), json!({"url": "https://git.a/mine.git"}));
        // Of none, a reference alone is of nothing.
        let alone = owner.create(&body(json!({"agent": "paris", "project": {"ref": "next"}}))).await;
        assert_eq!(alone.wrong_fields(), ["project.url"]);
        let bare: Workspace = owner.create(&json!({"name": "bare", "image": "a", "agent": "paris"})).await.expect(201);
        assert_eq!(bare.belongs_to, None);
        made_for(&owner, "platform/nothing", &body(json!({}))).await.problem(404, "not-found");

        // Its project is told by the path of now, and lists can be of one.
        moved(&owner, "projects", "platform/api", "site").await.expect::<Project>(200);
        let one: Workspace = owner.get(&owner.path("/workspaces/one")).await.expect(200);
        assert_eq!(one.belongs_to.expect("a project").path.as_str(), "site");
        assert_eq!(names(&owner, "?project=site").await.len(), 3);
        assert_eq!(names(&owner, "").await.len(), 4);
        let unknown = owner.get(&owner.path("/workspaces?project=platform/api")).await;
        assert_eq!(unknown.wrong_fields(), ["project"]);
        // What something belongs to is not deleted.
        delete(&owner, "projects", "site").await.problem(409, "project-in-use");
        app.execute("UPDATE workspaces SET desired_state = 'Terminated', actual_state = 'Terminated' WHERE name <> 'bare'")
            .await;
        delete(&owner, "projects", "site").await.expect::<Project>(200);
        let one: Workspace = owner.get(&owner.path("/workspaces/one")).await.expect(200);
        assert_eq!(one.belongs_to, None, "only the record says where it was");
    })
    .await;
}

#[tokio::test]
async fn a_repeated_creation_for_a_project_makes_one() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        owner.create_agent("cluster").await;
        project(&owner, "api").await;
        let ask = async |path: &str| {
            let request = owner.request(Method::POST, &owner.path(path)).header("idempotency-key", "k");
            send(request.json(&json!({"image": "a"}))).await
        };
        let made: Workspace = ask("/projects/api/workspaces").await.expect(201);
        assert_eq!(ask("/projects/api/workspaces").await.expect::<Workspace>(200).id, made.id);
        ask("/workspaces").await.problem(422, "idempotency-key-reused");
        // For another project it is another workspace.
        project(&owner, "site").await;
        ask("/projects/site/workspaces").await.problem(422, "idempotency-key-reused");
    })
    .await;
}

#[tokio::test]
async fn whoever_is_more_at_a_project_is_so_to_its_workspaces() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let replica = app.replica().await;
        owner.create_agent("cluster").await;
        let developer = join(&owner, Role::Developer).await;
        let viewer = join(&owner, Role::Viewer).await;
        for path in ["platform", "elsewhere"] {
            group(&owner, path).await;
        }
        project(&owner, "platform/api").await;
        project(&owner, "elsewhere/api").await;
        let watch = async || {
            let mut stream = Stream::of_organization(&developer, None).await;
            assert_eq!(stream.expect().await.name, "open");
            stream
        };
        let mut stream = watch().await;
        let body = |name: &str| json!({"name": name, "image": "a"});
        made_for(&owner, "platform/api", &body("here")).await.expect::<Workspace>(201);
        made_for(&owner, "elsewhere/api", &body("there")).await.expect::<Workspace>(201);
        owner.create(&body("of-none")).await.expect::<Workspace>(201);
        made_for(&viewer, "platform/api", &body("viewers")).await.problem(403, "forbidden");
        made_for(&developer, "platform/api", &body("developers")).await.expect::<Workspace>(201);
        assert_eq!(names(&developer, "").await, ["developers"]);
        assert_eq!(stream.expect().await.workspace().name.as_str(), "developers");
        developer.get(&developer.path("/workspaces/here")).await.problem(404, "not-found");

        give(&owner, "groups", "platform", "the developer", Role::Maintainer).await.expect::<GivenRole>(200);
        // Whoever gets a role looks anew.
        stream.ends().await;
        let mut stream = watch().await;
        let elsewhere = Admin::new(replica.address(), developer.token.expose().parse().expect("a token"));
        assert_eq!(names(&elsewhere, "").await, ["developers", "here"]);
        assert_eq!(names(&developer, "?project=elsewhere/api").await, [""; 0]);
        assert_eq!(names(&developer, "?owner=me").await, ["developers"]);
        let stopped = async |who: &Admin, name: &str| who.wish(name, "stop").await;
        assert_eq!(stopped(&elsewhere, "here").await.expect::<Workspace>(200).name.as_str(), "here");
        assert_eq!(stream.expect().await.workspace().name.as_str(), "here");
        developer.wish("here", "start").await.expect::<Workspace>(200);
        assert_eq!(stream.expect().await.workspace().name.as_str(), "here");
        for name in ["there", "of-none"] {
            stopped(&developer, name).await.problem(404, "not-found");
            stopped(&owner, name).await.expect::<Workspace>(200);
        }
        stream.is_quiet().await;
        let asked = developer.path("/can-i?action=workspace.stop&resource=here");
        let permission: Permission = developer.get(&asked).await.expect(200);
        assert!(permission.answer.allowed, "{permission:?}");
        assert_eq!(
            (permission.given[0].at.as_str(), permission.given[0].path.as_str()),
            ("group", "platform")
        );
        // Who only looks in the organisation develops where they are developer, and what they make is theirs.
        give(&owner, "projects", "elsewhere/api", "the viewer", Role::Developer)
            .await
            .expect::<GivenRole>(200);
        made_for(&viewer, "elsewhere/api", &body("viewers")).await.expect::<Workspace>(201);
        stopped(&viewer, "viewers").await.expect::<Workspace>(200);
        stopped(&viewer, "there").await.problem(403, "forbidden");
        // With the role ends what it gave; with the place it goes.
        take(&owner, "groups", "platform", "the developer").await.expect::<GivenRole>(200);
        stream.ends().await;
        let mut stream = watch().await;
        assert_eq!(names(&elsewhere, "").await, ["developers"]);
        stopped(&developer, "here").await.problem(404, "not-found");
        stopped(&owner, "here").await.expect::<Workspace>(200);
        stream.is_quiet().await;
        give(&owner, "groups", "elsewhere", "the developer", Role::Viewer).await.expect::<GivenRole>(200);
        moved(&owner, "projects", "platform/api", "elsewhere/moved").await.expect::<Project>(200);
        assert_eq!(names(&developer, "").await, ["developers", "here", "there", "viewers"]);
        stopped(&developer, "there").await.problem(403, "forbidden");
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn rules_that_name_a_group_hold_for_the_workspaces_in_it() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        owner.create_agent("cluster").await;
        let maintainer = join(&owner, Role::Maintainer).await;
        let secret = group(&owner, "secret").await;
        project(&owner, "secret/api").await;
        made_for(&owner, "secret/api", &json!({"name": "hidden", "image": "a"})).await.expect::<Workspace>(201);
        owner.create_workspace("open").await;
        let hidden = format!(
            "@id(\"secret\") forbid (principal, action, resource in Group::\"{}\") unless {{ principal.role == \"owner\" }};",
            secret.id
        );
        forbid(&owner, &hidden).await;
        assert_eq!(names(&maintainer, "").await, ["open"]);
        assert_eq!(names(&owner, "").await, ["hidden", "open"]);
        maintainer.wish("hidden", "stop").await.problem(404, "not-found");
        made_for(&maintainer, "secret/api", &json!({"image": "a"})).await.problem(404, "not-found");
        let unseen = maintainer.get(&maintainer.path("/workspaces?project=secret/api")).await;
        assert_eq!(unseen.wrong_fields(), ["project"]);
        // Nor is a stream of one told what may not be seen any more.
        moved(&owner, "groups", "secret", "secrets").await.expect::<Group>(200);
        assert_eq!(names(&maintainer, "").await, ["open"]);
    })
    .await;
}

/// Somebody is let into what they made for a project by what they are there.
#[tokio::test]
async fn a_connection_ends_with_the_role_that_it_was_let_in_by() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let agent = owner.create_agent("cluster").await;
        let proxy = Proxy::of(&owner, &agent).await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        for path in ["platform", "elsewhere"] {
            group(&owner, path).await;
        }
        project(&owner, "platform/api").await;
        let her = member_id(&owner, "Ada").await;
        let member = owner.request(Method::PATCH, &owner.path(&format!("/members/{her}")));
        send(member.json(&json!({"role": "viewer"}))).await.expect::<Value>(200);
        give(&owner, "groups", "platform", &her, Role::Developer).await.expect::<GivenRole>(200);
        let tokens = Cli::of(app).log_in(&mut ada).await;
        let access = tokens["access_token"].as_str().expect("a token");
        let path = owner.path("/projects/platform%2Fapi/workspaces");
        let body = json!({"name": "hers", "devfile": crate::ports::DEVFILE});
        let made = send(app.anyone(Some(access)).request(Method::POST, &path).json(&body)).await;
        let workspace = made.expect::<Workspace>(201).id.to_string();
        let body = proxy.body(&ada, &workspace).await;
        let opened: Value = proxy.open(app, &body).await.expect(200);
        assert_eq!(opened["decision"], "allowed", "{opened}");
        let decided = async || proxy.decide(app, &opened["grant"], &workspace).await;
        assert_eq!(decided().await["decision"], "allowed");
        let denied = json!({"decision": "denied", "why": "policy"});
        take(&owner, "groups", "platform", &her).await.expect::<GivenRole>(200);
        assert_eq!(decided().await, denied);
        give(&owner, "groups", "platform", &her, Role::Developer).await.expect::<GivenRole>(200);
        assert_eq!(decided().await["decision"], "allowed");
        moved(&owner, "projects", "platform/api", "elsewhere/api").await.expect::<Project>(200);
        assert_eq!(decided().await, denied);
    })
    .await;
}
