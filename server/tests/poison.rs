//! One workspace of which the agent, the cluster or the database says what cannot be: it is that workspace's error, and
//! everything else goes on.

use berth_schema::api::{Paged, Workspace};
use berth_schema::reconcile::{Action, Received, ReconcileRequest, ReconcileResponse, WorkspaceDirective};
use berth_schema::why::{Situation, Why};
use berth_schema::{ActualState, DesiredState, Generation};
use serde_json::{Value, json};

use crate::support::cluster::{gone, settled};
use crate::support::{Admin, Agent, App, Draw, Requests, actors, message, send};

/// Two workspaces, both told to the agent.
async fn world(app: &App) -> (Admin, Agent, WorkspaceDirective, WorkspaceDirective) {
    let admin = app.organization("acme").await;
    let agent = admin.create_agent("cluster").await;
    admin.create_workspace("evil").await;
    admin.create_workspace("good").await;
    let mut told = agent.partial(1, vec![]).await.workspaces;
    told.sort_by(|one, other| one.name.cmp(&other.name));
    let [evil, good] = <[_; 2]>::try_from(told).expect("two");
    (admin, agent, evil, good)
}

/// A message with entries as they are.
async fn report(agent: &Agent, sequence: i64, entries: &[Value]) -> ReconcileResponse {
    let body = json!({
        "update_type": "partial", "epoch": 1, "sequence": sequence, "workspace_agent_infos": entries,
    });
    agent.post(actors::RECONCILE, &body).await.expect(200)
}

fn entry(directive: &WorkspaceDirective, version: &str) -> Value {
    serde_json::to_value(settled(directive, version)).expect("JSON")
}

#[tokio::test]
async fn a_text_that_postgres_cannot_keep_reaches_the_user_without_it() {
    App::run(async |app| {
        let (admin, agent, evil, good) = world(app).await;
        let hostile = "ja\0wohl\u{202e}\n\u{1b}[31m";
        let problem = json!({"container": hostile, "reason": hostile, "message": hostile});
        let condition = json!({"type": "Progressing", "status": "False", "reason": hostile, "message": hostile});
        let deployment = |status| json!({"resource_version": "1\0", "replicas": 1, "status": status});
        let changes = [
            json!({"error_details": {"error_type": "kubernetes", "error_message": hostile}}),
            json!({"error_details": {"error_type": "applier"}}),
            json!({"latest_k8s_deployment_info": deployment(json!({"conditions": [condition]})), "pod_problems": [problem]}),
            json!({"latest_k8s_deployment_info": deployment(json!({"conditions": [condition]}))}),
            json!({"latest_k8s_deployment_info": {}}),
        ];
        for (sequence, change) in (2..).zip(&changes) {
            let mut poisoned = entry(&evil, "1");
            for (field, value) in change.as_object().expect("an object") {
                poisoned[field] = value.clone();
            }
            report(&agent, sequence, &[poisoned, entry(&good, &sequence.to_string())]).await;
            assert_eq!(admin.workspace("good").await.actual_state, ActualState::Running, "{change}");
            let shown = admin.workspace("evil").await;
            let text = shown.reason.map(|reason| reason.message.to_string()).unwrap_or_default();
            assert!(!text.contains(['\0', '\n', '\u{202e}', '\u{1b}']), "{text:?}");
        }
        admin.wish("evil", "terminate").await.expect::<Workspace>(200);
        let told = agent.partial(20, vec![]).await.workspaces;
        assert_eq!((told.len(), told[0].action), (1, Action::Terminate));
    })
    .await;
}

#[tokio::test]
async fn what_an_agent_says_of_its_cluster_is_kept_without_what_cannot_be_kept() {
    App::run(async |app| {
        let (admin, agent, ..) = world(app).await;
        let body = json!({
            "message_type": "prerequisites", "update_type": "partial", "epoch": 1, "sequence": 9,
            "prerequisites": {"agent_version": "0\0.1", "runtime_classes": ["gvi\0sor"], "unreadable": ["\u{202e}nodes"]},
        });
        agent.post(actors::RECONCILE, &body).await.expect::<ReconcileResponse>(200);
        let shown: Value = admin.get(&admin.path("/agents/cluster")).await.expect(200);
        assert_eq!(shown["prerequisites"]["agent_version"], "0.1");
        assert_eq!(shown["prerequisites"]["runtime_classes"], json!(["gvisor"]));
        assert_eq!(shown["prerequisites"]["unreadable"], json!(["nodes"]));
    })
    .await;
}

