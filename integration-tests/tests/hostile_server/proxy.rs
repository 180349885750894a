//! The proxy's namespace, where more than workspaces may be: what an honest server renders is installed, and nothing else is.

use anyhow::Context as _;
use berth_agent::cluster::Cluster;
use berth_agent::prerequisites::install;
use berth_agent_core::{Allowances, Identity};
use berth_planner::objects::proxy;
use berth_planner::{AgentConfig, ProxyConfig};
use berth_schema::kubernetes::PROXY_OF;
use berth_schema::{AgentConfiguration, AgentId};
use serde_json::{Value, json};

use super::drawn::{Dice, put};
use super::{Attack, PATIENCE, outside};

pub(crate) const IMAGE: &str = "registry.example/berth/proxy:1";
/// How many sets are drawn.
const DRAWN: usize = 100;

/// What is rendered under a configuration.
pub(crate) fn rendered(agent: AgentId, namespace: &str, section: &Value) -> Vec<Value> {
    let built_in = AgentConfiguration::built_in();
    let document =
        json!({ "proxy_namespace": namespace, "image_pull_secrets": ["registry"], "proxy": section });
    let written = AgentConfiguration::read(&document, &built_in).expect("it is right");
    let runs = ProxyConfig::new(&written, &built_in, Some("https://berth.example.com"));
    proxy(agent, &AgentConfig::new(&written, &built_in), runs.as_ref())
}

fn identity(agent: AgentId, home: &str, namespace: &str) -> Identity {
    let allowances =
        Allowances { proxy_images: vec!["registry.example/berth/proxy".to_owned()], ..Allowances::default() };
    Identity {
        namespace: home.to_owned(),
        proxy_namespace: namespace.to_owned(),
        allowances,
        ..Identity::of(agent)
    }
}

#[test]
fn what_an_honest_server_renders_is_allowed_under_every_configuration() {
    let mut identity = identity(AgentId::random(), "berth-agent", "berth-proxy");
    for (section, balanced) in [
        (json!({}), false),
        (json!({ "image": IMAGE }), false),
        (
            json!({ "image": IMAGE, "replicas": 20, "certificate_secret": "wildcard", "public_port": 8443, "ssh_port": 22 }),
            false,
        ),
        (json!({ "image": IMAGE, "egress": [] }), false),
        (
            json!({ "image": IMAGE, "egress": [
                { "allow": "0.0.0.0/0", "except": ["8.8.8.0/24"] }, { "allow": "100.64.0.0/10" },
                { "allow": "10.0.0.1/32", "ports": [{ "port": 6443 }, { "port": 8000, "end_port": 8010 }] },
                { "allow": "fd00:1::/32" },
            ] }),
            false,
        ),
        (json!({ "image": IMAGE, "service_type": "LoadBalancer" }), true),
    ] {
        identity.allowances.load_balancer = true;
        let objects = rendered(identity.agent, "berth-proxy", &section);
        assert_eq!(identity.check_proxy(objects.clone()).map(drop), Ok(()), "{section}");
        identity.allowances.load_balancer = false;
        assert_eq!(identity.check_proxy(objects).is_err(), balanced, "{section}");
    }
}

fn of_pods() -> Vec<(&'static str, Value)> {
    vec![
        ("/hostNetwork", json!(true)),
        ("/nodeName", json!("node")),
        ("/priorityClassName", json!("system-node-critical")),
        ("/serviceAccountName", json!("default")),
        ("/shareProcessNamespace", json!(true)),
        ("/tolerations", json!([{ "operator": "Exists" }])),
        ("/initContainers", json!([{ "name": "a", "image": IMAGE }])),
        ("/securityContext/runAsUser", json!(0)),
        ("/containers/0/image", json!("registry.example/evil:1")),
        ("/containers/0/command", json!(["/bin/sh"])),
        (
            "/containers/0/args",
            json!(["--token-file", "/var/run/secrets/kubernetes.io/serviceaccount/token"]),
        ),
        ("/containers/0/env", json!([{ "name": "BERTH_SERVER_URL", "value": "http://evil.example" }])),
        (
            "/containers/0/env",
            json!([{ "name": "BERTH_PROXY_TOKEN_FILE", "value": "/etc/berth/certificate/tls.key" }]),
        ),
        (
            "/containers/0/env",
            json!([{ "name": "A", "valueFrom": { "secretKeyRef": { "name": "precious", "key": "a" } } }]),
        ),
        ("/containers/0/envFrom", json!([{ "secretRef": { "name": "precious" } }])),
        ("/containers/0/volumeMounts", json!([{ "name": "token", "mountPath": "/" }])),
        ("/containers/0/securityContext/privileged", json!(true)),
        ("/containers/0/securityContext/capabilities", json!({ "add": ["NET_ADMIN"], "drop": ["ALL"] })),
        ("/containers/0/ports", json!([{ "containerPort": 22, "hostPort": 22 }])),
        (
            "/containers/0/lifecycle",
            json!({ "postStart": { "httpGet": { "host": "169.254.169.254", "port": 80 } } }),
        ),
        ("/volumes", json!([{ "name": "h", "hostPath": { "path": "/" } }])),
        ("/volumes", json!([{ "name": "s", "secret": { "secretName": "precious" } }])),
        ("/containers", json!([])),
    ]
}

