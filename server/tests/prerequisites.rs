//! What an agent says of its cluster, and what it is to install.

use berth_schema::TermId;
use berth_schema::api;
use berth_schema::api::Workspace;
use berth_schema::prerequisites::{ManifestReport, Prerequisites, StorageClass};
use berth_schema::reconcile::{MessageType, ReconcileRequest, ReconcileResponse};
use serde_json::{Value, json};

use crate::support::cluster::settled;
use crate::support::{App, Requests, message};

fn prerequisites(has: Prerequisites) -> ReconcileRequest {
    ReconcileRequest {
        message_type: MessageType::Prerequisites,
        prerequisites: Some(has),
        ..message(1, vec![])
    }
}

#[tokio::test]
async fn what_the_cluster_has_is_shown_and_answered_with_manifests() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let refused = ManifestReport {
            kind: "Namespace".into(),
            name: "berth-proxy".into(),
            error: Some("it belongs to somebody else".into()),
        };
        let has = Prerequisites {
            agent_version: "0.1.0".into(),
            kubernetes_version: Some("v1.34.2".into()),
            manifests: vec![refused],
            ..Prerequisites::default()
        };
        let response: ReconcileResponse = agent.send(&prerequisites(has.clone())).await.expect(200);
        let kinds: Vec<_> = response.manifests.iter().flatten().map(|object| object["kind"].clone()).collect();
        assert_eq!(kinds, ["Namespace", "ServiceAccount", "NetworkPolicy"]);
        assert!(response.workspaces.is_empty(), "workspaces have messages of their own");
        let shown: api::Agent = admin.get(&admin.path("/agents/cluster")).await.expect(200);
        assert_eq!(shown.prerequisites, Some(has.clone()));
        let versions = "SELECT (sum(xmin::text::bigint))::bigint FROM (SELECT xmin FROM agent_prerequisites UNION ALL SELECT xmin FROM agents) r";
        let before = app.count(versions).await;
        agent.send(&prerequisites(has)).await.expect::<ReconcileResponse>(200);
        assert_eq!(app.count(versions).await, before, "it was said before");
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_is_configured_is_sent_at_once_and_one_that_is_not_no_more() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let path = admin.path("/agents/cluster/configuration");
        let mut sequence = 0;
        let mut kinds = async |document: Value, asks: bool| {
            admin.put(&path, &document).await.expect::<Value>(200);
            sequence += 2;
            let report = agent.partial(sequence - 1, vec![]).await;
            assert_eq!(report.full_reconcile_requested, asks, "{document}");
            let said = prerequisites(Prerequisites::default());
            let response: ReconcileResponse =
                agent.send(&ReconcileRequest { sequence, ..said }).await.expect(200);
            let manifests = response.manifests.unwrap_or_default();
            manifests
                .iter()
                .map(|object| object["kind"].as_str().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        let place = ["Namespace", "ServiceAccount", "NetworkPolicy"];
        assert_eq!(kinds(json!({"user": 5002}), false).await, place, "it concerns workspaces alone");
        let runs = json!({"user": 5002, "proxy": {"image": "registry.example/berth/proxy:1"}});
        let whole = [&place[..], &["NetworkPolicy", "Service", "PodDisruptionBudget", "Deployment"]].concat();
        assert_eq!(kinds(runs, true).await, whole);
        assert_eq!(kinds(json!({"user": 5002}), true).await, place);
    })
    .await;
}

#[tokio::test]
async fn a_volume_grows_only_where_its_storage_class_lets_it() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("one").await;
        let resize =
            async |disk| admin.post(&admin.path("/workspaces/one/resize"), &json!({"disk": disk})).await;
        let class = |expandable| StorageClass { name: "standard".into(), default: true, expandable };
        let told = |expandable| Prerequisites {
            agent_version: "0.1.0".into(),
            storage_classes: vec![class(expandable)],
            ..Prerequisites::default()
        };
        // Until the cluster has told anything, it decides itself.
        resize("2Gi").await.expect::<Value>(200);
        agent.send(&prerequisites(told(false))).await.expect::<ReconcileResponse>(200);
        resize("3Gi").await.expect::<Value>(200);
        let directive = agent.partial(2, vec![]).await.workspaces.remove(0);
        agent.partial(3, vec![settled(&directive, "1")]).await;
        // Now there is a volume.
        let problem = resize("4Gi").await.problem(422, "invalid");
        assert_eq!(problem.errors[0].field, "disk");
        assert_eq!(
            problem.errors[0].message,
            "is more than 3Gi, and the storage class 'standard' lets no volume grow"
        );
        resize("3Gi").await.expect::<Value>(200);
        let shown: Workspace = admin.workspace("one").await;
        agent
            .send(&ReconcileRequest { sequence: 4, ..prerequisites(told(true)) })
            .await
            .expect::<ReconcileResponse>(200);
        let grown: Workspace = resize("4Gi").await.expect(200);
        assert!(grown.generation > shown.generation);
    })
    .await;
}

#[tokio::test]
async fn prerequisites_are_bounded_and_belong_to_the_leader() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let nothing = ReconcileRequest { prerequisites: None, ..prerequisites(Prerequisites::default()) };
        assert_eq!(agent.send(&nothing).await.wrong_fields(), ["prerequisites"]);
        let much = Prerequisites { ingress_classes: vec!["x".into(); 101], ..Prerequisites::default() };
        assert_eq!(agent.send(&prerequisites(much)).await.wrong_fields(), ["prerequisites"]);
        let newer = ReconcileRequest { epoch: 2, ..prerequisites(Prerequisites::default()) };
        agent.send(&newer).await.expect::<ReconcileResponse>(200);
        let older = prerequisites(Prerequisites::default());
        agent.send(&older).await.problem(409, "stale-epoch");
        let other = ReconcileRequest { term: Some(TermId::random()), ..newer };
        agent.send(&other).await.problem(409, "stale-epoch");
    })
    .await;
}

#[tokio::test]
async fn an_agent_of_the_version_before_need_not_say_what_it_sends() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let old = json!({"update_type": "partial", "epoch": 1, "sequence": 1});
        let response: ReconcileResponse = agent.post("/api/v1/agent/reconcile", &old).await.expect(200);
        assert_eq!(response.workspaces.len(), 1);
        assert!(response.manifests.is_none());
    })
    .await;
}
