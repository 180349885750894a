//! Whether a cluster enforces NetworkPolicy: asked for, told, shown.

use berth_schema::NetworkCheckId;
use berth_schema::api;
use berth_schema::network_check::{NetworkCheckReport, NetworkVerdict};
use berth_schema::prerequisites::Prerequisites;
use berth_schema::reconcile::{MessageType, ReconcileRequest, ReconcileResponse};
use serde_json::json;

use crate::support::{App, Requests, message};

fn says(sequence: i64, network_check: Option<NetworkCheckReport>) -> ReconcileRequest {
    ReconcileRequest {
        message_type: MessageType::Prerequisites,
        prerequisites: Some(Prerequisites::default()),
        network_check,
        ..message(sequence, vec![])
    }
}

#[tokio::test]
async fn a_check_is_asked_for_until_it_is_told_and_then_shown() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let path = admin.path("/agents/cluster/check-network");
        let response: ReconcileResponse = agent.send(&says(1, None)).await.expect(200);
        assert_eq!(response.network_check, None, "nobody asked");

        let asked: api::Agent = admin.post(&path, &json!({})).await.expect(200);
        let since = asked.network_check.expect("it is asked for").requested_at.expect("since now");
        let report = agent.partial(2, vec![]).await;
        assert!(report.full_reconcile_requested, "the agent is to come at once");
        let response: ReconcileResponse = agent.send(&says(3, None)).await.expect(200);
        let id = response.network_check.expect("it is told");
        // Once more, by somebody else who cannot wait.
        let again: api::Agent = admin.post(&path, &json!({})).await.expect(200);
        assert_eq!(again.network_check.expect("it is asked for").requested_at, Some(since));
        let response: ReconcileResponse = agent.send(&says(4, None)).await.expect(200);
        assert_eq!(response.network_check, Some(id), "it is the same check");

        let result = |id, verdict| {
            Some(NetworkCheckReport { id, verdict, reason: "a\u{0} pod\nreached another".into() })
        };
        let stray = result(NetworkCheckId::random(), NetworkVerdict::Enforced);
        let response: ReconcileResponse = agent.send(&says(5, stray)).await.expect(200);
        assert_eq!(response.network_check, Some(id), "an answer to nobody's question");
        let told = result(id, NetworkVerdict::NotEnforced);
        let response: ReconcileResponse = agent.send(&says(6, told)).await.expect(200);
        assert_eq!(response.network_check, None);
        let shown: api::Agent = admin.get(&admin.path("/agents/cluster")).await.expect(200);
        let check = shown.network_check.expect("it was checked");
        assert_eq!(check.requested_at, None);
        let result = check.result.expect("a result");
        assert_eq!(result.verdict, NetworkVerdict::NotEnforced);
        assert_eq!(&*result.reason, "a pod reached another");
    })
    .await;
}

#[tokio::test]
async fn nobody_asks_an_agent_of_others_or_one_that_was_revoked() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let stranger = app.organization("other").await;
        let path = "/agents/cluster/check-network";
        assert_eq!(stranger.post(&stranger.path(path), &json!({})).await.status, 404);
        let agent: api::Agent =
            admin.post(&admin.path("/agents/cluster/revoke"), &json!({})).await.expect(200);
        let path = admin.path(&format!("/agents/{}/check-network", agent.id));
        assert_eq!(admin.post(&path, &json!({})).await.wrong_fields(), ["agent"]);
    })
    .await;
}
