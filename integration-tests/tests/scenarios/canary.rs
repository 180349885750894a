//! The canary: two real pods tell whether the cluster enforces NetworkPolicy.

use std::time::Instant;

use anyhow::ensure;
use berth_agent::canary::{Source, check};
use berth_agent::cluster::Cluster as Hands;
use berth_agent_core::Identity;
use berth_harness::process::is_root;
use berth_harness::{Cluster, ClusterConfig, Node, images};
use berth_integration_tests::Installation;
use berth_schema::api::Agent;
use berth_schema::kubernetes::CANARY_NAMESPACE;
use berth_schema::network_check::NetworkVerdict;
use berth_schema::{AgentId, NetworkCheckId};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use serde_json::json;

use crate::PATIENCE;

#[tokio::test]
async fn a_cluster_with_an_engine_is_found_to_enforce_and_nothing_is_left_of_the_check() -> anyhow::Result<()>
{
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    berth.cluster.ensure_image(&images::AGENT).await?;
    let asked: Agent = berth.admin.post("agents/agent/check-network", &json!({})).await?.expect()?;
    ensure!(asked.network_check.is_some_and(|check| check.requested_at.is_some()), "it is not asked for");
    let begin = Instant::now();
    let result = loop {
        let agent: Agent = berth.admin.get("agents/agent").await?.expect()?;
        if let Some(result) = agent.network_check.and_then(|check| check.result) {
            break result;
        }
        ensure!(begin.elapsed() < 2 * PATIENCE, "no result");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    assert_eq!(result.verdict, NetworkVerdict::Enforced, "{}", result.reason);
    let namespaces: Api<Namespace> = Api::all(berth.view.client());
    let name = format!("{CANARY_NAMESPACE}{}", asked.id);
    while namespaces.get_opt(&name).await?.is_some() {
        ensure!(begin.elapsed() < 3 * PATIENCE, "the namespace of the check stays");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_cluster_without_an_engine_is_found_out_and_an_image_that_is_not_there_is_no_verdict()
-> anyhow::Result<()> {
    if !is_root() {
        ensure!(std::env::var_os("CI").is_none(), "a node needs root, and CI skips no test");
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let config = ClusterConfig {
        name: "open".to_owned(),
        dir: dir.path().join("cluster"),
        keep_data: false,
        detached: false,
        node: Node::WithoutPolicy,
    };
    let cluster = Cluster::start(config).await?;
    cluster.ensure_image(&images::AGENT).await?;
    let hands = Hands::new(cluster.client().await?, Identity::of(AgentId::random()));
    let source = |image: Option<&str>| Source {
        image: image.map(str::to_owned),
        namespace: "default".to_owned(),
        pod: "nobody".to_owned(),
    };
    let id = NetworkCheckId::random();
    let report = check(&hands, &source(Some(images::AGENT.reference)), id).await;
    assert_eq!((report.id, report.verdict), (id, NetworkVerdict::NotEnforced), "{}", report.reason);
    let nameless = check(&hands, &source(None), id).await;
    assert_eq!(nameless.verdict, NetworkVerdict::Unknown);
    assert!(nameless.reason.contains("--canary-image"), "{}", nameless.reason);
    cluster.stop().await
}
