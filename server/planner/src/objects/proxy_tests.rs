use berth_schema::AgentConfiguration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

fn agent() -> AgentId {
    AgentId::from(Uuid::from_u128(2))
}

fn configured(document: &Value) -> (AgentConfig, Option<ProxyConfig>) {
    let built_in = AgentConfiguration::built_in();
    let written = AgentConfiguration::read(document, &built_in).expect("it is right");
    let runs = ProxyConfig::new(&written, &built_in, Some("https://berth.example.com"));
    (AgentConfig::new(&written, &built_in), runs)
}

fn rendered(document: &Value) -> Vec<Value> {
    let (config, runs) = configured(document);
    let mut objects = proxy(agent(), &config, runs.as_ref());
    // Whether objects keep the order they were written in depends on what else is compiled.
    objects.iter_mut().for_each(Value::sort_all_objects);
    objects
}

fn kinds(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| object["kind"].as_str().expect("a kind")).collect()
}

fn everything() -> Value {
    json!({
        "dns_zone": "workspaces.example.com",
        "proxy_namespace": "berth-doors",
        "image_pull_secrets": ["registry"],
        "proxy": {
            "image": "registry.example/berth/proxy:1",
            "replicas": 3,
            "certificate_secret": "wildcard",
            "service_type": "LoadBalancer",
            "public_port": 8443,
            "ssh_port": 2200,
            "egress": [{"allow": "10.0.0.1/32", "ports": [{"port": 6443}]}],
        },
    })
}

#[test]
fn a_proxy_that_runs_matches_its_golden_file() {
    insta::assert_json_snapshot!(
        "proxy",
        rendered(&json!({"proxy": {"image": "registry.example/berth/proxy:1"}}))
    );
}

#[test]
fn a_proxy_under_a_full_configuration_matches_its_golden_file() {
    insta::assert_json_snapshot!("proxy_configured", rendered(&everything()));
}

#[test]
fn everything_is_in_the_namespace_and_carries_the_agents_label() {
    for document in [json!({"proxy_namespace": "berth-doors"}), everything()] {
        for object in rendered(&document) {
            assert_eq!(object["metadata"]["labels"][PROXY_OF], agent().to_string());
            let place = if object["kind"] == "Namespace" { "name" } else { "namespace" };
            assert_eq!(object["metadata"][place], "berth-doors");
        }
        assert_eq!(rendered(&document), rendered(&document));
    }
}

#[test]
fn without_an_image_the_place_is_closed_and_empty() {
    let objects = rendered(&json!({}));
    assert_eq!(kinds(&objects), ["Namespace", "ServiceAccount", "NetworkPolicy"]);
    assert_eq!(objects[2]["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert!(objects[2]["spec"].get("ingress").is_none() && objects[2]["spec"].get("egress").is_none());
}

#[test]
fn what_it_needs_is_there_before_it_runs() {
    let expected = [
        "Namespace",
        "ServiceAccount",
        "NetworkPolicy",
        "NetworkPolicy",
        "Service",
        "PodDisruptionBudget",
        "Deployment",
    ];
    assert_eq!(kinds(&rendered(&everything())), expected);
}

#[test]
fn the_proxys_settings_render_no_workspace_anew() {
    let built_in = AgentConfiguration::built_in();
    let read = |document: &Value| AgentConfiguration::read(document, &built_in).expect("it is right");
    let (without, with) = (json!({}), json!({"proxy": {"image": "registry.example/berth/proxy:1"}}));
    assert!(!crate::config::renders_differently(&read(&without), &read(&with), &built_in));
}
