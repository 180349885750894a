//! What a newer version of the server has stored, and this one cannot read: it is the error of its row, and everything else goes
//! on.

use berth_schema::api::{Agent as ShownAgent, Orphans, Paged, Workspace};
use berth_schema::configuration::ConfigurationView;
use berth_schema::reconcile::{Action, ReconcileRequest, ReconcileResponse, UpdateType};
use berth_schema::why::{Situation, Why};
use berth_schema::{ActualState, DesiredState};
use reqwest::Method;
use serde_json::{Value, json};

use crate::orphans;
use crate::support::cluster::{gone, settled};
use crate::support::{App, Requests, actors, message, send};

#[tokio::test]
async fn a_loss_that_was_suspected_in_other_words_stays_suspected_until_a_full_report() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let other = admin.create_agent("other").await;
        admin.create(&json!({"name": "w", "image": "i", "agent": "cluster"})).await.expect::<Workspace>(201);
        let told = agent.partial(1, vec![]).await.workspaces.remove(0);
        agent.partial(2, vec![settled(&told, "1")]).await;
        for loss in ["[]", "7", "{\"since\": \"long ago\"}", "\"lost\""] {
            app.execute(&format!("UPDATE agents SET suspected_loss = '{loss}' WHERE name = 'cluster'")).await;
            let listed: Paged<ShownAgent> = admin.get(&admin.path("/agents")).await.expect(200);
            assert_eq!(listed.items.len(), 2, "{loss}");
            let doubted: ReconcileResponse =
                agent.send(&message(3, vec![settled(&told, "1")])).await.expect(200);
            assert!(doubted.full_reconcile_requested, "{loss}");
            let full =
                ReconcileRequest { update_type: UpdateType::Full, ..message(4, vec![settled(&told, "1")]) };
            agent.send(&full).await.expect::<ReconcileResponse>(200);
            app.execute("UPDATE agents SET last_sequence = 2").await;
            app.execute("UPDATE workspaces SET applied_sequence = 2").await;
        }
        let settled = "SELECT count(*) FROM agents WHERE suspected_loss IS NULL";
        assert_eq!(app.count(settled).await, 2, "everything was there");
        other.partial(1, vec![]).await;
    })
    .await;
}

#[tokio::test]
async fn an_agent_whose_configuration_cannot_be_read_changes_nothing_and_removes_what_shall_be_removed() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        for name in ["runs", "stops", "goes"] {
            admin.create_workspace(name).await;
        }
        let told = agent.partial(1, vec![]).await.workspaces;
        agent.partial(2, told.iter().map(|told| settled(told, "1")).collect()).await;
        let mut sequence = 2;
        for written in ["\"text\"", "7", "{\"labels\": 7}"] {
            let damage = format!(
                "UPDATE agents SET configuration = '{written}', configuration_version = 1, configuration_changed_at = now()"
            );
            app.execute(&damage).await;
            let admin_path = admin.path("/agents/cluster/configuration");
            admin.get(&admin_path).await.problem(409, "configuration-unreadable");
            let refused = json!({"name": "another", "image": "i"});
            admin.post(&admin.path("/workspaces"), &refused).await.problem(409, "configuration-unreadable");
            admin.get(&admin.path("/workspaces/runs")).await.expect::<Workspace>(200);
        }
        // What only takes less is stored.
        admin.wish("stops", "stop").await.expect::<Workspace>(200);
        admin.wish("stops", "start").await.problem(409, "configuration-unreadable");
        admin.wish("goes", "terminate").await.expect::<Workspace>(200);
        sequence += 1;
        let answer = agent.partial(sequence, told.iter().map(|told| settled(told, "2")).collect()).await;
        let of = |name: &str| {
            let told = answer.workspaces.iter().find(|told| told.name.as_str() == name);
            told.map(|told| (told.action, told.config_to_apply.is_some(), told.actual_state)).expect(name)
        };
        assert_eq!(of("runs"), (Action::None, false, ActualState::Running));
        assert_eq!(of("stops"), (Action::None, false, ActualState::Error));
        assert_eq!(of("goes").0, Action::Terminate);
        let why: Why = admin.get(&admin.path("/workspaces/stops/why")).await.expect(200);
        assert_eq!((why.situation, why.actual_state), (Situation::ConfigurationUnreadable, ActualState::Error));
        let goes = answer.workspaces.iter().find(|told| told.name.as_str() == "goes").expect("told");
        agent.partial(sequence + 1, vec![gone(goes)]).await;
        assert_eq!(admin.workspace(&goes.workspace_id.to_string()).await.actual_state, ActualState::Terminated);
        // Nobody waits for a rule that cannot be read, and setting it anew ends it all.
        let path = admin.path("/agents/cluster/configuration");
        let view: ConfigurationView =
            send(admin.request(Method::PUT, &path).json(&json!({"labels": {"team": "a"}}))).await.expect(200);
        assert_eq!(view.rendered_again, Some(2));
        let answer = agent.partial(sequence + 2, vec![]).await;
        let rendered = answer.workspaces.iter().filter(|told| told.config_to_apply.is_some()).count();
        assert_eq!(rendered, 2);
        assert!(answer.workspaces.iter().any(|told| told.desired_state == DesiredState::Stopped));
    })
    .await;
}

