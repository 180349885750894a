//! Rows that are changed or removed behind the server's back: noticed, told, and nothing is given that they decide about.

use berth_schema::ActualState;
use berth_schema::api::Workspace;
use berth_schema::reconcile::{Action, ReconcileResponse};
use berth_server::services::binding;
use reqwest::Method;
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use crate::support::{Admin, Agent, App, Requests, message, send};

async fn set_git(admin: &Admin, host: &str, form: &Value) -> u16 {
    let path = admin.path(&format!("/git-credentials/{host}"));
    send(admin.request(Method::PUT, &path).json(form)).await.status
}

/// What an agent is told that wants everything anew.
async fn round(agent: &Agent, sequence: i64) -> ReconcileResponse {
    agent.partial(sequence, vec![]).await
}

fn with_variables(name: &str) -> Value {
    json!({"name": name, "image": "a", "variables": [{"name": "A", "value": "x"}, {"name": "B", "value": "y"}]})
}

#[tokio::test]
async fn a_workspace_is_never_made_without_a_variable_that_vanished() {
    for vanishing in [
        "DELETE FROM workspace_variables v USING workspaces w WHERE w.id = v.workspace_id AND w.name = 'hit' AND v.name = 'B'",
        "DELETE FROM workspace_variables v USING workspaces w WHERE w.id = v.workspace_id AND w.name = 'hit'",
        "DELETE FROM workspace_data_keys k USING workspaces w WHERE w.id = k.workspace_id AND w.name = 'hit'",
        "DELETE FROM workspace_variables v USING workspaces w WHERE w.id = v.workspace_id AND w.name = 'hit' AND v.name = 'B';
         UPDATE workspace_data_keys k SET contents = NULL FROM workspaces w WHERE w.id = k.workspace_id AND w.name = 'hit'",
        "UPDATE workspace_variables v SET kind = 'file' FROM workspaces w WHERE w.id = v.workspace_id AND w.name = 'hit' AND v.name = 'B'",
    ] {
        App::run(async |app| {
            let admin = app.organization("acme").await;
            let agent = admin.create_agent("cluster").await;
            for name in ["hit", "other"] {
                admin.create(&with_variables(name)).await.expect::<Workspace>(201);
            }
            app.execute(vanishing).await;
            let response = round(&agent, 1).await;
            assert!(agent.variables(&response, "hit").is_none(), "{vanishing}");
            let directive = response.workspaces.iter().find(|directive| directive.name.as_str() == "hit");
            let directive = directive.expect("a directive");
            assert_eq!((&directive.action, directive.config_to_apply.is_some()), (&Action::None, false), "{vanishing}");
            let hit = admin.workspace("hit").await;
            assert_eq!(hit.actual_state, ActualState::Error, "{vanishing}");
            assert_eq!(hit.reason.expect("a reason").reason, "VariablesUnreadable");
            assert_eq!(agent.variables(&response, "other").expect("the other's").environment.len(), 2);
        })
        .await;
    }
}

#[tokio::test]
async fn a_git_token_goes_nowhere_once_what_decides_where_it_goes_was_changed_and_the_others_go_on() {
    let (a, signed) = ("https-git.a", "https-git.signed");
    // What was changed, and what a new workspace is given then.
    for (change, given) in [
        ("UPDATE git_credentials SET plain_http = true WHERE host = 'git.a'", vec![signed]),
        ("UPDATE git_credentials SET username = 'evil' WHERE host = 'git.a'", vec![signed]),
        ("UPDATE git_credentials SET host = 'git.evil' WHERE host = 'git.a'", vec![signed]),
        ("UPDATE git_credentials SET audience = 'https://git.victim' WHERE host = 'git.signed'", vec![a]),
        ("UPDATE git_credentials SET plain_http = true WHERE host = 'git.signed'", vec![a]),
        ("DELETE FROM git_credentials WHERE host = 'git.signed'", vec![a]),
        ("DELETE FROM git_credentials", vec![]),
        (
            "INSERT INTO git_credentials SELECT organization_id, 'git.evil', true, username, audience, data_key_id, version, nonce,
                 ciphertext, updated_at FROM git_credentials WHERE host = 'git.signed'",
            vec![a, signed],
        ),
        (
            "UPDATE git_credentials SET plain_http = true WHERE host = 'git.a'; UPDATE scope_data_keys SET contents = NULL",
            vec![],
        ),
        (
            "UPDATE git_credentials SET plain_http = true WHERE host = 'git.a';
             UPDATE scope_data_keys SET contents = decode(repeat('00', 64), 'hex')",
            vec![],
        ),
        (
            "UPDATE scope_data_keys SET contents = substring(contents FOR 32)",
            vec![],
        ),
        ("DELETE FROM git_credentials WHERE host = 'git.a'; DELETE FROM scope_data_keys", vec![]),
    ] {
        App::run(async |app| {
            let admin = app.organization("acme").await;
            let agent = admin.create_agent("cluster").await;
            assert_eq!(set_git(&admin, "git.a", &json!({"token": "t0ken"})).await, 200);
            assert_eq!(set_git(&admin, "git.signed", &json!({"audience": "https://git.signed"})).await, 200);
            admin.create_workspace("w").await;
            app.execute(change).await;
            let asked = berth_schema::reconcile::ReconcileRequest {
                git: Some(berth_schema::git::GitAsk { version: 0, wanted: vec![] }),
                ..message(1, vec![])
            };
            let response: ReconcileResponse = agent.send(&asked).await.expect(200);
            let files = agent.credentials(&response, "w").map(|bundle| bundle.files).unwrap_or_default();
            assert_eq!(files.into_keys().collect::<Vec<_>>(), given, "{change}");
            // Nor is what was changed blessed by the next change.
            assert_eq!(set_git(&admin, "git.b", &json!({"token": "t"})).await, 500, "{change}");
        })
        .await;
    }
}