#[tokio::test]
async fn a_report_that_cannot_be_read_is_the_error_of_its_workspace() {
    App::run(async |app| {
        let (admin, agent, evil, good) = world(app).await;
        report(&agent, 2, &[entry(&evil, "1"), entry(&good, "1")]).await;
        let mut poisoned = entry(&evil, "2");
        poisoned["live_pods"] = json!("many");
        admin.wish("good", "stop").await.expect::<Workspace>(200);
        let answer = report(&agent, 3, &[poisoned, json!(7), json!({"workspace_id": 1})]).await;
        let told = answer.workspaces.iter().map(|told| (told.name.as_str(), told.action)).collect::<Vec<_>>();
        assert!(
            told.contains(&("good", Action::Update)) && told.contains(&("evil", Action::None)),
            "{told:?}"
        );
        let evil_told =
            answer.workspaces.iter().find(|told| told.name.as_str() == "evil").expect("acknowledged");
        assert_eq!(
            evil_told.deployment_resource_version.as_deref(),
            Some("2"),
            "or it would be told again at once"
        );
        let why: Why = admin.get(&admin.path("/workspaces/evil/why")).await.expect(200);
        assert_eq!((why.situation, why.actual_state), (Situation::ReportUnreadable, ActualState::Error));
        assert!(why.reason.expect("a reason").message.ends_with("live_pods"));
        assert_eq!(why.applied_generation, Generation::FIRST, "what was proven is proven still");
        report(&agent, 4, &[entry(&evil, "3")]).await;
        assert_eq!(
            admin.workspace("evil").await.actual_state,
            ActualState::Running,
            "it is over with the next one"
        );
    })
    .await;
}

#[tokio::test]
async fn a_generation_that_somebody_wrote_by_hand_proves_nothing_and_is_applied_over() {
    App::run(async |app| {
        let (admin, agent, evil, good) = world(app).await;
        let numbers = [
            json!(-1),
            json!(i64::MIN),
            json!(i64::MAX),
            json!(i64::MAX - 1),
            json!(u64::MAX),
            json!(1_i64 << 53),
            json!(1_i64 << 40),
            json!(1.5),
            json!(1e300),
        ];
        for (sequence, number) in (2..).step_by(2).zip(numbers) {
            let mut poisoned = entry(&evil, &sequence.to_string());
            poisoned["applied_generation"] = number.clone();
            let answer = report(&agent, sequence, &[poisoned, entry(&good, &sequence.to_string())]).await;
            let told =
                answer.workspaces.iter().find(|told| told.workspace_id == evil.workspace_id).expect("told");
            assert_eq!((told.action, told.generation), (Action::Create, Generation::FIRST), "{number}");
            assert_eq!(admin.workspace("good").await.actual_state, ActualState::Running, "{number}");
        }
        admin.wish("evil", "stop").await.expect::<Workspace>(200);
        let path = admin.path("/agents/cluster/configuration");
        send(admin.request(reqwest::Method::PUT, &path).json(&json!({"labels": {"team": "a"}})))
            .await
            .expect::<Value>(200);
        admin.wish("evil", "terminate").await.expect::<Workspace>(200);
    })
    .await;
}

