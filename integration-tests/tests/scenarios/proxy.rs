//! What the server wants to be in a cluster beside workspaces, on the real API server. No pod runs, so no node is needed.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use berth_agent::cluster::Cluster;
use berth_agent::failure::Failure;
use berth_agent::prerequisites::{gather, install};
use berth_agent::proxy::{NotKept, keep};
use berth_agent::token::TokenSource;
use berth_agent_core::{Allowances, Identity};
use berth_harness::{Postgres, Server, ServerOptions, shared_cluster};
use berth_integration_tests::Actor;
use berth_planner::AgentConfig;
use berth_planner::objects::proxy;

use berth_schema::kubernetes::PROXY_OF;
use berth_schema::kubernetes::proxy::{SEAL_KEY_SECRET as SEAL_KEY, TOKEN_SECRET as TOKEN};
use berth_schema::prerequisites::ManifestReport;
use berth_schema::{AgentId, AgentToken, ServerUrl, WorkspaceId};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

fn identity(namespace: &str) -> Identity {
    Identity { proxy_namespace: namespace.to_owned(), ..Identity::of(AgentId::random()) }
}

fn hands(client: &Client, identity: &Identity) -> Cluster {
    Cluster::new(client.clone(), identity.clone())
}

fn wanted(identity: &Identity) -> Vec<serde_json::Value> {
    let config = AgentConfig { proxy_namespace: identity.proxy_namespace.clone(), ..AgentConfig::default() };
    proxy(identity.agent, &config, None)
}

/// Installs for the first time.
async fn installed(
    client: &Client,
    identity: &Identity,
    objects: Vec<serde_json::Value>,
) -> Vec<ManifestReport> {
    install(&hands(client, identity), identity, objects, &[]).await.reports
}

fn errors(reports: &[ManifestReport]) -> Vec<String> {
    reports.iter().filter_map(|report| Some(report.error.as_ref()?.to_string())).collect()
}

#[tokio::test]
async fn the_proxys_objects_are_installed_pruned_and_left_to_whom_they_belong() -> anyhow::Result<()> {
    let client = shared_cluster().await?.client().await?;
    let namespace = format!("berth-proxy-{}", &AgentId::random().to_string()[..8]);
    let mine = identity(&namespace);
    let reports = installed(&client, &mine, wanted(&mine)).await;
    assert_eq!(errors(&reports), Vec::<String>::new());
    assert_eq!(reports.len(), 3);
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
    let policies: Api<NetworkPolicy> = Api::namespaced(client.clone(), &namespace);
    let account = accounts.get("berth-proxy").await?;
    assert_eq!(account.automount_service_account_token, Some(false));
    let closed = policies.get("closed").await?.spec.expect("a spec");
    assert_eq!(closed.policy_types, Some(vec!["Ingress".to_owned(), "Egress".to_owned()]));
    assert!(closed.ingress.is_none() && closed.egress.is_none());

    // Once more: nothing is written, and what the server no longer wants goes. What is not the agent's stays.
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    for (name, labels) in [("old", json!({ PROXY_OF: mine.agent.to_string() })), ("foreign", json!({}))] {
        let map = json!({ "metadata": { "name": name, "labels": labels } });
        maps.create(&PostParams::default(), &serde_json::from_value(map)?).await?;
    }
    let again = installed(&client, &mine, wanted(&mine)).await;
    assert_eq!(again, reports);
    let unchanged = accounts.get("berth-proxy").await?;
    assert_eq!(unchanged.metadata.resource_version, account.metadata.resource_version);
    assert!(maps.get_opt("old").await?.is_none());
    assert!(maps.get_opt("foreign").await?.is_some());

    // Another agent in the same cluster.
    let other = identity(&namespace);
    let refused = installed(&client, &other, wanted(&other)).await;
    assert_eq!((refused.len(), errors(&refused).len()), (1, 1), "{refused:?}");
    assert!(errors(&refused)[0].contains("--adopts"), "it says what to do: {refused:?}");
    // A server that wants something else than the proxy.
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "x" } });
    let refused = installed(&client, &mine, vec![role]).await;
    assert!(errors(&refused)[0].contains("ClusterRole"), "{refused:?}");
    assert!(accounts.get_opt("berth-proxy").await?.is_some(), "a refused set changes nothing");

    let namespaces: Api<Namespace> = Api::all(client.clone());
    let labels = namespaces.get(&namespace).await?.metadata.labels.unwrap_or_default();
    assert_eq!(labels.get("pod-security.kubernetes.io/enforce").map(String::as_str), Some("restricted"));

    // The heir of an agent that is gone: the place becomes its own, and what nobody wants any more goes from it.
    let map = json!({ "metadata": { "name": "left", "labels": { PROXY_OF: mine.agent.to_string() } } });
    maps.create(&PostParams::default(), &serde_json::from_value(map)?).await?;
    let allowances = Allowances { adopts: vec![mine.agent], ..Allowances::default() };
    let heir = Identity { allowances, ..identity(&namespace) };
    let taken = installed(&client, &heir, wanted(&heir)).await;
    assert_eq!((errors(&taken), taken.len()), (vec![], 3));
    let whose = Some(heir.agent.to_string());
    let of =
        |labels: Option<BTreeMap<String, String>>| labels.and_then(|labels| labels.get(PROXY_OF).cloned());
    assert_eq!(of(namespaces.get(&namespace).await?.metadata.labels), whose);
    assert_eq!(of(accounts.get("berth-proxy").await?.metadata.labels), whose);
    assert_eq!(of(policies.get("closed").await?.metadata.labels), whose);
    assert!(maps.get_opt("left").await?.is_none());
    namespaces.delete(&namespace, &DeleteParams::default()).await?;
    Ok(())
}