fn of_kinds() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("Deployment", "/spec/replicas", json!(1_000)),
        ("Deployment", "/spec/selector", json!({ "matchLabels": {} })),
        ("Deployment", "/metadata/name", json!("other")),
        ("Deployment", "/metadata/namespace", json!("kube-system")),
        ("Deployment", "/metadata/ownerReferences", json!([])),
        ("Deployment", "/kind", json!("DaemonSet")),
        ("Namespace", "/metadata/labels/pod-security.kubernetes.io~1enforce", json!("privileged")),
        ("Namespace", "/metadata/name", json!("kube-system")),
        ("ServiceAccount", "/automountServiceAccountToken", json!(true)),
        ("ServiceAccount", "/secrets", json!([{ "name": "precious" }])),
        ("Service", "/spec/type", json!("NodePort")),
        ("Service", "/spec/type", json!("LoadBalancer")),
        ("Service", "/spec/externalIPs", json!(["10.96.0.1"])),
        ("Service", "/spec/selector", json!({ "k8s-app": "kube-dns" })),
        ("PodDisruptionBudget", "/spec/maxUnavailable", json!(0)),
        ("PodDisruptionBudget", "/spec/selector", json!({ "matchLabels": {} })),
        ("NetworkPolicy", "/spec/policyTypes", json!(["Ingress"])),
        ("NetworkPolicy", "/spec/ingress", json!([{}])),
        ("NetworkPolicy", "/spec/egress", json!([{}])),
        ("NetworkPolicy", "/spec/egress", json!([{ "to": [{ "namespaceSelector": {} }] }])),
        ("NetworkPolicy", "/spec/egress", json!([{ "to": [{ "ipBlock": { "cidr": "0.0.0.0/0" } }] }])),
    ]
}

fn draw(dice: &mut Dice, mut objects: Vec<Value>, agent: AgentId) -> Vec<Value> {
    for _ in 0..=dice.0.usize(..3) {
        match dice.0.usize(..10) {
            0 => {
                let (api_version, kind) = *dice.pick(&[
                    ("v1", "Pod"),
                    ("v1", "Secret"),
                    ("v1", "ConfigMap"),
                    ("batch/v1", "Job"),
                    ("rbac.authorization.k8s.io/v1", "Role"),
                    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
                ]);
                let place = objects[1]["metadata"]["namespace"].clone();
                let metadata =
                    json!({ "name": "berth-proxy", "namespace": place, "labels": { PROXY_OF: agent } });
                objects.push(json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata }));
            }
            1..5 => {
                let (kind, pointer, value) = dice.pick(&of_kinds()).clone();
                if let Some(object) = objects.iter_mut().rfind(|object| object["kind"] == kind) {
                    put(object, pointer, value);
                }
            }
            _ => {
                let (pointer, value) = dice.pick(&of_pods()).clone();
                if let Some(object) = objects.iter_mut().rfind(|object| object["kind"] == "Deployment") {
                    put(object, &format!("/spec/template/spec{pointer}"), value);
                }
            }
        }
    }
    objects
}

#[tokio::test]
async fn a_hundred_drawn_proxies_write_nothing() -> anyhow::Result<()> {
    let attack = Attack::begin(|_, _| vec![]).await?;
    // The agent's own process has told that nothing is to be there, and writes there no more.
    attack.server.rounds(2, PATIENCE).await?;
    let identity = identity(attack.id, &attack.home, &attack.proxy);
    let hands = Cluster::new(attack.client.clone(), identity.clone());
    let honest = rendered(attack.id, &attack.proxy, &json!({ "image": IMAGE }));
    let (mut dice, seed) = Dice::of_the_environment();
    let before = attack.outside().await?;
    let mut drawn = 0;
    while drawn < DRAWN {
        let objects = draw(&mut dice, honest.clone(), attack.id);
        if objects == honest {
            continue;
        }
        drawn += 1;
        let told = install(&hands, &identity, objects.clone(), &[]).await.reports;
        let refused = told.len() == 1 && told[0].kind == *"*" && told[0].error.is_some();
        assert!(refused, "seed {seed}: {told:?} of {}", json!(objects));
    }
    attack.is_as(&before).await.with_context(|| format!("seed {seed}"))?;
    assert_eq!(outside::labelled(&attack.client, attack.id).await?, Vec::<String>::new(), "seed {seed}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_was_taken_over_runs_nothing_where_the_proxy_is() -> anyhow::Result<()> {
    let attack = Attack::begin(|agent, namespace| {
        let mut objects = rendered(agent, namespace, &json!({ "image": IMAGE }));
        let pod = &mut objects.last_mut().expect("a Deployment")["spec"]["template"]["spec"];
        pod["hostNetwork"] = json!(true);
        objects
    })
    .await?;
    let before = attack.outside().await?;
    attack.server.until_installed(PATIENCE).await?;
    let told = attack.server.installed();
    let named = told.iter().any(|report| report.error.as_ref().is_some_and(|e| e.contains("hostNetwork")));
    assert!(named, "{told:?}");
    attack.is_as(&before).await
}

#[tokio::test]
async fn without_an_image_that_the_administrator_named_none_runs() -> anyhow::Result<()> {
    let attack =
        Attack::begin(|agent, namespace| rendered(agent, namespace, &json!({ "image": IMAGE }))).await?;
    let before = attack.outside().await?;
    attack.server.until_installed(PATIENCE).await?;
    let told = attack.server.installed();
    let named = told.iter().any(|report| report.error.as_ref().is_some_and(|e| e.contains("--proxy-image")));
    assert!(named, "{told:?}");
    attack.is_as(&before).await
}
