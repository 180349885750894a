//! Variables of the organisation: who gets them, who may not override them, and where a workspace's come from.

use berth_schema::api::{Paged, Workspace};
use berth_schema::scope::{Scope, ScopeVariable, VariableOrigin};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Admin, App, Reply, Requests as _, cluster, send};

async fn set(admin: &Admin, body: &Value) -> Reply {
    admin.request_variable(body).await
}

async fn explain(admin: &Admin, workspace: &str) -> Vec<VariableOrigin> {
    let path = admin.path(&format!("/workspaces/{workspace}/variables"));
    admin.get(&path).await.expect::<Paged<VariableOrigin>>(200).items
}

#[tokio::test]
async fn a_workspace_inherits_overrides_and_keeps_what_it_has() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        for (name, value) in [("SHARED", "first"), ("MINE", "theirs")] {
            set(&admin, &json!({"name": name, "value": value})).await.expect::<ScopeVariable>(200);
        }
        set(&admin, &json!({"name": "ca.pem", "kind": "file", "value_base64": "AP8="}))
            .await
            .expect::<Value>(200);
        let body = json!({"name": "w", "image": "a", "variables": [{"name": "MINE", "value": "mine"}]});
        admin.create(&body).await.expect::<Workspace>(201);

        // What changes afterwards is for those who come afterwards.
        let again =
            set(&admin, &json!({"name": "SHARED", "value": "second"})).await.expect::<ScopeVariable>(200);
        assert_eq!(again.version, 2);
        let delete = admin.path("/variables/file/ca.pem");
        send(admin.request(Method::DELETE, &delete)).await.expect::<ScopeVariable>(200);

        let response = agent.partial(1, vec![]).await;
        let bundle = agent.variables(&response, "w").expect("variables");
        assert_eq!(bundle.environment["SHARED"].expose(), b"first");
        assert_eq!(bundle.environment["MINE"].expose(), b"mine");
        assert_eq!(bundle.files["ca.pem"].expose(), [0, 255]);

        let origins = explain(&admin, "w").await;
        let seen: Vec<_> =
            origins.iter().map(|o| (o.name.as_str(), o.scope, o.version, o.overrides)).collect();
        assert_eq!(
            seen,
            [
                ("MINE", Scope::Workspace, 1, Some(Scope::Organization)),
                ("SHARED", Scope::Organization, 1, None),
                ("ca.pem", Scope::Organization, 1, None),
            ]
        );
        assert!(origins[1].set_at < origins[1].frozen_at);

        admin.create(&json!({"name": "later", "image": "a"})).await.expect::<Workspace>(201);
        let later = explain(&admin, "later").await;
        assert_eq!(later.iter().find(|o| o.name == "SHARED").expect("inherited").version, 2);
        assert!(later.iter().all(|o| o.name != "ca.pem"));
    })
    .await;
}

#[tokio::test]
async fn what_is_final_is_not_overridden_and_the_error_names_it() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        set(&admin, &json!({"name": "PROXY", "value": "x", "final": true})).await.expect::<Value>(200);
        let body = json!({"image": "a", "variables": [{"name": "A", "value": "a"}, {"name": "PROXY", "value": "mine"}]});
        let problem = admin.create(&body).await.problem(422, "invalid");
        assert_eq!(problem.errors[0].field, "variables[1].name");
        assert!(problem.errors[0].message.contains("'PROXY' is final in the organization"), "{problem:?}");
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 0, "nothing is stored");
        admin.create(&json!({"name": "w", "image": "a"})).await.expect::<Workspace>(201);
        assert!(explain(&admin, "w").await[0].is_final);
    })
    .await;
}

#[tokio::test]
async fn values_go_in_and_never_come_out() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let reply = set(&admin, &json!({"name": "A", "value": "recognisable"})).await;
        let list = admin.get(&admin.path("/variables")).await;
        admin.create(&json!({"name": "w", "image": "a"})).await.expect::<Workspace>(201);
        let origins = admin.get(&admin.path("/workspaces/w/variables")).await;
        for reply in [&reply, &list, &origins] {
            assert_eq!(reply.status, 200);
            assert!(!reply.text.contains("recognisable"));
        }
        let query = "SELECT count(*) FROM scope_variables t WHERE t::text LIKE '%' || encode('recognisable', 'hex') || '%'";
        assert_eq!(app.count(query).await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_variable_is_told_by_its_field() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        for (body, fields) in [
            (json!({"name": "1A", "value": "x"}), vec!["name"]),
            (json!({"name": "LD_PRELOAD"}), vec!["name", "value"]),
            (json!({"name": "A", "kind": "x", "value": "x"}), vec!["kind"]),
            (json!({"name": "A", "value_base64": "AP8="}), vec!["value"]),
            (json!({"name": "A", "value": "x", "secret": true}), vec!["secret"]),
        ] {
            assert_eq!(set(&admin, &body).await.wrong_fields(), fields, "{body}");
        }
        let missing = admin.path("/variables/environment/NONE");
        send(admin.request(Method::DELETE, &missing)).await.problem(404, "not-found");
        let many = "x".repeat(700 * 1024);
        set(&admin, &json!({"name": "BIG", "kind": "file", "value": many})).await.expect::<Value>(200);
        let more = set(&admin, &json!({"name": "MORE", "kind": "file", "value": many})).await;
        assert_eq!(more.wrong_fields(), ["value"], "no workspace could take both");
        set(&admin, &json!({"name": "BIG", "kind": "file", "value": many})).await.expect::<Value>(200);
        let body = json!({"image": "a", "variables": [{"name": "MINE", "kind": "file", "value": many}]});
        let problem = admin.create(&body).await.problem(422, "invalid");
        assert!(problem.errors[0].message.contains("with the 1 inherited ones"), "{problem:?}");
    })
    .await;
}

