//! What the proxy needs in a cluster before it can run there: its namespace, closed, and the account of its pods.

use std::collections::BTreeMap;

use berth_schema::AgentId;
use berth_schema::kubernetes::PROXY_OF;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde_json::Value;

use super::value;
use crate::config::AgentConfig;

/// The name of the proxy's own objects.
const NAME: &str = "berth-proxy";

/// In the order of application.
pub fn proxy(agent: AgentId, config: &AgentConfig) -> Vec<Value> {
    vec![
        value(&namespace(agent, config)),
        value(&service_account(agent, config)),
        value(&closed(agent, config)),
    ]
}

fn labels(agent: AgentId) -> BTreeMap<String, String> {
    BTreeMap::from([
        (PROXY_OF.to_owned(), agent.to_string()),
        ("app.kubernetes.io/managed-by".to_owned(), "berth".to_owned()),
        ("app.kubernetes.io/part-of".to_owned(), NAME.to_owned()),
    ])
}

fn metadata(agent: AgentId, config: &AgentConfig, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(config.proxy_namespace.clone()),
        labels: Some(labels(agent)),
        ..ObjectMeta::default()
    }
}

fn namespace(agent: AgentId, config: &AgentConfig) -> Namespace {
    let mut labels = labels(agent);
    for mode in ["enforce", "warn", "audit"] {
        labels.insert(format!("pod-security.kubernetes.io/{mode}"), "restricted".to_owned());
    }
    Namespace {
        metadata: ObjectMeta {
            name: Some(config.proxy_namespace.clone()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

/// An account without any right, and without a token in the pod.
fn service_account(agent: AgentId, config: &AgentConfig) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(agent, config, NAME),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// Nothing in, nothing out, for every pod of the namespace: what the proxy needs is opened for it by name.
fn closed(agent: AgentId, config: &AgentConfig) -> NetworkPolicy {
    NetworkPolicy {
        metadata: metadata(agent, config, "closed"),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ..NetworkPolicySpec::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_in_the_namespace_and_carries_the_agents_label() {
        let agent = AgentId::random();
        let config = AgentConfig { proxy_namespace: "berth-doors".to_owned(), ..AgentConfig::default() };
        let objects = proxy(agent, &config);
        let kinds: Vec<_> = objects.iter().map(|object| object["kind"].as_str().expect("a kind")).collect();
        assert_eq!(kinds, ["Namespace", "ServiceAccount", "NetworkPolicy"]);
        for object in &objects {
            assert_eq!(object["metadata"]["labels"][PROXY_OF], agent.to_string());
            let place = if object["kind"] == "Namespace" { "name" } else { "namespace" };
            assert_eq!(object["metadata"][place], "berth-doors");
        }
        assert_eq!(objects[2]["spec"]["policyTypes"], serde_json::json!(["Ingress", "Egress"]));
        assert!(objects[2]["spec"].get("ingress").is_none() && objects[2]["spec"].get("egress").is_none());
        assert_eq!(proxy(agent, &config), objects);
    }
}
