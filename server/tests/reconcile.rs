//! The agent's rounds, spoken by hand.

use std::io::Write as _;

use berth_schema::api::Workspace;
use berth_schema::reconcile::{Action, ReconcileRequest, ReconcileResponse, UpdateType};
use berth_schema::{ActualState, DesiredState, Generation, TermId, WorkspaceId};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cluster::{gone, seen, settled};
use crate::support::{Admin, Agent, App, Requests, message, send};

async fn world(app: &App) -> (Admin, Agent) {
    let admin = app.organization("acme").await;
    let agent = admin.create_agent("cluster").await;
    (admin, agent)
}

#[tokio::test]
async fn from_creation_to_running_to_terminated() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        let variables = json!([
            {"name": "GREETING", "value": "line one\n\"two\" $(X)"},
            {"name": "raw", "kind": "file", "value_base64": "AP+A"},
        ]);
        let created = admin.create(&json!({"name": "w", "image": "debian:13", "variables": variables})).await;
        created.expect::<Workspace>(201);

        let response = agent.partial(1, vec![]).await;
        let directive = &response.workspaces[0];
        assert_eq!((directive.action, directive.generation), (Action::Create, Generation::FIRST));
        let objects = directive.config_to_apply.as_ref().expect("a first configuration");
        assert_eq!(objects.last().expect("objects")["kind"], "Deployment");
        let bundle = agent.variables(&response, "w").expect("variables go with the first configuration");
        assert!(
            !serde_json::to_string(&response).expect("JSON").contains("GREETING"),
            "sealed, names included"
        );
        assert_eq!(bundle.environment["GREETING"].expose(), b"line one\n\"two\" $(X)");
        assert_eq!(bundle.files["raw"].expose(), [0, 255, 128]);

        let response = agent.partial(2, vec![settled(directive, "100")]).await;
        let acknowledged = &response.workspaces[0];
        assert_eq!((acknowledged.action, acknowledged.actual_state), (Action::None, ActualState::Running));
        assert_eq!(acknowledged.deployment_resource_version.as_deref(), Some("100"));
        assert!(acknowledged.variables.is_none());
        let workspace = admin.workspace("w").await;
        assert_eq!(
            (workspace.actual_state, workspace.applied_generation),
            (ActualState::Running, Generation::FIRST)
        );
        assert!(agent.partial(3, vec![]).await.workspaces.is_empty(), "nothing is left to say");

        admin.wish("w", "terminate").await.expect::<Workspace>(200);
        let response = agent.partial(4, vec![]).await;
        assert_eq!(response.workspaces[0].action, Action::Terminate);
        let response = agent.partial(5, vec![gone(&response.workspaces[0])]).await;
        assert_eq!(response.workspaces[0].actual_state, ActualState::Terminated);
        assert_eq!(admin.workspace("w").await.actual_state, ActualState::Terminated);
        assert_eq!(app.count("SELECT count(*) FROM workspace_data_keys").await, 0, "its key is destroyed");
        admin.create_workspace("w").await;
    })
    .await;
}

#[tokio::test]
async fn stop_start_and_restart_go_through_their_states() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        admin.create_workspace("w").await;
        let mut sequence = 0;
        let mut round = async |expected: ActualState| {
            sequence += 2;
            let directive = agent.partial(sequence - 1, vec![]).await.workspaces.remove(0);
            agent.partial(sequence, vec![settled(&directive, &sequence.to_string())]).await;
            assert_eq!(admin.workspace("w").await.actual_state, expected);
        };
        round(ActualState::Running).await;
        admin.wish("w", "stop").await;
        round(ActualState::Stopped).await;
        admin.wish("w", "start").await;
        round(ActualState::Running).await;
        admin.wish("w", "restart").await;
        round(ActualState::Stopped).await;
        assert_eq!(
            admin.workspace("w").await.desired_state,
            DesiredState::Running,
            "the server ends it by itself"
        );
        round(ActualState::Running).await;
    })
    .await;
}

#[tokio::test]
async fn a_restart_under_way_does_not_begin_anew_on_an_agent_that_was_taken_back() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        for name in ["w", "goes-on"] {
            admin.create_workspace(name).await;
        }
        let mut sequence = 0;
        let mut round = async || {
            sequence += 2;
            let directives = agent.partial(sequence - 1, vec![]).await.workspaces;
            let done = directives.iter().map(|directive| settled(directive, &sequence.to_string())).collect();
            agent.partial(sequence, done).await
        };
        round().await;
        admin.wish("w", "restart").await.expect::<Workspace>(200);
        let taken = admin.post(&admin.path("/agents/cluster/disallow"), &json!({"organization": true})).await;
        taken.expect::<Value>(200);
        round().await;
        let ended = admin.workspace("w").await;
        assert_eq!((ended.desired_state, ended.actual_state), (DesiredState::Stopped, ActualState::Stopped));
        admin.wish("w", "start").await.problem(409, "agent-not-allowed");
        assert_eq!(
            admin.workspace("goes-on").await.actual_state,
            ActualState::Running,
            "until its next start"
        );
    })
    .await;
}