#[tokio::test]
async fn the_first_variables_that_come_at_once_get_one_key() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let bodies: Vec<_> =
            (0..8).map(|number| json!({"name": format!("V{number}"), "value": "x"})).collect();
        let all = bodies.iter().map(|body| set(&admin, body));
        for reply in futures::future::join_all(all).await {
            reply.expect::<ScopeVariable>(200);
        }
        assert_eq!(app.count("SELECT count(*) FROM scope_data_keys").await, 1);
        admin.create(&json!({"name": "w", "image": "a"})).await.expect::<Workspace>(201);
        assert_eq!(explain(&admin, "w").await.len(), 8);
    })
    .await;
}

#[tokio::test]
async fn a_value_moved_to_another_organisation_does_not_open() {
    App::run(async |app| {
        let (one, two) = (app.organization("one").await, app.organization("two").await);
        for admin in [&one, &two] {
            admin.create_agent("cluster").await;
            set(admin, &json!({"name": "A", "value": "x"})).await.expect::<Value>(200);
        }
        let client = crate::support::postgres::client(&app.database_url).await;
        let (from, to) = (one.organization(), two.organization());
        for statement in [
            format!(
                "UPDATE scope_variables v SET nonce = o.nonce, ciphertext = o.ciphertext FROM scope_variables o
                 WHERE v.organization_id = '{to}' AND o.organization_id = '{from}'"
            ),
            format!(
                "UPDATE scope_data_keys k SET salt = o.salt, wrapped_key = o.wrapped_key, commitment = o.commitment
                 FROM scope_data_keys o WHERE k.organization_id = '{to}' AND o.organization_id = '{from}'"
            ),
        ] {
            assert_eq!(client.execute(&statement, &[]).await.expect("the owner may do anything"), 1);
            two.create(&json!({"image": "a"})).await.problem(500, "internal");
        }
        one.create(&json!({"image": "a"})).await.expect::<Workspace>(201);
    })
    .await;
}

#[tokio::test]
async fn a_terminated_workspaces_values_do_not_open_even_when_their_rows_come_back() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let body = json!({"name": "w", "image": "a", "variables": [{"name": "A", "value": "x"}]});
        admin.create(&body).await.expect::<Value>(201);
        let client = crate::support::postgres::client(&app.database_url).await;
        client.batch_execute("CREATE TABLE stolen AS SELECT * FROM workspace_variables").await.expect("a copy");
        let directive = agent.partial(1, vec![]).await.workspaces.remove(0);
        agent.partial(2, vec![cluster::settled(&directive, "100")]).await;
        admin.wish("w", "terminate").await.expect::<Value>(200);
        let terminate = agent.partial(3, vec![]).await.workspaces.remove(0);
        agent.partial(4, vec![cluster::gone(&terminate)]).await;
        assert_eq!(app.count("SELECT count(*) FROM workspace_data_keys").await, 0);
        assert_eq!(app.count("SELECT count(*) FROM workspace_variables").await, 0);
        // The old ciphertext, the same workspace wanted again, and any key under the old id.
        admin.create(&json!({"name": "donor", "image": "a", "variables": [{"name": "B", "value": "y"}]})).await;
        client
            .batch_execute(
                "INSERT INTO workspace_data_keys SELECT k.organization_id, s.agent_id, s.workspace_id, s.data_key_id, k.kek_id,
                     k.salt, k.wrapped_key, k.commitment, k.created_at FROM workspace_data_keys k, stolen s;
                 INSERT INTO workspace_variables SELECT * FROM stolen;
                 UPDATE workspaces SET desired_state = 'Running', actual_state = 'Unknown', generation = generation + 1,
                     applied_generation = 0 WHERE name = 'w'",
            )
            .await
            .expect("the owner may do anything");
        let response = agent.partial(5, vec![]).await;
        assert!(agent.variables(&response, "w").is_none());
        assert_eq!(admin.workspace("w").await.reason.expect("a reason").reason, "VariablesUnreadable");
        assert!(agent.variables(&response, "donor").is_some(), "the others go on");
    })
    .await;
}
