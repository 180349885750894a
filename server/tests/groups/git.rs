//! Git credentials of groups, projects and members: whose a workspace gets, now.

use std::collections::BTreeMap;

use berth_schema::access::Role;
use berth_schema::api::{Paged, Workspace};
use berth_schema::git::{GitAsk, GitCredential};
use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse};
use berth_schema::{WorkspaceId, WorkspaceName};
use reqwest::Method;
use serde_json::{Value, json};

use super::roles::member_id;
use super::{delete, escaped, group, moved, project};
use crate::policy::join;
use crate::support::{Admin, Agent, App, Reply, Requests, message, send};

/// `/groups/a%2Fb`, `/projects/api`, `/me`; nothing: the organisation.
async fn set(who: &Admin, at: &str, host: &str, rest: Value) -> Reply {
    let (path, mut body) = match at {
        "" => (format!("/git-credentials/{host}"), json!({})),
        at => (format!("{at}/git-credentials"), json!({"host": host})),
    };
    body.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
    who.put(&who.path(&path), &body).await
}

async fn token(who: &Admin, at: &str, host: &str) {
    set(who, at, host, json!({"token": format!("of:{at}")})).await.expect::<GitCredential>(200);
}

async fn hosts(who: &Admin, at: &str) -> Vec<String> {
    let page: Paged<GitCredential> = who.get(&who.path(&format!("{at}/git-credentials"))).await.expect(200);
    page.items.into_iter().map(|credential| credential.host.to_string()).collect()
}

/// An agent that asks for what its workspaces have not, round after round.
struct Asking {
    agent: Agent,
    sequence: i64,
}

impl Asking {
    /// The passwords of a workspace, by host.
    async fn given(&mut self, workspace: &str, id: WorkspaceId) -> BTreeMap<String, String> {
        self.sequence += 1;
        let asked = ReconcileRequest {
            git: Some(GitAsk { version: 0, wanted: vec![id] }),
            ..message(self.sequence, vec![])
        };
        let response: ReconcileResponse = self.agent.send(&asked).await.expect(200);
        let files =
            self.agent.credentials(&response, workspace).map(|bundle| bundle.files).unwrap_or_default();
        let password = |text: &str| {
            text.lines().find_map(|line| line.strip_prefix("password=")).expect("a password").to_owned()
        };
        files
            .into_iter()
            .map(|(file, content)| (file, password(std::str::from_utf8(content.expose()).expect("text"))))
            .collect()
    }
}

async fn made(who: &Admin, project: Option<&str>, name: &str) -> WorkspaceId {
    let body = json!({"name": WorkspaceName::new(name).expect("a name"), "image": "a"});
    let made = match project {
        Some(project) => {
            who.post(&who.path(&format!("/projects/{}/workspaces", escaped(project))), &body).await
        }
        None => who.create(&body).await,
    };
    made.expect::<Workspace>(201).id
}

fn passwords(expected: &[(&str, &str)]) -> BTreeMap<String, String> {
    expected.iter().map(|(host, at)| (format!("https-{host}"), format!("of:{at}"))).collect()
}

const A: &str = "/groups/a";
const B: &str = "/groups/a%2Fb";
const API: &str = "/projects/a%2Fb%2Fapi";

#[tokio::test]
async fn of_each_host_a_workspace_gets_what_is_nearest_now() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let agent = owner.create_agent("cluster").await;
        for path in ["a", "a/b", "beside"] {
            group(&owner, path).await;
        }
        project(&owner, "a/b/api").await;
        for (at, names) in [("", "o a b p u"), (A, "a b p u"), (B, "b p u"), (API, "p u"), ("/me", "u")] {
            for name in names.split(' ') {
                token(&owner, at, name).await;
            }
        }
        token(&owner, "/groups/beside", "o").await;
        let dev = join(&owner, Role::Developer).await;
        let mut agent = Asking { agent, sequence: 0 };
        let w = made(&owner, Some("a/b/api"), "w").await;
        let bare = made(&owner, None, "bare").await;
        let theirs = made(&dev, Some("a/b/api"), "theirs").await;
        let all = [("o", ""), ("a", A), ("b", B), ("p", API)];
        assert_eq!(agent.given("w", w).await, passwords(&[&all[..], &[("u", "/me")]].concat()));
        assert_eq!(agent.given("theirs", theirs).await, passwords(&[&all[..], &[("u", API)]].concat()));
        let alone = [("o", ""), ("a", ""), ("b", ""), ("p", ""), ("u", "/me")];
        assert_eq!(agent.given("bare", bare).await, passwords(&alone));

        // They are not frozen: what is changed, taken away or moved holds for workspaces that are there.
        let version = async || app.count("SELECT git_version FROM organizations WHERE name = 'acme'").await;
        let before = version().await;
        owner
            .post(&owner.path("/me/git-credentials/remove"), &json!({"host": "u"}))
            .await
            .expect::<Value>(200);
        assert_eq!(agent.given("w", w).await["https-u"], format!("of:{API}"));
        moved(&owner, "projects", "a/b/api", "beside/api").await.expect::<Value>(200);
        assert_eq!(version().await, before + 2, "agents are told to ask again");
        let there = [("o", "/groups/beside"), ("a", ""), ("b", ""), ("p", API), ("u", API)];
        assert_eq!(agent.given("w", w).await, passwords(&there));
    })
    .await;
}