#[tokio::test]
async fn a_lost_response_is_resent_until_it_is_proven() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        admin
            .create(&json!({"image": "a", "variables": [{"name": "A", "value": "x"}]}))
            .await
            .expect::<Value>(201);
        let mut objects = Vec::new();
        for sequence in 1..4 {
            let response = agent.partial(sequence, vec![]).await;
            let directive = &response.workspaces[0];
            assert_eq!(directive.action, Action::Create);
            let variables = agent.variables(&response, directive.name.as_str()).expect("variables");
            assert_eq!(variables.environment["A"].expose(), b"x");
            objects.push(serde_json::to_string(&directive.config_to_apply).expect("JSON"));
        }
        // All but what is sealed, which is never the same twice.
        assert!(objects.windows(2).all(|pair| pair[0] == pair[1]), "the bytes are the same for equal input");
    })
    .await;
}

#[tokio::test]
async fn a_repeated_report_is_answered_and_changes_nothing() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        admin.create_workspace("w").await;
        let directive = agent.partial(1, vec![]).await.workspaces.remove(0);
        let report = message(2, vec![settled(&directive, "100")]);
        let first = agent.send(&report).await;
        let before = admin.workspace("w").await;
        let version = app.count("SELECT sum(xmin::text::bigint)::bigint FROM workspaces").await;
        assert_eq!(agent.send(&report).await.text, first.text);
        assert_eq!(admin.workspace("w").await, before);
        assert_eq!(app.count("SELECT sum(xmin::text::bigint)::bigint FROM workspaces").await, version);
    })
    .await;
}

#[tokio::test]
async fn a_deposed_leader_is_refused_and_changes_nothing() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        admin.create_workspace("w").await;
        let directive = agent.partial(1, vec![]).await.workspaces.remove(0);
        let newer = ReconcileRequest { epoch: 2, ..message(1, vec![]) };
        agent.send(&newer).await.expect::<ReconcileResponse>(200);
        let late = agent.send(&message(9, vec![settled(&directive, "100")])).await;
        let problem = late.problem(409, "stale-epoch");
        assert!(problem.detail.contains("epoch 2"), "{problem:?}");
        assert_eq!(admin.workspace("w").await.actual_state, ActualState::CreationRequested);
    })
    .await;
}

#[tokio::test]
async fn another_term_in_the_same_epoch_is_refused_and_changes_nothing() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        admin.create_workspace("w").await;
        let of = |term: TermId, message| ReconcileRequest { term: Some(term), ..message };
        let (first, second) = (TermId::random(), TermId::random());
        let response: ReconcileResponse = agent.send(&of(first, message(1, vec![]))).await.expect(200);
        let report = message(9, vec![settled(&response.workspaces[0], "100")]);
        // Its Lease was lost, and it counts from the beginning. Whatever it says, it is not the leader of this epoch.
        let poll = ReconcileRequest { wait_seconds: 1, ..message(1, vec![]) };
        for stale in [of(second, report.clone()), of(second, poll), report.clone()] {
            agent.send(&stale).await.problem(409, "stale-epoch");
        }
        assert_eq!(admin.workspace("w").await.actual_state, ActualState::CreationRequested);
        agent.send(&of(first, report.clone())).await.expect::<ReconcileResponse>(200);
        assert_eq!(admin.workspace("w").await.actual_state, ActualState::Running);
        let later = ReconcileRequest { epoch: 2, ..of(second, report) };
        agent.send(&later).await.expect::<ReconcileResponse>(200);
    })
    .await;
}

#[tokio::test]
async fn an_agent_hears_nothing_of_others_workspaces() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        let workspace = admin.create_workspace("w").await;
        let colleague = admin.create_agent("colleague").await;
        let stranger = app.organization("other").await.create_agent("stranger").await;
        let mine = agent.partial(1, vec![]).await.workspaces.remove(0);
        for other in [&colleague, &stranger] {
            for update_type in [UpdateType::Partial, UpdateType::Full] {
                let forged = ReconcileRequest { update_type, ..message(1, vec![gone(&mine)]) };
                let reply = other.send(&forged).await;
                let response: ReconcileResponse = reply.expect(200);
                assert!(response.workspaces.is_empty(), "{}", reply.text);
                assert_eq!(
                    response.orphans[0].workspace_id, workspace.id,
                    "its own words come back, no more"
                );
            }
        }
        assert_eq!(admin.workspace("w").await, workspace);
    })
    .await;
}

