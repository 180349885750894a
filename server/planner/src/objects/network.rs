//! Who may talk to the workspace and whom it may talk to.

use berth_schema::kubernetes::{EDITOR_PORT, HOST_TEMPLATE, SSH_PORT};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Context;
use super::deployment::staying;

/// IPv4 that is not the public internet: private, carrier-grade NAT, loopback, link-local (cloud metadata), multicast,
/// reserved.
const CLOSED_V4: [&str; 8] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
/// IPv6 likewise: unique local, link-local, multicast, and NAT64, which reaches all of the above. IPv4-mapped addresses are
/// IPv4 on the wire, and Kubernetes refuses them here.
const CLOSED_V6: [&str; 4] = ["64:ff9b::/96", "fc00::/7", "fe80::/10", "ff00::/8"];

/// The ports that the workspace serves, by name: the editor's, sshd's and the devfile's endpoints.
fn ports(context: &Context<'_>) -> Vec<(String, u16)> {
    let endpoints = staying(context).flat_map(|container| &container.endpoints);
    [("editor".to_owned(), EDITOR_PORT), ("ssh".to_owned(), SSH_PORT)]
        .into_iter()
        .chain(endpoints.map(|endpoint| (endpoint.name.clone(), endpoint.port)))
        .collect()
}

pub(super) fn service(context: &Context<'_>) -> Service {
    let mut metadata = context.metadata(context.name());
    metadata.annotations.get_or_insert_default().insert(HOST_TEMPLATE.to_owned(), context.host_template());
    let ports = ports(context)
        .into_iter()
        .map(|(name, port)| ServicePort {
            name: Some(name),
            port: i32::from(port),
            target_port: Some(IntOrString::Int(i32::from(port))),
            protocol: Some("TCP".to_owned()),
            ..ServicePort::default()
        })
        .collect();
    Service {
        metadata,
        spec: Some(ServiceSpec {
            selector: Some(context.selector()),
            ports: Some(ports),
            type_: Some("ClusterIP".to_owned()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Everything that is not named is denied, both ways.
pub(super) fn network_policy(context: &Context<'_>) -> NetworkPolicy {
    NetworkPolicy {
        metadata: context.metadata(context.name()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(context.selector()),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![from_proxy(context)]),
            egress: Some(vec![to_dns(), to_internet()]),
        }),
    }
}

fn from_proxy(context: &Context<'_>) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(named_namespace(&context.config().proxy_namespace)),
            ..NetworkPolicyPeer::default()
        }]),
        ports: Some(ports(context).into_iter().map(|(_, port)| policy_port("TCP", port)).collect()),
    }
}

fn to_dns() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(named_namespace("kube-system")),
            ..NetworkPolicyPeer::default()
        }]),
        ports: Some(vec![policy_port("UDP", 53), policy_port("TCP", 53)]),
    }
}

fn to_internet() -> NetworkPolicyEgressRule {
    let block = |cidr: &str, closed: &[&str]| NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            except: Some(closed.iter().map(|range| (*range).to_owned()).collect()),
        }),
        ..NetworkPolicyPeer::default()
    };
    NetworkPolicyEgressRule {
        to: Some(vec![block("0.0.0.0/0", &CLOSED_V4), block("::/0", &CLOSED_V6)]),
        ..NetworkPolicyEgressRule::default()
    }
}

fn named_namespace(name: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some([("kubernetes.io/metadata.name".to_owned(), name.to_owned())].into()),
        ..LabelSelector::default()
    }
}

fn policy_port(protocol: &str, port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(i32::from(port))),
        ..NetworkPolicyPort::default()
    }
}
