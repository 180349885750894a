//! Made, renamed, moved, deleted; and seen as rules say.

use berth_schema::access::Role;
use berth_schema::groups::{Group, MAX_DEPTH, MAX_GROUPS};
use berth_schema::policy::Permission;
use berth_schema::projects::{MAX_PROJECTS, Project};
use reqwest::Method;
use serde_json::{Value, json};

use super::{create, delete, forbid, get, group, moved, paths, project};
use crate::policy::join;
use crate::support::{Admin, App, Requests, send};

#[tokio::test]
async fn groups_are_made_renamed_moved_and_deleted_by_path_or_id() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let stranger = app.organization("stranger").await;
        group(&stranger, "platform").await;
        let platform = group(&owner, "platform").await;
        let payments = group(&owner, "platform/payments").await;
        group(&owner, "platform/payments/cards").await;
        let api = project(&owner, "platform/payments/api").await;
        assert_eq!((payments.parent_id, api.group_id), (Some(platform.id), Some(payments.id)));
        // By itself it tells of agents, too.
        let whole = Group { agents: Some(vec![]), ..payments.clone() };
        assert_eq!(get(&owner, "groups", "platform/payments").await.expect::<Group>(200), whole);
        assert_eq!(get(&owner, "groups", &payments.id.to_string()).await.expect::<Group>(200), whole);

        create(&owner, "groups", "platform/payments").await.problem(409, "name-taken");
        create(&owner, "groups", "nowhere/payments").await.problem(404, "not-found");
        assert_eq!(moved(&owner, "groups", "platform", "platform/payments/x").await.wrong_fields(), ["path"]);
        assert_eq!(moved(&owner, "groups", "platform", "nowhere/x").await.wrong_fields(), ["path"]);
        delete(&owner, "groups", "platform/payments").await.problem(409, "group-not-empty");

        let renamed: Group = moved(&owner, "groups", "platform", "core").await.expect(200);
        assert_eq!((renamed.id, renamed.parent_id), (platform.id, None));
        assert_eq!(paths(&owner, "groups").await, ["core", "core/payments", "core/payments/cards"]);
        assert_eq!(paths(&owner, "projects").await, ["core/payments/api"]);
        get(&owner, "groups", "platform").await.problem(404, "not-found");
        moved(&owner, "groups", "core/payments", "payments").await.expect::<Group>(200);
        assert_eq!(paths(&owner, "groups").await, ["core", "payments", "payments/cards"]);
        moved(&owner, "projects", "payments/api", "core/api").await.expect::<Project>(200);
        let elsewhere: Project = get(&owner, "projects", "core/api").await.expect(200);
        assert_eq!((elsewhere.id, elsewhere.group_id), (api.id, Some(platform.id)));

        delete(&owner, "projects", "core/api").await.expect::<Project>(200);
        delete(&owner, "groups", "core").await.expect::<Group>(200);
        assert_eq!(paths(&owner, "groups").await, ["payments", "payments/cards"]);
        assert_eq!(paths(&stranger, "groups").await, ["platform"]);
        get(&stranger, "groups", &payments.id.to_string()).await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_group_or_a_project_is_told_by_its_field() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        for (body, fields) in [
            (json!({}), ["name"]),
            (json!({"name": "A"}), ["name"]),
            (json!({"name": "a/b"}), ["name"]),
            (json!({"name": "deadbeefdeadbeefdeadbeefdeadbeef"}), ["name"]),
            (json!({"name": "a", "colour": 1}), ["colour"]),
        ] {
            let groups = owner.post(&owner.path("/groups"), &body).await;
            assert_eq!(groups.wrong_fields(), fields, "{body}");
            assert_eq!(owner.post(&owner.path("/projects"), &body).await.wrong_fields(), fields, "{body}");
        }
        let with = async |settings: Value| {
            let body = json!({"name": "api", "settings": settings});
            owner.post(&owner.path("/projects"), &body).await.wrong_fields()
        };
        let repository = |url: &str| json!({"repository": {"url": url}});
        assert_eq!(with(repository("ftp://git.a/b")).await, ["settings.repository.url"]);
        assert_eq!(with(repository("http://git.a/b")).await, ["settings.repository.url"]);
        assert_eq!(with(repository("https://me:secret@git.a/b")).await, ["settings.repository.url"]);
        let bad = json!({"repository": {"url": "https://git.a/b", "ref": "-x"}});
        assert_eq!(with(bad).await, ["settings.repository.ref"]);
        assert_eq!(with(json!({"agent": "Not a name"})).await, ["settings.agent"]);

        let mut deep = "a".to_owned();
        group(&owner, &deep).await;
        for _ in 1..MAX_DEPTH {
            deep.push_str("/a");
            group(&owner, &deep).await;
        }
        assert_eq!(create(&owner, "groups", &format!("{deep}/a")).await.wrong_fields(), ["name"]);
        project(&owner, &format!("{deep}/api")).await;
        group(&owner, "b").await;
        assert_eq!(moved(&owner, "groups", "a", "b/a").await.wrong_fields(), ["path"]);
        assert_eq!(moved(&owner, "groups", "a", "").await.wrong_fields(), ["path"]);
    })
    .await;
}

