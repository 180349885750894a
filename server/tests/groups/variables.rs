//! Variables of groups, projects and members: who gets them, who may set them, and when they are gone.

use berth_schema::access::Role;
use berth_schema::api::{Paged, Workspace};
use berth_schema::scope::{Scope, ScopeVariable, VariableOrigin};
use berth_server::crypto::{KeyRing, Keys};
use berth_server::services::binding;
use reqwest::Method;
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use super::roles::{give, member_id, take};
use super::{delete, escaped, forbid, group, moved, project};
use crate::policy::join;
use crate::rotation::{line, rewrap_all};
use crate::support::{Admin, App, Reply, Requests, send};

/// `/groups/a%2Fb`, `/projects/api`, `/me`; nothing: the organisation.
async fn set(who: &Admin, at: &str, body: Value) -> Reply {
    send(who.request(Method::PUT, &who.path(&format!("{at}/variables"))).json(&body)).await
}

async fn value(who: &Admin, at: &str, name: &str) {
    set(who, at, json!({"name": name, "value": format!("of {at}")})).await.expect::<ScopeVariable>(200);
}

async fn names(who: &Admin, at: &str) -> Vec<String> {
    let page: Paged<ScopeVariable> = who.get(&who.path(&format!("{at}/variables"))).await.expect(200);
    page.items.into_iter().map(|variable| variable.name).collect()
}

async fn drop_it(who: &Admin, at: &str, name: &str) -> Reply {
    who.post(&who.path(&format!("{at}/variables/remove")), &json!({"name": name})).await
}

async fn made(who: &Admin, project: Option<&str>, name: &str) -> Reply {
    let body = json!({"name": name, "image": "a"});
    match project {
        Some(project) => {
            who.post(&who.path(&format!("/projects/{}/workspaces", escaped(project))), &body).await
        }
        None => who.create(&body).await,
    }
}

async fn origins(who: &Admin, workspace: &str) -> Vec<VariableOrigin> {
    let path = who.path(&format!("/workspaces/{workspace}/variables"));
    who.get(&path).await.expect::<Paged<VariableOrigin>>(200).items
}

const A: &str = "/groups/a";
const B: &str = "/groups/a%2Fb";
const API: &str = "/projects/a%2Fb%2Fapi";

/// `a`, `a/b`, and the project `a/b/api`.
async fn tree(owner: &Admin) {
    owner.create_agent("cluster").await;
    group(owner, "a").await;
    group(owner, "a/b").await;
    project(owner, "a/b/api").await;
}

#[tokio::test]
async fn a_workspace_gets_what_is_nearest_along_the_whole_chain_and_keeps_it() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let agent = owner.create_agent("cluster").await;
        let outer = group(&owner, "a").await;
        group(&owner, "a/b").await;
        project(&owner, "a/b/api").await;
        group(&owner, "beside").await;
        for (at, variables) in [
            ("", "O A B P U"),
            (A, "A B P U"),
            (B, "B P U"),
            (API, "P U"),
            ("/me", "U"),
            ("/groups/beside", "BESIDE"),
        ] {
            for name in variables.split(' ') {
                value(&owner, at, name).await;
            }
        }
        made(&owner, Some("a/b/api"), "w").await.expect::<Workspace>(201);
        made(&owner, None, "bare").await.expect::<Workspace>(201);
        let response = agent.partial(1, vec![]).await;
        let environment = agent.variables(&response, "w").expect("variables").environment;
        let got: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        let expected = [("A", A), ("B", B), ("O", ""), ("P", API), ("U", "/me")];
        let expected = expected.map(|(name, at)| (name, format!("of {at}")));
        let expected: Vec<_> = expected.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        assert_eq!(got, expected);
        let bare = agent.variables(&response, "bare").expect("variables").environment;
        assert_eq!(bare["A"].expose(), b"of ", "what belongs to no project is in no group");
        assert_eq!(bare["U"].expose(), b"of /me");

        let told: Vec<_> = origins(&owner, "w").await;
        let told: Vec<_> =
            told.iter().map(|o| (o.name.as_str(), o.scope, o.path.as_deref(), o.overrides)).collect();
        assert_eq!(
            told,
            [
                ("A", Scope::Group, Some("a"), Some(Scope::Organization)),
                ("B", Scope::Group, Some("a/b"), Some(Scope::Group)),
                ("O", Scope::Organization, None, None),
                ("P", Scope::Project, Some("a/b/api"), Some(Scope::Group)),
                ("U", Scope::User, None, Some(Scope::Project)),
            ]
        );
        // A move changes what is inherited by those who come later, and by nobody else.
        moved(&owner, "projects", "a/b/api", "beside/api").await.expect::<Value>(200);
        let kept = origins(&owner, "w").await;
        assert_eq!(kept[0].path.as_deref(), Some("a"), "what it was called then");
        assert_eq!(kept[0].scope_id, Some(*outer.id.as_uuid()));
        made(&owner, Some("beside/api"), "later").await.expect::<Workspace>(201);
        let later = origins(&owner, "later").await;
        let later: Vec<_> = later.iter().map(|o| (o.name.as_str(), o.scope)).collect();
        let expected = [
            ("A", Scope::Organization),
            ("B", Scope::Organization),
            ("BESIDE", Scope::Group),
            ("O", Scope::Organization),
            ("P", Scope::Project),
            ("U", Scope::User),
        ];
        assert_eq!(later, expected);
    })
    .await;
}