#[tokio::test]
async fn a_variable_of_an_unknown_kind_is_the_error_of_its_workspace() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        for name in ["evil", "good"] {
            let variables = json!([{"name": "A", "value": "x"}]);
            let body = json!({"name": name, "image": "i", "variables": variables});
            admin.create(&body).await.expect::<Workspace>(201);
        }
        app.execute("ALTER TABLE workspace_variables DROP CONSTRAINT workspace_variables_kind_check").await;
        app.execute(
            "UPDATE workspace_variables SET kind = 'hologram'
             WHERE workspace_id = (SELECT id FROM workspaces WHERE name = 'evil')",
        )
        .await;
        let answer = agent.partial(1, vec![]).await;
        let of = |name: &str| answer.workspaces.iter().find(|told| told.name.as_str() == name).expect("told");
        assert_eq!((of("evil").action, of("evil").actual_state), (Action::None, ActualState::Error));
        assert_eq!(of("good").action, Action::Create);
        assert!(of("good").variables.is_some());
        let why: Why = admin.get(&admin.path("/workspaces/evil/why")).await.expect(200);
        assert_eq!(why.situation, Situation::VariablesUnreadable);
        assert!(why.reason.expect("a reason").message.contains("kind"));
        let listed: Paged<Workspace> = admin.get(&admin.path("/workspaces")).await.expect(200);
        assert_eq!(listed.items.len(), 2);
        admin.wish("evil", "terminate").await.expect::<Workspace>(200);
    })
    .await;
}

#[tokio::test]
async fn names_that_cannot_be_read_keep_nobody_else_from_being_listed_or_told() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let odd = admin.create_agent("odd").await;
        admin
            .create(&json!({"name": "good", "image": "i", "agent": "cluster"}))
            .await
            .expect::<Workspace>(201);
        orphans::report(&agent, 1).await;
        app.execute("UPDATE orphans SET name = 'NOT A NAME', namespace = '///'").await;
        app.execute("UPDATE agents SET name = 'NOT A NAME' WHERE name = 'odd'").await;
        let listed: Orphans = admin.get(&admin.path("/agents/cluster/orphans")).await.expect(200);
        assert!(listed.items[0].name.as_str().starts_with("unreadable-"), "{listed:?}");
        let listed: Paged<ShownAgent> = admin.get(&admin.path("/agents")).await.expect(200);
        let names: Vec<_> = listed.items.iter().map(|agent| agent.name.as_str()).collect();
        assert!(names.contains(&"cluster") && names.contains(&"unreadable"), "{names:?}");
        let answer = agent.partial(2, vec![orphans::stranger()]).await;
        assert_eq!(answer.workspaces.len(), 1);
        odd.partial(1, vec![]).await;
    })
    .await;
}

#[tokio::test]
async fn what_an_agent_said_of_its_cluster_in_other_words_is_as_if_it_had_said_nothing() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let said = json!({
            "message_type": "prerequisites", "update_type": "partial", "epoch": 1, "sequence": 1,
            "prerequisites": {"agent_version": "0.1"},
        });
        agent.post(actors::RECONCILE, &said).await.expect::<ReconcileResponse>(200);
        app.execute("UPDATE agent_prerequisites SET prerequisites = '[7]'").await;
        let shown: Value = admin.get(&admin.path("/agents/cluster")).await.expect(200);
        assert_eq!(shown["prerequisites"], Value::Null);
        agent.post(actors::RECONCILE, &said).await.expect::<ReconcileResponse>(200);
        let shown: Value = admin.get(&admin.path("/agents/cluster")).await.expect(200);
        assert_eq!(shown["prerequisites"]["agent_version"], "0.1");
    })
    .await;
}