#[tokio::test]
async fn a_workspace_at_the_highest_generation_is_changed_and_removed_like_any_other() {
    App::run(async |app| {
        let (admin, agent, evil, _) = world(app).await;
        let last = "UPDATE workspaces SET generation = 9007199254740992, applied_generation = 9007199254740992 WHERE name = 'evil'";
        app.execute(last).await;
        let stopped: Workspace = admin.wish("evil", "stop").await.expect(200);
        assert_eq!((stopped.generation, stopped.applied_generation), (Generation::FIRST, Generation::default()));
        let mut live = entry(&evil, "1");
        live["applied_generation"] = json!(1_i64 << 53);
        let answer = report(&agent, 2, &[live]).await;
        let told = answer.workspaces.iter().find(|told| told.workspace_id == evil.workspace_id).expect("told");
        assert_eq!((told.action, told.desired_state), (Action::Create, DesiredState::Stopped));
        app.execute(last).await;
        let path = admin.path("/agents/cluster/configuration");
        send(admin.request(reqwest::Method::PUT, &path).json(&json!({"labels": {"team": "a"}}))).await.expect::<Value>(200);
        app.execute(last).await;
        admin.wish("evil", "terminate").await.expect::<Workspace>(200);
        let told = agent.partial(9, vec![]).await.workspaces;
        let told = told.iter().find(|told| told.workspace_id == evil.workspace_id).expect("told");
        assert_eq!(told.action, Action::Terminate);
    })
    .await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_shown_with_its_error_and_can_be_removed() {
    let damages = [
        "spec = '{}'",
        "spec = '[]'",
        "reason = '\"text\"'",
        "reason = '[1]'",
        "name = 'NOT A NAME'",
        "namespace = '///'",
        "spec = '{\"containers\": 7}', reason = '{}'",
    ];
    App::run(async |app| {
        let (admin, agent, evil, _) = world(app).await;
        let by_id = evil.workspace_id.to_string();
        for damage in damages {
            app.execute(&format!("UPDATE workspaces SET {damage} WHERE id = '{by_id}'")).await;
            let listed: Paged<Workspace> = admin.get(&admin.path("/workspaces")).await.expect(200);
            assert_eq!(listed.items.len(), 2, "{damage}");
            let shown = admin.workspace(&by_id).await;
            assert_eq!(shown.actual_state, ActualState::Error, "{damage}");
            assert_eq!(shown.reason.expect("a reason").reason, "RowUnreadable", "{damage}");
            let why: Why = admin.get(&admin.path(&format!("/workspaces/{by_id}/why"))).await.expect(200);
            assert_eq!(why.situation, Situation::RowUnreadable, "{damage}");
            let told = agent.partial(2, vec![]).await.workspaces;
            assert_eq!(told.iter().map(|told| told.name.as_str()).collect::<Vec<_>>(), ["good"], "{damage}");
            admin.wish(&by_id, "stop").await.problem(409, "wrong-state");
        }
        let repaired = format!(
            "UPDATE workspaces SET name = 'evil', namespace = '{}' WHERE id = '{by_id}'",
            evil.namespace
        );
        app.execute(&repaired).await;
        admin.wish(&by_id, "terminate").await.expect::<Workspace>(200);
        let told = agent.partial(3, vec![]).await.workspaces;
        let told = told.iter().find(|told| told.workspace_id == evil.workspace_id).expect("told");
        assert_eq!(told.action, Action::Terminate);
        agent.partial(4, vec![gone(told)]).await;
        assert_eq!(admin.workspace(&by_id).await.actual_state, ActualState::Terminated);
    })
    .await;
}

#[tokio::test]
async fn what_an_agent_has_in_hand_keeps_nothing_else_from_it() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("first").await;
        let copies = "INSERT INTO workspaces (organization_id, agent_id, id, name, namespace, desired_state, actual_state, \
            generation, spec, created_at, created_by, desired_state_changed_at, actual_state_changed_at, transitions) \
            SELECT organization_id, agent_id, gen_random_uuid(), 'w' || n, 'berth-w' || n, desired_state, actual_state, \
            generation, spec, created_at, created_by, desired_state_changed_at, actual_state_changed_at, transitions \
            FROM workspaces, generate_series(1, 519) n";
        app.execute(copies).await;
        let first = agent.partial(1, vec![]).await.workspaces;
        assert!((400..=500).contains(&first.len()), "as many as a message holds: {}", first.len());
        let more = ReconcileRequest { received: received(&first), ..message(2, vec![]) };
        let rest: ReconcileResponse = agent.send(&more).await.expect(200);
        assert_eq!(rest.workspaces.len(), 520 - first.len(), "those that it has not in hand");
        // One that it has in hand is changed: that is news.
        let changed = &first[0];
        admin.wish(changed.name.as_str(), "stop").await.expect::<Workspace>(200);
        let all = received(first.iter().chain(&rest.workspaces));
        let more = ReconcileRequest { received: all, ..message(3, vec![]) };
        let news: ReconcileResponse = agent.send(&more).await.expect(200);
        let told: Vec<_> = news.workspaces.iter().map(|told| (told.workspace_id, told.generation.get())).collect();
        assert_eq!(told, [(changed.workspace_id, 2)]);
        // Rows of which nothing can be told take no place either.
        app.execute("UPDATE workspaces SET spec = '{}' WHERE id <> (SELECT max(id::text)::uuid FROM workspaces)").await;
        let last = agent.partial(4, vec![]).await.workspaces;
        assert_eq!(last.len(), 1);
    })
    .await;
}