#[tokio::test]
async fn a_repeated_creation_is_answered_again_and_a_project_is_changed_as_it_was_seen() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        owner.create_agent("berlin").await;
        for (kind, name) in [("groups", "platform"), ("projects", "api")] {
            let ask = async |name: &str| {
                let request = owner.request(Method::POST, &owner.path(&format!("/{kind}")));
                send(request.header("idempotency-key", kind).json(&json!({"name": name}))).await
            };
            let made: Value = ask(name).await.expect(201);
            assert_eq!(ask(name).await.expect::<Value>(200), made);
            ask("other").await.problem(422, "idempotency-key-reused");
        }
        let change = async |version: &str, body: Value| {
            let request = owner.request(Method::PATCH, &owner.path("/projects/api"));
            send(request.header("if-match", version).json(&body)).await
        };
        let settings =
            json!({"settings": {"agent": "berlin", "repository": {"url": "https://git.a/b", "ref": "main"}}});
        let changed = change("\"1\"", settings.clone()).await;
        assert_eq!(changed.header("etag"), "\"2\"");
        assert_eq!(changed.expect::<Value>(200)["settings"], settings["settings"]);
        change("\"1\"", json!({"path": "site"})).await.problem(412, "project-mismatch");
        // What changes nothing is no change.
        assert_eq!(change("\"2\"", settings).await.header("etag"), "\"2\"");
        let renamed: Project = change("*", json!({"path": "site"})).await.expect(200);
        assert!(renamed.version == 3 && renamed.settings.agent.is_some(), "{renamed:?}");
        let nothing =
            send(owner.request(Method::PATCH, &owner.path("/projects/site")).json(&json!({}))).await;
        assert_eq!(nothing.wrong_fields(), ["path"]);
    })
    .await;
}

