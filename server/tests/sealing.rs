//! Variables at rest and on the way: a row that was changed or moved opens nowhere, and stops no other workspace; what an
//! agent is told opens there alone.

use berth_schema::ActualState;
use berth_schema::reconcile::{Action, ReconcileRequest, ReconcileResponse};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::support::sealing::Key;
use crate::support::{Admin, Agent, App, Requests as _, message, postgres};

async fn two_workspaces(app: &App) -> (Admin, Agent) {
    let admin = app.organization("acme").await;
    let agent = admin.create_agent("cluster").await;
    for name in ["one", "two"] {
        let body = json!({"name": name, "image": "a", "variables": [{"name": "A", "value": "x"}]});
        admin.create(&body).await.expect::<Value>(201);
    }
    (admin, agent)
}

async fn break_with(app: &App, statement: &str) {
    let client = postgres::client(&app.database_url).await;
    let changed = client.execute(statement, &[]).await.expect("the owner may do anything");
    assert_eq!(changed, 1);
}

async fn only_one_is_in_error(admin: &Admin, agent: &Agent) {
    let response = agent.partial(1, vec![]).await;
    let of = |name: &str| response.workspaces.iter().find(|directive| directive.name.as_str() == name);
    let (one, two) = (of("one").expect("one"), of("two").expect("two"));
    assert_eq!((one.action, one.actual_state), (Action::None, ActualState::Error));
    assert!(one.variables.is_none() && one.config_to_apply.is_none());
    assert_eq!(two.action, Action::Create);
    let variables = agent.variables(&response, "two").expect("variables that open");
    assert_eq!(variables.environment["A"].expose(), b"x");
    let reason = admin.workspace("one").await.reason.expect("a reason");
    assert_eq!(reason.reason, "VariablesUnreadable");
}

#[tokio::test]
async fn a_changed_value_is_that_workspaces_error_alone() {
    App::run(async |app| {
        let (admin, agent) = two_workspaces(app).await;
        let statement = "UPDATE workspace_variables v SET ciphertext = set_byte(ciphertext, 0, get_byte(ciphertext, 0) # 1)
            FROM workspaces w WHERE w.id = v.workspace_id AND w.name = 'one'";
        break_with(app, statement).await;
        only_one_is_in_error(&admin, &agent).await;
    })
    .await;
}

#[tokio::test]
async fn a_wrapped_key_moved_from_another_workspace_does_not_open() {
    App::run(async |app| {
        let (admin, agent) = two_workspaces(app).await;
        let statement = "UPDATE workspace_data_keys k
            SET salt = o.salt, wrapped_key = o.wrapped_key, commitment = o.commitment
            FROM workspaces w, workspace_data_keys o JOIN workspaces ow ON ow.id = o.workspace_id
            WHERE w.id = k.workspace_id AND w.name = 'one' AND ow.name = 'two'";
        break_with(app, statement).await;
        only_one_is_in_error(&admin, &agent).await;
    })
    .await;
}

#[tokio::test]
async fn a_workspace_that_cannot_be_opened_does_not_make_polls_spin() {
    App::run(async |app| {
        let (admin, agent) = two_workspaces(app).await;
        let statement = "UPDATE workspace_variables v SET version = 2
            FROM workspaces w WHERE w.id = v.workspace_id AND w.name = 'one'";
        break_with(app, statement).await;
        admin.wish("two", "terminate").await.expect::<Value>(200);
        let response = agent.partial(1, vec![]).await;
        let two = response.workspaces.iter().find(|directive| directive.name.as_str() == "two").expect("two");
        agent.partial(2, vec![crate::support::cluster::gone(two)]).await;
        let started = Instant::now();
        let request = ReconcileRequest { wait_seconds: 1, ..message(3, vec![]) };
        agent.send(&request).await.expect::<ReconcileResponse>(200);
        assert!(started.elapsed() > Duration::from_millis(950), "{:?}", started.elapsed());
        assert_eq!(admin.workspace("one").await.actual_state, ActualState::Error);
    })
    .await;
}