/// What an agent says that it holds.
fn received<'a>(told: impl IntoIterator<Item = &'a WorkspaceDirective>) -> Vec<Received> {
    let held =
        |told: &WorkspaceDirective| Received { workspace_id: told.workspace_id, generation: told.generation };
    told.into_iter().map(held).collect()
}

#[tokio::test]
async fn a_control_character_in_a_path_or_a_query_is_refused_by_its_name() {
    App::run(async |app| {
        let (admin, ..) = world(app).await;
        assert_eq!(admin.get(&admin.path("/workspaces?name=%00")).await.wrong_fields(), ["name"]);
        assert_eq!(admin.get(&admin.path("/workspaces?name=%E2%80%AE")).await.wrong_fields(), ["name"]);
        admin.get(&admin.path("/workspaces/%00")).await.problem(400, "malformed-request");
        let path = admin.path("/variables/environment/%00");
        send(admin.request(reqwest::Method::DELETE, &path)).await.problem(400, "malformed-request");
        let path = admin.path("/variables/environment/%E2%80%AE");
        send(admin.request(reqwest::Method::DELETE, &path)).await.problem(404, "not-found");
        let body = json!({"annotations": {"example.com/a": "a\u{0}b"}});
        let path = admin.path("/agents/cluster/configuration");
        let refused = send(admin.request(reqwest::Method::PUT, &path).json(&body)).await;
        assert_eq!(refused.wrong_fields(), ["annotations.example.com/a"]);
    })
    .await;
}

#[tokio::test]
async fn a_thousand_drawn_poisoned_reports_leave_the_others_as_they_are() {
    App::run(async |app| {
        let (admin, agent, evil, good) = world(app).await;
        let mut draw = Draw::from(0x5eed);
        let mut full = entry(&evil, "1");
        full["pod_problems"] =
            json!([{"container": "main", "reason": "R", "message": "m", "since": "2026-01-01T00:00:00Z"}]);
        full["error_details"] = json!({"error_type": "applier", "error_message": "m"});
        full["termination_progress"] = json!("Terminating");
        for sequence in 2..1_002 {
            let mut poisoned = full.clone();
            for key in ["error_details", "termination_progress"] {
                if draw.below(2) == 0 {
                    poisoned.as_object_mut().expect("an object").remove(key);
                }
            }
            for _ in 0..=draw.below(3) {
                draw.poison(&mut poisoned);
            }
            let version = sequence.to_string();
            let answer = report(&agent, sequence, &[poisoned.clone(), entry(&good, &version)]).await;
            let told = answer.workspaces.iter().find(|told| told.workspace_id == good.workspace_id);
            let told = told.unwrap_or_else(|| panic!("the good one is acknowledged beside {poisoned}"));
            assert_eq!(told.actual_state, ActualState::Running, "{poisoned}");
            assert_eq!(told.deployment_resource_version.as_deref(), Some(version.as_str()), "{poisoned}");
        }
        let listed: Paged<Workspace> = admin.get(&admin.path("/workspaces")).await.expect(200);
        assert_eq!(listed.items.len(), 2);
        admin.wish("evil", "terminate").await.expect::<Workspace>(200);
        let told = agent.partial(2_000, vec![]).await.workspaces;
        assert!(
            told.iter()
                .any(|told| told.workspace_id == evil.workspace_id && told.action == Action::Terminate)
        );
    })
    .await;
}