#[tokio::test]
async fn nothing_is_created_from_an_organisations_variables_that_were_changed_until_somebody_accepts_it() {
    for change in [
        "UPDATE scope_variables SET is_final = false WHERE name = 'F'",
        "DELETE FROM scope_variables WHERE name = 'F'",
        "DELETE FROM scope_variables",
        "DELETE FROM scope_variables; DELETE FROM scope_data_keys",
    ] {
        App::run(async |app| {
            let (admin, neighbour) = (app.organization("acme").await, app.organization("other").await);
            for admin in [&admin, &neighbour] {
                admin.create_agent("cluster").await;
            }
            for body in
                [json!({"name": "F", "value": "x", "final": true}), json!({"name": "A", "value": "y"})]
            {
                admin.request_variable(&body).await.expect::<Value>(200);
            }
            app.execute(change).await;
            admin.create(&json!({"image": "a"})).await.problem(500, "internal");
            admin.request_variable(&json!({"name": "N", "value": "z"})).await.problem(500, "internal");
            neighbour.create(&json!({"image": "a"})).await.expect::<Workspace>(201);
            let keys = app.context.keys.current();
            binding::accept(&app.at_the_machine().within(admin.organization()), &keys, &SystemRandom::new())
                .await
                .expect("accepted");
            admin.create(&json!({"image": "a"})).await.expect::<Workspace>(201);
            admin.request_variable(&json!({"name": "N", "value": "z"})).await.expect::<Value>(200);
        })
        .await;
    }
}

#[tokio::test]
async fn rows_of_before_are_opened_and_bound_by_the_job() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        // As a version before would have written them: sealed without contents.
        app.as_before(&admin, "old").await;
        let response = round(&agent, 1).await;
        assert_eq!(agent.variables(&response, "old").expect("they open").environment["A"].expose(), b"x");
        let keys = app.context.keys.current();
        let random = SystemRandom::new();
        let bind = async || {
            binding::bind(&app.at_the_machine().within(admin.organization()), &keys, &random)
                .await
                .expect("bound")
        };
        assert_eq!(bind().await, 1);
        assert_eq!(bind().await, 0, "once");
        assert_eq!(app.count("SELECT count(*) FROM workspace_data_keys WHERE contents IS NULL").await, 0);
        let response = round(&agent, 2).await;
        assert_eq!(agent.variables(&response, "old").expect("they open").environment["A"].expose(), b"x");
        app.execute("DELETE FROM workspace_variables").await;
        assert!(agent.variables(&round(&agent, 3).await, "old").is_none());
    })
    .await;
}

#[tokio::test]
async fn an_ordinary_life_of_variables_and_hosts_binds_every_step() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        for round in 0..3 {
            admin
                .request_variable(&json!({"name": "A", "value": format!("{round}")}))
                .await
                .expect::<Value>(200);
            assert_eq!(set_git(&admin, "git.a", &json!({"token": format!("t{round}")})).await, 200);
            admin.create(&json!({"name": format!("w{round}"), "image": "a"})).await.expect::<Workspace>(201);
        }
        let path = admin.path("/variables/environment/A");
        send(admin.request(Method::DELETE, &path)).await.expect::<Value>(200);
        send(admin.request(Method::DELETE, &admin.path("/git-credentials/git.a"))).await.expect::<Value>(200);
        admin.create(&json!({"name": "last", "image": "a"})).await.expect::<Workspace>(201);
        let response = round(&agent, 1).await;
        assert_eq!(agent.variables(&response, "w2").expect("they open").environment["A"].expose(), b"2");
        assert_eq!(app.count("SELECT count(*) FROM scope_data_keys WHERE contents IS NULL").await, 0);
    })
    .await;
}
