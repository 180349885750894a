//! Full reports that lack something.

use berth_schema::WorkspaceId;
use berth_schema::api::{self, LossConfirmed, Workspace};
use berth_schema::reconcile::{
    Action, Page, ReconcileRequest, ReconcileResponse, UpdateType, WorkspaceAgentInfo,
};
use serde_json::json;

use crate::reconcile::directive_of_nobody;
use crate::support::cluster::settled;
use crate::support::{Admin, Agent, App, Requests, message};

async fn world(app: &App) -> (Admin, Agent) {
    let admin = app.organization("acme").await;
    let agent = admin.create_agent("cluster").await;
    (admin, agent)
}

/// As many running workspaces as are asked for, stored at once: through the API that would be as many requests.
async fn running(app: &App, admin: &Admin, agent: &Agent, count: i64) -> Vec<WorkspaceId> {
    let sample = admin.create_workspace("sample").await;
    agent.partial(1, vec![]).await;
    app.execute(&format!(
        "INSERT INTO workspaces (organization_id, agent_id, id, name, namespace, desired_state, actual_state, generation,
             applied_generation, applied_epoch, applied_sequence, spec, created_at, created_by,
             desired_state_changed_at, actual_state_changed_at)
         SELECT organization_id, agent_id, gen_random_uuid(), 'w' || n, 'w' || n, 'Running', 'Running', 1, 1, 1, 1, spec,
             created_at, created_by, created_at, created_at
         FROM workspaces, generate_series(1, {count}) n WHERE id = '{}'",
        sample.id
    ))
    .await;
    app.execute(&format!(
        "DELETE FROM workspace_transitions; DELETE FROM workspaces WHERE id = '{}'",
        sample.id
    ))
    .await;
    app.ids("SELECT id::text FROM workspaces ORDER BY id").await
}

fn alive(id: WorkspaceId) -> WorkspaceAgentInfo {
    let directive = directive_of_nobody();
    let mut info = settled(&directive, "1");
    info.workspace_id = id;
    info
}

fn full(sequence: i64, page: Option<Page>, there: &[WorkspaceId]) -> ReconcileRequest {
    let infos = there.iter().copied().map(alive).collect();
    ReconcileRequest { update_type: UpdateType::Full, page, ..message(sequence, infos) }
}

#[tokio::test]
async fn the_last_of_several_pages_finds_what_all_of_them_lack() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        let ids = running(app, &admin, &agent, 1_200).await;
        let (lost, there) = ids.split_at(3);
        let mut sequence = 1;
        for (number, page) in (0_u32..).zip(there.chunks(500)) {
            sequence += 1;
            let request = full(sequence, Some(Page { number, last: false }), page);
            let response: ReconcileResponse = agent.send(&request).await.expect(200);
            assert_eq!(response.workspaces.len(), page.len());
            assert!(response.workspaces.iter().all(|directive| directive.action == Action::None));
        }
        let mut request = full(sequence + 1, Some(Page { number: 3, last: true }), &[]);
        request.present = there.to_vec();
        let response: ReconcileResponse = agent.send(&request).await.expect(200);
        let mut remade: Vec<WorkspaceId> =
            response.workspaces.iter().map(|directive| directive.workspace_id).collect();
        remade.sort();
        assert_eq!(remade, lost);
        assert!(response.workspaces.iter().all(|directive| directive.action == Action::Create));
        let missing = "SELECT count(*) FROM workspaces WHERE reason->>'reason' = 'NotInCluster'";
        assert_eq!(app.count(missing).await, 3);
    })
    .await;
}

#[tokio::test]
async fn a_mass_loss_waits_for_a_fresh_list_that_agrees() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        let ids = running(app, &admin, &agent, 30).await;
        let suspected = "SELECT count(*) FROM workspaces WHERE reason->>'reason' = 'LossSuspected'";
        let written = "SELECT sum(xmin::text::bigint)::bigint FROM (SELECT xmin FROM workspaces UNION ALL SELECT xmin FROM agents) r";
        let response: ReconcileResponse = agent.send(&full(2, None, &ids[7..])).await.expect(200);
        assert!(response.full_reconcile_requested);
        assert_eq!(response.workspaces.len(), 23, "nothing is said of the missing ones");
        assert_eq!(app.count(suspected).await, 7);
        let shown: api::Agent = admin.get(&admin.path("/agents/cluster")).await.expect(200);
        let loss = shown.suspected_loss.expect("it is shown");
        assert_eq!((loss.missing, loss.applied, loss.needs_confirmation), (7, 30, false));
        // A user who wants something of one of them does not get an empty volume.
        let one = admin.get(&admin.path(&format!("/workspaces/{}", ids[0]))).await.expect::<Workspace>(200);
        admin.wish(one.name.as_str(), "restart").await.expect::<Workspace>(200);
        let response = agent.partial(3, vec![]).await;
        assert!(response.workspaces.is_empty() && response.full_reconcile_requested, "{response:?}");
        let before = app.count(written).await;
        for sequence in 4..8 {
            agent.partial(sequence, vec![]).await;
        }
        assert_eq!(app.count(written).await, before, "idle rounds write nothing");
        let fresh = ReconcileRequest { relisted: true, ..full(8, None, &ids[7..]) };
        let response: ReconcileResponse = agent.send(&fresh).await.expect(200);
        let created = response.workspaces.iter().filter(|directive| directive.action == Action::Create);
        assert_eq!(created.count(), 7);
        assert!(!response.full_reconcile_requested);
        let shown: api::Agent = admin.get(&admin.path("/agents/cluster")).await.expect(200);
        assert_eq!(shown.suspected_loss, None);
    })
    .await;
}

#[tokio::test]
async fn an_empty_cluster_is_filled_again_only_when_a_person_confirms_it() {
    App::run(async |app| {
        let (admin, agent) = world(app).await;
        running(app, &admin, &agent, 8).await;
        for sequence in 2..5 {
            let empty = ReconcileRequest { relisted: true, ..full(sequence, None, &[]) };
            let response: ReconcileResponse = agent.send(&empty).await.expect(200);
            assert!(response.workspaces.is_empty() && !response.full_reconcile_requested);
        }
        let shown: api::Agent = admin.get(&admin.path("/agents/cluster")).await.expect(200);
        let loss = shown.suspected_loss.expect("it is shown");
        assert!(loss.needs_confirmation);
        let path = admin.path("/agents/cluster/confirm-loss");
        let other = json!({"fingerprint": "00000000-0000-0000-0000-000000000001"});
        assert_eq!(admin.post(&path, &other).await.wrong_fields(), ["fingerprint"]);
        assert!(agent.partial(5, vec![]).await.workspaces.is_empty());
        // A poll that is held hears of it at once.
        let poll = ReconcileRequest { wait_seconds: 30, ..message(6, vec![]) };
        let (reply, confirmed) = tokio::join!(agent.send(&poll), async {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            admin.post(&path, &json!({"fingerprint": loss.fingerprint})).await
        });
        assert_eq!(confirmed.expect::<LossConfirmed>(200).workspaces, 8);
        let response: ReconcileResponse = reply.expect(200);
        assert_eq!(response.workspaces.len(), 8);
        assert!(response.workspaces.iter().all(|directive| directive.action == Action::Create));
        assert_eq!(
            admin.post(&path, &json!({"fingerprint": loss.fingerprint})).await.wrong_fields(),
            ["fingerprint"]
        );
    })
    .await;
}