#[tokio::test]
async fn what_the_cluster_has_is_read_from_the_api_server() -> anyhow::Result<()> {
    let client = shared_cluster().await?.client().await?;
    let has = gather(&hands(&client, &identity("berth-proxy")), vec![], vec![]).await;
    assert!(has.unreadable.is_empty(), "{has:?}");
    assert!(has.kubernetes_version.as_deref().is_some_and(|version| version.starts_with("v1.")), "{has:?}");
    assert!(has.user_namespaces.is_some() && has.nodes.is_some(), "{has:?}");
    Ok(())
}

#[tokio::test]
async fn an_agent_keeps_by_what_its_proxy_proves_itself() -> anyhow::Result<()> {
    berth_harness::install_crypto();
    let client = shared_cluster().await?.client().await?;
    let (postgres, dir) = (Postgres::start(None).await?, tempfile::tempdir()?);
    let server = Server::start(ServerOptions::new(&postgres.create_database().await?, dir.path())).await?;
    let admin = Actor::new(server.url(), server.first_token()?).await?;
    let created = admin.create_agent("cluster").await?;
    let token: AgentToken = created.token.context("no token")?.parse()?;
    let namespace = format!("berth-proxy-{}", &created.agent.id.to_string()[..8]);
    let mine = Identity { proxy_namespace: namespace.clone(), ..Identity::of(created.agent.id) };
    let url = server.url().parse::<ServerUrl>().map_err(anyhow::Error::msg)?.for_token(false)?;
    let asked = berth_agent::server::Server::new(&url, TokenSource::fixed(token), None)?;
    let cluster = hands(&client, &mine);

    // Before the namespace is there, and where it is somebody else's, nothing is asked for.
    let early = keep(&cluster, &asked).await;
    ensure!(matches!(early, Err(NotKept::Cluster(Failure::NoNamespace { .. }))), "{early:?}");
    assert_eq!(errors(&installed(&client, &mine, wanted(&mine)).await), Vec::<String>::new());
    let other = identity(&namespace);
    let foreign = keep(&hands(&client, &other), &asked).await;
    ensure!(matches!(foreign, Err(NotKept::Cluster(Failure::Foreign { .. }))), "{foreign:?}");

    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let value = async |name: &str, key: &str| {
        let data = secrets.get(name).await?.data.context("no data")?;
        anyhow::Ok(String::from_utf8(data.get(key).context("no value")?.0.clone())?)
    };
    keep(&cluster, &asked).await?;
    let (key, first) = (value(SEAL_KEY, "key").await?, value(TOKEN, "token").await?);
    keep(&cluster, &asked).await?;
    assert_eq!(value(SEAL_KEY, "key").await?, key, "everybody would have to sign in anew");
    let second = value(TOKEN, "token").await?;
    assert_ne!(first, second);
    // Both are good: a proxy may have read the first one a moment ago.
    let http = reqwest::Client::builder().tls_certs_only([]).build()?;
    for token in [&first, &second] {
        let path = format!("/api/v1/proxy/decision?workspace={}&name=a&port=1", WorkspaceId::random());
        let request = http.get(format!("{}{path}", server.url())).bearer_auth(token);
        let answer = request.header("berth-grant", "a.b.c").send().await?;
        ensure!(answer.status() == 200, "{}", answer.text().await?);
    }
    // What is installed anew leaves them.
    assert_eq!(errors(&installed(&client, &mine, wanted(&mine)).await), Vec::<String>::new());
    assert_eq!(value(TOKEN, "token").await?, second);
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.delete(&namespace, &DeleteParams::default()).await?;
    Ok(())
}
