//! What an agent has and the server does not know.

use berth_schema::WorkspaceId;
use berth_schema::api::{Orphan, Orphans};
use berth_schema::reconcile::{
    OrphanVerdict, ReconcileRequest, ReconcileResponse, UpdateType, WorkspaceAgentInfo,
};
use berth_server::config::Protocol;
use jiff::SignedDuration;
use serde_json::json;

use crate::reconcile::directive_of_nobody;
use crate::support::cluster::{gone, settled};
use crate::support::{Agent, App, Requests, message};

pub(crate) fn stranger() -> WorkspaceAgentInfo {
    settled(&directive_of_nobody(), "1")
}

/// An agent reports a workspace that nobody knows.
pub(crate) async fn report(agent: &Agent, sequence: i64) -> WorkspaceId {
    let info = stranger();
    let id = info.workspace_id;
    let response = agent.partial(sequence, vec![info]).await;
    assert_eq!(response.orphans[0].verdict, OrphanVerdict::Keep);
    id
}

fn without_grace() -> Protocol {
    let mut protocol = Protocol::default();
    protocol.orphans.grace = SignedDuration::ZERO;
    protocol
}

#[tokio::test]
async fn an_orphan_is_listed_as_long_as_it_is_reported() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let path = admin.path("/agents/cluster/orphans");
        let info = stranger();
        agent.partial(1, vec![info.clone()]).await;
        let listed: Orphans = admin.get(&path).await.expect(200);
        assert_eq!(
            (listed.items[0].workspace_id, listed.items[0].removal_allowed),
            (info.workspace_id, false)
        );
        let grace = listed.items[0].kept_until.duration_since(listed.items[0].first_seen_at);
        assert_eq!(grace, SignedDuration::from_hours(24));
        let versions = "SELECT (sum(xmin::text::bigint))::bigint FROM orphans";
        let before = app.count(versions).await;
        agent.partial(2, vec![info.clone()]).await;
        let full =
            |sequence, infos| ReconcileRequest { update_type: UpdateType::Full, ..message(sequence, infos) };
        agent.send(&full(3, vec![info])).await.expect::<ReconcileResponse>(200);
        assert_eq!(app.count(versions).await, before, "nothing new was written");
        agent.send(&full(4, vec![])).await.expect::<ReconcileResponse>(200);
        assert!(admin.get(&path).await.expect::<Orphans>(200).items.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_orphan_is_removed_when_its_grace_is_over_and_somebody_allowed_it() {
    App::run_speaking(without_grace(), async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let info = stranger();
        agent.partial(1, vec![info.clone()]).await;
        assert_eq!(agent.partial(2, vec![info.clone()]).await.orphans[0].verdict, OrphanVerdict::Keep);
        let path = admin.path(&format!("/agents/cluster/orphans/{}/remove", info.workspace_id));
        let allowed: Orphan = admin.post(&path, &json!({})).await.expect(200);
        assert!(allowed.removal_allowed);
        admin.post(&path, &json!({})).await.expect::<Orphan>(200);
        // The agent has told of it already: it is asked for everything.
        assert!(agent.partial(3, vec![]).await.full_reconcile_requested);
        let full = ReconcileRequest { update_type: UpdateType::Full, ..message(4, vec![info.clone()]) };
        let response: ReconcileResponse = agent.send(&full).await.expect(200);
        assert_eq!(response.orphans[0].verdict, OrphanVerdict::Remove);
        assert!(!agent.partial(5, vec![]).await.full_reconcile_requested, "it was told");
        let mut directive = directive_of_nobody();
        directive.workspace_id = info.workspace_id;
        let response = agent.partial(6, vec![gone(&directive)]).await;
        assert_eq!(response.orphans[0].workspace_id, info.workspace_id, "the echo");
        assert!(
            admin.get(&admin.path("/agents/cluster/orphans")).await.expect::<Orphans>(200).items.is_empty()
        );
        admin.post(&path, &json!({})).await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test]
async fn an_agent_puts_a_bounded_number_on_record() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        for sequence in 1..=3 {
            let many = std::iter::repeat_with(stranger).take(500).collect();
            assert_eq!(agent.partial(sequence, many).await.orphans.len(), 500);
        }
        assert_eq!(app.count("SELECT count(*) FROM orphans").await, 1_000);
    })
    .await;
}