#[tokio::test]
async fn what_is_final_is_refused_to_all_that_is_nearer_when_it_is_set_and_when_a_workspace_is_made() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        tree(&owner).await;
        value(&owner, "/me", "PROXY").await;
        set(&owner, A, json!({"name": "PROXY", "value": "x", "final": true})).await.expect::<Value>(200);
        for at in [B, API] {
            let problem =
                set(&owner, at, json!({"name": "PROXY", "value": "y"})).await.problem(422, "invalid");
            assert_eq!(problem.errors[0].field, "name");
            assert!(problem.errors[0].message.contains("is final in the group 'a'"), "{problem:?}");
        }
        value(&owner, "", "PROXY").await;
        value(&owner, A, "OTHER").await;
        // What was there before it became final is told by where it is.
        let problem = made(&owner, Some("a/b/api"), "w").await.problem(422, "invalid");
        assert_eq!(problem.errors[0].field, "variables");
        let message = &problem.errors[0].message;
        assert!(
            message.contains("'PROXY' of the user's own variables is final in the group 'a'"),
            "{message}"
        );
        made(&owner, None, "bare").await.expect::<Workspace>(201);
        drop_it(&owner, "/me", "PROXY").await.expect::<Value>(200);
        made(&owner, Some("a/b/api"), "w").await.expect::<Workspace>(201);
        assert!(origins(&owner, "w").await.iter().any(|o| o.name == "PROXY" && o.is_final));
    })
    .await;
}

#[tokio::test]
async fn what_is_final_is_set_by_no_devfile_and_what_is_not_is_told_to_be() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        tree(&owner).await;
        set(&owner, A, json!({"name": "PROXY", "value": "x", "final": true})).await.expect::<Value>(200);
        value(&owner, A, "LEVEL").await;
        let devfile = |name: &str| {
            format!(
                "schemaVersion: 2.2.0\ncomponents:\n- name: main\n  container:\n    image: a\n    env:\n    - {{name: {name}, value: mine}}\n"
            )
        };
        let container = |how: &str| json!({"image": "a", how: {"PROXY": "mine"}}).to_string();
        let path = owner.path("/projects/a%2Fb%2Fapi/workspaces");
        for made_of in [
            json!({"name": "w", "devfile": devfile("PROXY")}),
            json!({"name": "w", "devcontainer": container("containerEnv")}),
            json!({"name": "w", "devcontainer": container("remoteEnv")}),
        ] {
            let problem = owner.post(&path, &made_of).await.problem(422, "invalid");
            let message = &problem.errors[0].message;
            assert!(message.contains("'PROXY'") && message.contains("final in the group 'a'"), "{message}");
        }
        let level = json!({"name": "w", "devfile": devfile("LEVEL")});
        owner.post(&path, &level).await.expect::<Workspace>(201);
        let found = origins(&owner, "w").await;
        let set: Vec<_> = found.iter().map(|o| (o.name.as_str(), o.is_set_by_devfile)).collect();
        assert_eq!(set, [("LEVEL", true), ("PROXY", false)]);
        // The workspace has what it took, whatever is made of it later.
        drop_it(&owner, A, "PROXY").await.expect::<Value>(200);
        let rebuild = owner.path("/workspaces/w/rebuild");
        let refused = owner.post(&rebuild, &json!({"devfile": devfile("PROXY")})).await;
        assert!(refused.problem(422, "invalid").errors[0].message.contains("'PROXY'"));
        owner.post(&rebuild, &json!({"devfile": devfile("OTHER")})).await.expect::<Workspace>(200);
        assert!(origins(&owner, "w").await.iter().all(|o| !o.is_set_by_devfile));
    })
    .await;
}

