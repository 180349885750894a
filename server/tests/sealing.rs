//! Variables at rest: a row that was changed or moved opens nowhere, and stops no other workspace.

use berth_schema::ActualState;
use berth_schema::reconcile::{Action, ReconcileRequest, ReconcileResponse};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::support::{Admin, Agent, App, message, postgres};

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
    assert_eq!(two.variables.as_ref().expect("variables").environment["A"].expose(), b"x");
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
