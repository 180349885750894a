//! What runs: the pods, whom they may talk to, and the address that they have.

use berth_schema::configuration::ServiceType;
use berth_schema::kubernetes::AGENT_ID;
use berth_schema::kubernetes::proxy::{
    CONTAINER, FILES, HEALTH_PORT, LISTEN_PORT, NAME, SERVICE_PORT, SSH_LISTEN, SSH_LISTEN_PORT,
    SSH_SERVICE_PORT, mounts, volumes,
};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::{Value, json};

use super::super::{PROGRESS_DEADLINE_SECONDS, network, value};
use super::Place;
use crate::proxy_config::ProxyConfig;

/// Nobody's, and the image has no user database.
const USER: i64 = 65_532;
/// Longer than the program takes to end what is open.
const GRACE_PERIOD_SECONDS: i64 = 40;

pub(super) fn objects(place: &Place<'_>, runs: &ProxyConfig) -> [Value; 4] {
    [
        value(&network_policy(place, runs)),
        service(place, runs),
        disruption_budget(place),
        deployment(place, runs),
    ]
}

fn metadata(place: &Place<'_>) -> Value {
    let mut labels = place.labels();
    labels.extend(Place::selector());
    json!({ "name": NAME, "namespace": place.config.proxy_namespace, "labels": labels })
}

/// In from everybody, to where browsers are answered; the kubelet's probes are let in by Kubernetes itself. Out to the agent's
/// workspaces, DNS, and where the configuration says.
fn network_policy(place: &Place<'_>, runs: &ProxyConfig) -> NetworkPolicy {
    let ssh = runs.ssh_port.map(|_| SSH_LISTEN_PORT);
    let listens = std::iter::once(LISTEN_PORT).chain(ssh).map(|port| network::policy_port("TCP", port));
    let selector = |labels| LabelSelector { match_labels: Some(labels), ..LabelSelector::default() };
    let workspaces = NetworkPolicyEgressRule {
        to: Some(vec![NetworkPolicyPeer {
            // Those of a shared namespace, which carries no label of the agent, are among them.
            namespace_selector: Some(LabelSelector::default()),
            pod_selector: Some(selector([(AGENT_ID.to_owned(), place.agent.to_string())].into())),
            ip_block: None,
        }]),
        ports: None,
    };
    NetworkPolicy {
        metadata: place.metadata(NAME),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(Place::selector())),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule { from: None, ports: Some(listens.collect()) }]),
            egress: Some(
                [network::to_dns(), workspaces]
                    .into_iter()
                    .chain(runs.egress.iter().map(network::to_range))
                    .collect(),
            ),
        }),
    }
}

fn service(place: &Place<'_>, runs: &ProxyConfig) -> Value {
    let mut spec = json!({
        "type": runs.service_type.as_str(),
        "selector": Place::selector(),
        "ports": [{ "name": "https", "port": SERVICE_PORT, "targetPort": LISTEN_PORT, "protocol": "TCP" }],
    });
    if runs.ssh_port.is_some()
        && let Some(ports) = spec["ports"].as_array_mut()
    {
        ports.push(json!({
            "name": "ssh", "port": SSH_SERVICE_PORT, "targetPort": SSH_LISTEN_PORT, "protocol": "TCP",
        }));
    }
    if runs.service_type == ServiceType::LoadBalancer {
        // Workspaces are told the browser's address, and so is the log.
        spec["externalTrafficPolicy"] = json!("Local");
    }
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata(place), "spec": spec })
}

/// A node that is drained takes one after the other, and is never held up.
fn disruption_budget(place: &Place<'_>) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(place),
        "spec": { "maxUnavailable": 1, "selector": { "matchLabels": Place::selector() } },
    })
}

fn deployment(place: &Place<'_>, runs: &ProxyConfig) -> Value {
    let mut labels = place.labels();
    labels.extend(Place::selector());
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(place),
        "spec": {
            "replicas": runs.replicas,
            // Before one ends, another one answers.
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
            "progressDeadlineSeconds": PROGRESS_DEADLINE_SECONDS,
            "revisionHistoryLimit": 3,
            "selector": { "matchLabels": Place::selector() },
            "template": { "metadata": { "labels": labels }, "spec": pod(place, runs) },
        },
    })
}

fn pod(place: &Place<'_>, runs: &ProxyConfig) -> Value {
    json!({
        "serviceAccountName": NAME,
        // It watches the Services and EndpointSlices of workspaces.
        "automountServiceAccountToken": true,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": GRACE_PERIOD_SECONDS,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "topologySpreadConstraints": [{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": Place::selector() },
        }],
        "containers": [container(place, runs)],
        "volumes": volumes(&runs.certificate_secret),
    })
}

fn container(place: &Place<'_>, runs: &ProxyConfig) -> Value {
    let probe = |path: &str, period: u32, timeout: u32| {
        json!({
            "httpGet": { "path": path, "port": HEALTH_PORT },
            "periodSeconds": period, "timeoutSeconds": timeout,
        })
    };
    let ssh = json!({ "name": "ssh", "containerPort": SSH_LISTEN_PORT, "protocol": "TCP" });
    let ports = [
        json!({ "name": "https", "containerPort": LISTEN_PORT, "protocol": "TCP" }),
        json!({ "name": "health", "containerPort": HEALTH_PORT, "protocol": "TCP" }),
    ];
    let ports: Vec<_> = ports.into_iter().chain(runs.ssh_port.map(|_| ssh)).collect();
    json!({
        "name": CONTAINER,
        "image": runs.image,
        "imagePullPolicy": place.config.image_pull_policy.as_str(),
        "env": environment(place, runs),
        "ports": ports,
        "livenessProbe": probe("/healthz", 10, 5),
        "readinessProbe": probe("/readyz", 2, 2),
        // No limit of CPU: a handshake that is throttled is one that everybody waits for.
        "resources": { "requests": { "cpu": "50m", "memory": "64Mi" }, "limits": { "memory": "1Gi" } },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "privileged": false,
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "capabilities": { "drop": ["ALL"] },
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "volumeMounts": mounts(),
    })
}

/// Where the server answers the agent says, who asks it too.
fn environment(place: &Place<'_>, runs: &ProxyConfig) -> Vec<Value> {
    let files = FILES.map(|(name, file)| (name, file.to_owned()));
    let own =
        [("BERTH_ZONES", place.config.dns_zone.clone()), ("BERTH_PUBLIC_PORT", runs.public_port.to_string())];
    let public_url = runs.public_url.clone().map(|url| ("BERTH_PUBLIC_URL", url));
    let ssh = runs.ssh_port.map(|_| (SSH_LISTEN.0, SSH_LISTEN.1.to_owned()));
    let all = own.into_iter().chain(public_url).chain(files).chain(ssh);
    // `$` is doubled: Kubernetes would take $(X) for another variable.
    all.map(|(name, text)| json!({ "name": name, "value": text.replace('$', "$$") })).collect()
}