#[tokio::test]
async fn whoever_is_maintainer_there_sets_them_and_what_is_not_seen_is_not_there() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        tree(&owner).await;
        let dev = join(&owner, Role::Developer).await;
        let dev_id = member_id(&owner, "the developer").await;
        value(&owner, B, "SHARED").await;
        assert_eq!(names(&dev, B).await, ["SHARED"], "developers see what workspaces are given");
        let body = || json!({"name": "X", "value": "x"});
        for at in [A, B, API] {
            set(&dev, at, body()).await.problem(403, "forbidden");
        }
        give(&owner, "groups", "a/b", &dev_id, Role::Maintainer).await.expect::<Value>(200);
        for at in [B, API] {
            set(&dev, at, body()).await.expect::<Value>(200);
            drop_it(&dev, at, "X").await.expect::<Value>(200);
        }
        set(&dev, A, body()).await.problem(403, "forbidden");
        set(&dev, "", body()).await.problem(403, "forbidden");
        take(&owner, "groups", "a/b", &dev_id).await.expect::<Value>(200);
        drop_it(&dev, B, "SHARED").await.problem(403, "forbidden");
        drop_it(&owner, B, "NONE").await.problem(404, "not-found");
        let hidden = "@id(\"hidden\") forbid (principal, action == Action::\"group.read\", resource)
            unless { context.roles.contains(\"owner\") };";
        forbid(&owner, hidden).await;
        set(&dev, B, body()).await.problem(404, "not-found");
        dev.get(&dev.path(&format!("{B}/variables"))).await.problem(404, "not-found");
        // A rule may forbid them all below a group.
        let a = owner.get(&owner.path(A)).await.expect::<Value>(200)["id"].as_str().expect("an id").to_owned();
        let none = format!(
            "@id(\"none-there\") forbid (principal, action in [Action::\"group.set-variable\", Action::\"project.set-variable\"],
             resource in Group::\"{a}\");"
        );
        forbid(&owner, &none).await;
        for at in [A, B, API] {
            set(&owner, at, body()).await.problem(403, "forbidden");
        }
        set(&owner, "", body()).await.expect::<Value>(200);
    })
    .await;
}

#[tokio::test]
async fn somebodys_own_are_theirs_alone_and_go_with_them() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let agent = owner.create_agent("cluster").await;
        let dev = join(&owner, Role::Developer).await;
        let viewer = join(&owner, Role::Viewer).await;
        value(&dev, "/me", "HERS").await;
        value(&viewer, "/me", "HIS").await;
        assert_eq!(names(&dev, "/me").await, ["HERS"]);
        assert_eq!(names(&owner, "/me").await, Vec::<String>::new());
        drop_it(&owner, "/me", "HERS").await.problem(404, "not-found");
        made(&dev, None, "hers").await.expect::<Workspace>(201);
        made(&owner, None, "ours").await.expect::<Workspace>(201);
        let response = agent.partial(1, vec![]).await;
        assert_eq!(agent.variables(&response, "hers").expect("hers").environment["HERS"].expose(), b"of /me");
        assert!(agent.variables(&response, "ours").is_none_or(|bundle| bundle.environment.is_empty()));
        // Their names are on no record.
        let record = owner.get(&owner.path("/audit?limit=100")).await;
        assert!(record.text.contains("own-variable.set") && !record.text.contains("HERS"), "{}", record.text);

        // Nobody is rid of their key but by being removed; and then of all that was under it.
        let dev_id = member_id(&owner, "the developer").await;
        let client = crate::support::postgres::client(&app.database_url).await;
        let organization = owner.organization();
        let as_app = format!(
            "SET ROLE berth_app; SELECT set_config('berth.organization', '{organization}', false); DELETE FROM sealed_scopes; RESET ROLE"
        );
        client.batch_execute(&as_app).await.expect("none that may be deleted is there");
        assert_eq!(app.count("SELECT count(*) FROM sealed_scopes").await, 2);
        client.batch_execute("CREATE TABLE stolen AS SELECT * FROM scope_variables").await.expect("a copy");
        send(owner.request(Method::DELETE, &owner.path(&format!("/members/{dev_id}")))).await.expect::<Value>(200);
        for table in ["sealed_scopes", "scope_data_keys", "scope_variables"] {
            let left = format!("SELECT count(*) FROM {table} WHERE scope_id = '{dev_id}'");
            assert_eq!(app.count(&left).await, 0, "{table}");
        }
        assert_eq!(names(&viewer, "/me").await, ["HIS"]);
    })
    .await;
}