#[tokio::test]
async fn the_database_holds_no_value_and_no_name_opens_another() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let body = json!({"image": "a", "variables": [{"name": "A", "value": "a-very-recognisable-value"}]});
        admin.create(&body).await.expect::<Value>(201);
        for table in ["workspaces", "workspace_variables", "workspace_data_keys", "idempotency_keys"] {
            let query = format!(
                "SELECT count(*) FROM {table} t WHERE t::text LIKE '%recognisable%'
                 OR t::text LIKE '%' || encode('recognisable', 'hex') || '%'"
            );
            assert_eq!(app.count(&query).await, 0, "{table}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_agent_without_a_key_gets_no_variables_and_the_workspace_says_why() {
    App::run(async |app| {
        let (admin, agent) = two_workspaces(app).await;
        let client = postgres::client(&app.database_url).await;
        client.execute("DELETE FROM agent_sealing_keys", &[]).await.expect("the owner may do anything");
        let response = agent.partial(1, vec![]).await;
        assert!(response.sealing.is_none());
        for directive in &response.workspaces {
            assert!(directive.variables.is_none() && directive.config_to_apply.is_none());
            assert_eq!((directive.action, directive.actual_state), (Action::None, ActualState::Error));
        }
        assert!(response.sealing_key_requested);
        assert_eq!(admin.workspace("one").await.reason.expect("a reason").reason, "AgentHasNoKey");
        // With a key it goes on by itself.
        agent.register(agent.key()).await.expect::<Value>(200);
        let response = agent.partial(2, vec![]).await;
        assert!(!response.sealing_key_requested);
        let variables = agent.variables(&response, "one").expect("variables that open");
        assert_eq!(variables.environment["A"].expose(), b"x");
    })
    .await;
}

#[tokio::test]
async fn an_answer_opens_for_its_agent_its_epoch_and_its_key_alone() {
    App::run(async |app| {
        let (admin, agent) = two_workspaces(app).await;
        let other = admin.create_agent("other").await;
        let response = agent.partial(1, vec![]).await;
        assert!(agent.variables(&response, "one").is_some() && agent.variables(&response, "two").is_some());
        assert!(agent.key().open(agent.id, 2, &response, "one").is_none(), "another epoch");
        assert!(agent.key().open(other.id, 1, &response, "one").is_none(), "another agent");
        assert!(other.key().open(agent.id, 1, &response, "one").is_none(), "another agent's key");
        // Two answers have nothing in common.
        let again = agent.partial(2, vec![]).await;
        assert_ne!(again.sealing, response.sealing);
        assert_ne!(again.workspaces[0].variables, response.workspaces[0].variables);
    })
    .await;
}

#[tokio::test]
async fn a_changed_key_is_used_at_once_and_seen() {
    App::run(async |app| {
        let (admin, agent) = two_workspaces(app).await;
        let new = Key::new(&[9; 16]);
        agent.register(Key::new(&[9; 16])).await.expect::<Value>(200);
        let response = agent.partial(1, vec![]).await;
        assert!(agent.variables(&response, "one").is_none());
        assert!(new.open(agent.id, 1, &response, "one").is_some());
        let shown: berth_schema::api::Agent = admin.get(&admin.path("/agents/cluster")).await.expect(200);
        let keys: Vec<_> = shown.sealing_keys.iter().map(|key| key.public_key).collect();
        assert_eq!(keys, [new.public, agent.key().public]);
        assert!(
            shown.sealing_keys[0].superseded_at.is_none() && shown.sealing_keys[1].superseded_at.is_some()
        );
        // The same again changes nothing; the old one may come back.
        agent.register(new).await.expect::<Value>(200);
        agent.register(agent.key()).await.expect::<Value>(200);
        let shown: berth_schema::api::Agent = admin.get(&admin.path("/agents/cluster")).await.expect(200);
        assert_eq!(shown.sealing_keys.len(), 2);
        assert_eq!(shown.sealing_keys[0].public_key, agent.key().public);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_by_its_field() {
    App::run(async |app| {
        let agent = app.organization("acme").await.create_agent("cluster").await;
        let all_zero = berth_schema::sealing::PublicKey::new([0; 32]);
        for key in [json!(all_zero), json!("AAAA"), json!(1), json!("not base64")] {
            let reply = agent.post("/api/v1/agent/key", &json!({"public_key": key})).await;
            let problem = reply.problem(422, "invalid");
            assert_eq!(problem.errors[0].field, "public_key");
        }
    })
    .await;
}