#[tokio::test]
async fn a_full_report_without_a_workspace_has_it_made_again() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        admin.create(&json!({"name": "w", "image": "a", "variables": [{"name": "A", "value": "x"}]})).await;
        let directive = agent.partial(1, vec![]).await.workspaces.remove(0);
        agent.partial(2, vec![settled(&directive, "100")]).await;
        let full = ReconcileRequest { update_type: UpdateType::Full, ..message(3, vec![]) };
        let response: ReconcileResponse = agent.send(&full).await.expect(200);
        assert_eq!(response.workspaces[0].action, Action::Create);
        assert!(response.workspaces[0].variables.is_some());
        let reason = admin.workspace("w").await.reason.expect("a reason");
        assert_eq!(reason.reason, "NotInCluster");
    })
    .await;
}

#[tokio::test]
async fn lost_secrets_are_sent_again() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        admin.create(&json!({"name": "w", "image": "a", "variables": [{"name": "A", "value": "x"}]})).await;
        let directive = agent.partial(1, vec![]).await.workspaces.remove(0);
        let mut info = settled(&directive, "100");
        info.variables_missing = true;
        let response = agent.partial(2, vec![info]).await;
        let bundle = agent.variables(&response, "w").expect("variables");
        assert_eq!(bundle.environment["A"].expose(), b"x");
    })
    .await;
}

#[tokio::test]
async fn idle_rounds_write_nothing() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        admin.create_workspace("w").await;
        let directive = agent.partial(1, vec![]).await.workspaces.remove(0);
        agent.partial(2, vec![settled(&directive, "100")]).await;
        let rows = "SELECT (sum(xmin::text::bigint))::bigint FROM (SELECT xmin FROM workspaces UNION ALL SELECT xmin FROM agents) r";
        let versions = app.count(rows).await;
        for sequence in 3..20 {
            agent.partial(sequence, vec![]).await;
        }
        assert_eq!(app.count(rows).await, versions);
    })
    .await;
}

#[tokio::test]
async fn what_no_agent_sends_is_refused() {
    App::run(async |app| {
        let (_, agent) = world(app).await;
        let reply = agent.send(&ReconcileRequest { epoch: -1, wait_seconds: 60, ..message(1, vec![]) }).await;
        assert_eq!(reply.wrong_fields(), ["epoch", "wait_seconds"]);
        let reply = agent
            .post("/api/v1/agent/reconcile", &json!({"update_type": "all", "epoch": 1, "sequence": 1}))
            .await;
        assert_eq!(reply.wrong_fields(), ["update_type"]);
        // An agent that is one version ahead may say more.
        let newer = json!({"update_type": "partial", "epoch": 1, "sequence": 1, "mood": "fine"});
        agent.post("/api/v1/agent/reconcile", &newer).await.expect::<ReconcileResponse>(200);
        let mut info = seen(&directive_of_nobody());
        info.workspace_id = WorkspaceId::random();
        let many = vec![info; 501];
        assert_eq!(agent.send(&message(2, many)).await.wrong_fields(), ["workspace_agent_infos"]);
    })
    .await;
}

pub(crate) fn directive_of_nobody() -> berth_schema::reconcile::WorkspaceDirective {
    serde_json::from_value(json!({
        "workspace_id": WorkspaceId::random(), "name": "w", "namespace": "n", "action": "none",
        "desired_state": "Running", "actual_state": "Running", "generation": 1,
    }))
    .expect("a directive")
}

#[tokio::test]
async fn bodies_may_be_compressed_both_ways() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        admin.create_workspace("w").await;
        let request = agent.request(Method::POST, "/api/v1/agent/reconcile");
        let plain = serde_json::to_vec(&message(1, vec![])).expect("JSON");
        let request = request.header("content-type", "application/json").header("content-encoding", "gzip");
        let reply = send(request.header("accept-encoding", "gzip").body(gzip(&plain))).await;
        assert_eq!(reply.expect::<ReconcileResponse>(200).workspaces.len(), 1);
    })
    .await;
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[tokio::test]
async fn a_small_body_does_not_become_a_large_one() {
    App::run(async |app| {
        let (_, agent) = world(app).await;
        for coding in ["gzip", "zstd", "br", "deflate"] {
            // 64 MiB of nothing in 64 KiB.
            let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
            assert!(bomb.len() < 100_000);
            let request = agent.request(Method::POST, "/api/v1/agent/reconcile");
            let request =
                request.header("content-type", "application/json").header("content-encoding", coding);
            let reply = send(request.body(bomb)).await;
            match coding {
                "gzip" => reply.problem(413, "body-too-large"),
                _ => reply.problem(415, "unsupported-media-type"),
            };
        }
    })
    .await;
}