#[tokio::test]
async fn with_a_group_or_a_project_ends_the_key_of_its_variables() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        tree(&owner).await;
        for at in [A, B, API] {
            value(&owner, at, "A").await;
        }
        assert_eq!(app.count("SELECT count(DISTINCT id) FROM scope_data_keys").await, 3, "each has its own");
        delete(&owner, "projects", "a/b/api").await.expect::<Value>(200);
        delete(&owner, "groups", "a/b").await.expect::<Value>(200);
        for table in ["sealed_scopes", "scope_data_keys", "scope_variables"] {
            let kinds = format!("SELECT count(*) FROM {table} WHERE scope <> 'group'");
            assert_eq!(app.count(&format!("SELECT count(*) FROM {table}")).await, 1, "{table}");
            assert_eq!(app.count(&kinds).await, 0, "{table}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_value_that_was_moved_or_taken_away_in_the_database_stops_the_workspaces_below_and_no_others() {
    for change in [
        "UPDATE scope_variables v SET nonce = o.nonce, ciphertext = o.ciphertext FROM scope_variables o
         WHERE v.scope = 'group' AND o.scope = 'project'",
        "UPDATE scope_variables SET is_final = true WHERE scope = 'project'",
        "DELETE FROM scope_variables WHERE scope = 'project'",
        "DELETE FROM scope_variables WHERE scope = 'project'; DELETE FROM scope_data_keys WHERE scope = 'project'",
    ] {
        App::run(async |app| {
            let owner = app.organization("acme").await;
            tree(&owner).await;
            for at in [A, API] {
                value(&owner, at, "A").await;
            }
            app.execute(change).await;
            made(&owner, Some("a/b/api"), "w").await.problem(500, "internal");
            made(&owner, None, "bare").await.expect::<Workspace>(201);
            if !change.contains("nonce") {
                set(&owner, API, json!({"name": "N", "value": "z"})).await.problem(500, "internal");
                let keys = app.context.keys.current();
                let op = app.at_the_machine().within(owner.organization());
                binding::accept(&op, &keys, &SystemRandom::new()).await.expect("accepted");
                made(&owner, Some("a/b/api"), "w").await.expect::<Workspace>(201);
            }
        })
        .await;
    }
}

#[tokio::test]
async fn they_stay_readable_when_their_keys_are_wrapped_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("kek");
    berth_secret_file::replace(&file, line("k1", 1).as_bytes()).expect("a file");
    let keys = Keys::of_file(file.clone(), KeyRing::read(&file).expect("keys"));
    App::run_with_keys(keys, async |app| {
        let owner = app.organization("acme").await;
        let agent = owner.create_agent("cluster").await;
        group(&owner, "a").await;
        project(&owner, "a/api").await;
        for (at, name) in [(A, "G"), ("/projects/a%2Fapi", "P"), ("/me", "U")] {
            value(&owner, at, name).await;
        }
        berth_secret_file::replace(&file, (line("k1", 1) + &line("k2", 2)).as_bytes()).expect("a file");
        assert!(app.context.keys.reload().expect("readable"));
        assert_eq!(rewrap_all(app, &app.context.keys.current()).await.rewrapped, 3);
        // The generation of before is gone.
        std::fs::write(&file, line("k2", 2)).expect("a file");
        assert!(app.context.keys.reload().expect("readable"));
        made(&owner, Some("a/api"), "w").await.expect::<Workspace>(201);
        let response = agent.partial(1, vec![]).await;
        let bundle = agent.variables(&response, "w").expect("variables");
        assert_eq!(bundle.environment.into_keys().collect::<Vec<_>>(), ["G", "P", "U"]);
    })
    .await;
}