#[tokio::test]
async fn somebodys_own_are_theirs_alone_and_go_with_them() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let agent = owner.create_agent("cluster").await;
        let dev = join(&owner, Role::Developer).await;
        token(&dev, "/me", "git.hers").await;
        assert_eq!(
            (hosts(&dev, "/me").await, hosts(&owner, "/me").await),
            (vec!["git.hers".to_owned()], vec![])
        );
        let remove = json!({"host": "git.hers"});
        owner.post(&owner.path("/me/git-credentials/remove"), &remove).await.problem(404, "not-found");
        let (hers, ours) = (made(&dev, None, "hers").await, made(&owner, None, "ours").await);
        let mut agent = Asking { agent, sequence: 0 };
        assert_eq!(agent.given("hers", hers).await, passwords(&[("git.hers", "/me")]));
        assert_eq!(agent.given("ours", ours).await, BTreeMap::new());
        let record = owner.get(&owner.path("/audit?limit=100")).await.text;
        assert!(record.contains("own-git-credential.set") && !record.contains("git.hers"), "{record}");
        let id = member_id(&owner, "the developer").await;
        send(owner.request(Method::DELETE, &owner.path(&format!("/members/{id}"))))
            .await
            .expect::<Value>(200);
        assert_eq!(app.count("SELECT count(*) FROM scope_git_credentials").await, 0);
        assert_eq!(agent.given("hers", hers).await, BTreeMap::new());
    })
    .await;
}

#[tokio::test]
async fn a_signed_token_of_a_nearer_audience_is_never_one_of_the_organisations() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        owner.create_agent("cluster").await;
        let of = group(&owner, "a").await;
        let audience = json!({"audience": "https://git.a"});
        let told = async |at: &str| {
            let set: GitCredential = set(&owner, at, "git.a", audience.clone()).await.expect(200);
            set.token_audience.expect("an audience")
        };
        let organization = format!("https://git.a/organization/{}", owner.organization());
        assert_eq!(told("").await, organization);
        assert_eq!(told(A).await, format!("{organization}/group/{}", of.id));
        let mine = told("/me").await;
        assert!(mine.starts_with(&format!("{organization}/user/")), "{mine}");
    })
    .await;
}

#[tokio::test]
async fn what_was_changed_in_the_database_is_given_to_no_workspace_below_and_the_others_go_on() {
    for change in [
        "UPDATE scope_git_credentials SET plain_http = true WHERE scope = 'project'",
        "UPDATE scope_git_credentials p SET nonce = g.nonce, ciphertext = g.ciphertext, data_key_id = g.data_key_id
         FROM scope_git_credentials g WHERE p.scope = 'project' AND g.scope = 'group'",
        "DELETE FROM scope_git_credentials WHERE scope = 'project'",
        "DELETE FROM scope_data_keys WHERE scope = 'project'",
    ] {
        App::run(async |app| {
            let owner = app.organization("acme").await;
            let agent = owner.create_agent("cluster").await;
            for path in ["a", "a/b"] {
                group(&owner, path).await;
            }
            project(&owner, "a/b/api").await;
            for at in ["", A, API] {
                token(&owner, at, "git.a").await;
            }
            let (w, bare) = (made(&owner, Some("a/b/api"), "w").await, made(&owner, None, "bare").await);
            app.execute(change).await;
            let mut agent = Asking { agent, sequence: 0 };
            assert_eq!(agent.given("w", w).await, BTreeMap::new(), "nothing of another's place: {change}");
            assert_eq!(agent.given("bare", bare).await, passwords(&[("git.a", "")]), "{change}");
            set(&owner, API, "git.b", json!({"token": "t"})).await.problem(500, "internal");
            set(&owner, A, "git.b", json!({"token": "t"})).await.expect::<Value>(200);
        })
        .await;
    }
}

#[tokio::test]
async fn with_a_project_end_its_git_hosts() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        group(&owner, "a").await;
        project(&owner, "a/api").await;
        for at in [A, "/projects/a%2Fapi"] {
            token(&owner, at, "git.a").await;
        }
        delete(&owner, "projects", "a/api").await.expect::<Value>(200);
        assert_eq!(app.count("SELECT count(*) FROM scope_git_credentials WHERE scope = 'group'").await, 1);
        assert_eq!(app.count("SELECT count(*) FROM scope_git_credentials").await, 1);
        for (body, fields) in [
            (json!({"host": "Git/x", "token": "t"}), vec!["host"]),
            (json!({"host": "git.a"}), vec!["token"]),
            (json!({"token": "t"}), vec!["host"]),
        ] {
            assert_eq!(owner.put(&owner.path("/me/git-credentials"), &body).await.wrong_fields(), fields);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_secret_goes_in_and_stands_in_no_row_no_answer_and_no_record() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        group(&owner, "a").await;
        project(&owner, "a/api").await;
        let mut said = String::new();
        for at in [A, "/projects/a%2Fapi", "/me"] {
            let variable = json!({"name": "A", "value": "recognisable"});
            said += &owner.put(&owner.path(&format!("{at}/variables")), &variable).await.text;
            said += &set(&owner, at, "git.a", json!({"token": "recognisable"})).await.text;
            said += &owner.get(&owner.path(&format!("{at}/variables"))).await.text;
            said += &owner.get(&owner.path(&format!("{at}/git-credentials"))).await.text;
        }
        said += &owner.get(&owner.path("/audit?limit=100")).await.text;
        assert!(said.contains("group.set-git-credential") && !said.contains("recognisable"), "{said}");
        for table in ["scope_variables", "scope_git_credentials", "scope_data_keys", "audit_records"] {
            let rows = format!("SELECT count(*) FROM {table}");
            assert!(app.count(&rows).await >= 3, "{table}");
            let plain =
                "t::text LIKE '%recognisable%' OR t::text LIKE '%' || encode('recognisable', 'hex') || '%'";
            assert_eq!(
                app.count(&format!("SELECT count(*) FROM {table} t WHERE {plain}")).await,
                0,
                "{table}"
            );
        }
    })
    .await;
}