#[tokio::test]
async fn rules_that_name_a_group_hold_for_all_that_is_in_it_wherever_it_is_moved() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let (developer, maintainer) =
            (join(&owner, Role::Developer).await, join(&owner, Role::Maintainer).await);
        let secret = group(&owner, "secret").await;
        for path in ["secret/deep", "open", "open/deep"] {
            group(&owner, path).await;
        }
        for path in ["secret/deep/api", "open/api"] {
            project(&owner, path).await;
        }
        create(&developer, "groups", "mine").await.problem(403, "forbidden");
        assert_eq!(paths(&developer, "groups").await.len(), 4);
        let hidden = format!(
            "@id(\"hidden\") forbid (principal, action in Action::\"groups\", resource in Group::\"{}\")
             when {{ principal.role != \"owner\" }};",
            secret.id
        );
        forbid(&owner, &hidden).await;
        for who in [&developer, &maintainer] {
            assert_eq!(paths(who, "groups").await, ["open", "open/deep"]);
            assert_eq!(paths(who, "projects").await, ["open/api"]);
            get(who, "groups", "secret/deep").await.problem(404, "not-found");
            get(who, "projects", "secret/deep/api").await.problem(404, "not-found");
        }
        // Nobody puts something where they may not, nor learns what is there.
        create(&maintainer, "groups", "secret/mine").await.problem(404, "not-found");
        let known = moved(&maintainer, "groups", "open", "secret/open").await.problem(422, "invalid");
        let unknown = moved(&maintainer, "groups", "open", "nowhere/open").await.problem(422, "invalid");
        assert_eq!(known.detail.replace("secret", "nowhere"), unknown.detail);
        let known = moved(&maintainer, "projects", "open/api", "secret/api").await;
        assert_eq!(known.wrong_fields(), ["path"]);
        let asked = owner.path("/can-i?action=group.delete&resource=secret/deep");
        assert!(owner.get(&asked).await.expect::<Permission>(200).answer.allowed);
        let asked = maintainer.path("/can-i?action=group.delete&resource=secret/deep");
        maintainer.get(&asked).await.problem(404, "not-found");

        moved(&owner, "groups", "open/deep", "secret/opened").await.expect::<Group>(200);
        moved(&owner, "groups", "secret/deep", "deep").await.expect::<Group>(200);
        assert_eq!(paths(&developer, "groups").await, ["deep", "open"]);
        assert_eq!(paths(&developer, "projects").await, ["deep/api", "open/api"]);
    })
    .await;
}

/// Two that are each right would be a circle together.
#[tokio::test]
async fn groups_that_are_moved_into_each_other_at_once_stay_a_tree() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let replica = app.replica().await;
        let other = Admin::new(replica.address(), owner.token.expose().parse().expect("a token"));
        for round in 0..10 {
            let (a, b) = (format!("a{round}"), format!("b{round}"));
            group(&owner, &a).await;
            group(&owner, &b).await;
            let (into_b, into_a) = (format!("{b}/{a}"), format!("{a}/{b}"));
            let (one, two) =
                tokio::join!(moved(&owner, "groups", &a, &into_b), moved(&other, "groups", &b, &into_a));
            let mut statuses = [one.status, two.status];
            statuses.sort_unstable();
            // Whoever comes second is refused: into itself, or its group is elsewhere by then.
            assert!(statuses[0] == 200 && matches!(statuses[1], 404 | 422), "{statuses:?}");
        }
        assert_eq!(paths(&owner, "groups?limit=100").await.len(), 20);
    })
    .await;
}

#[tokio::test]
async fn there_are_no_more_groups_and_projects_than_allowed_and_many_move_at_once() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let top = group(&owner, "top").await.id;
        let organization = owner.organization();
        app.execute(&format!(
            "INSERT INTO groups (organization_id, id, name, parent_id, parent_path, created_at)
             SELECT '{organization}', gen_random_uuid(), 'g' || n, '{top}', 'top', now() FROM generate_series(2, {MAX_GROUPS}) n"
        ))
        .await;
        app.execute(&format!(
            "INSERT INTO projects (organization_id, id, name, group_id, group_path, settings, version, created_at, updated_at)
             SELECT '{organization}', gen_random_uuid(), 'p' || n, '{top}', 'top', '{{}}', 1, now(), now()
             FROM generate_series(1, {MAX_PROJECTS}) n"
        ))
        .await;
        for (kind, path) in [("groups", "top/other"), ("projects", "top/other"), ("groups", "other")] {
            let problem = create(&owner, kind, path).await.problem(403, "quota-exceeded");
            assert_eq!(problem.errors[0].field, kind);
        }
        moved(&owner, "groups", "top", "bottom").await.expect::<Group>(200);
        get(&owner, "groups", "bottom/g1000").await.expect::<Group>(200);
        get(&owner, "projects", "bottom/p5000").await.expect::<Project>(200);
        delete(&owner, "groups", "bottom/g2").await.expect::<Group>(200);
        group(&owner, "bottom/other").await;
    })
    .await;
}
