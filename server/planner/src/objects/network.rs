//! Who may talk to the workspace and whom it may talk to.

use berth_schema::configuration::{EgressRule, PortRange};
use berth_schema::kubernetes::{HOST_TEMPLATE, OWN_PORTS};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Context;
use super::deployment::staying;

/// The ports that the workspace serves, by name: the editor's, sshd's and the devfile's endpoints.
fn ports(context: &Context<'_>) -> Vec<(String, u16)> {
    let endpoints = staying(context).flat_map(|container| &container.endpoints);
    let own = OWN_PORTS.map(|(name, port)| (name.to_owned(), port)).into_iter();
    own.chain(endpoints.map(|endpoint| (endpoint.name.clone(), endpoint.port))).collect()
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

/// Everything that is not named is denied, both ways. None where the administrator wants none.
pub(super) fn network_policy(context: &Context<'_>) -> Option<NetworkPolicy> {
    let egress = context.config().egress.as_ref()?;
    Some(NetworkPolicy {
        metadata: context.metadata(context.name()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(context.selector()),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![from_proxy(context)]),
            egress: Some(std::iter::once(to_dns()).chain(egress.iter().map(to_range)).collect()),
        }),
    })
}

/// From the proxy's namespace, to any port: which are open the server decides with each connection (decision 0085). Those that are declared
/// are named besides, for engines that take of a range its first port alone.
fn from_proxy(context: &Context<'_>) -> NetworkPolicyIngressRule {
    let named = ports(context).into_iter().map(|(_, port)| policy_port("TCP", port));
    let any = NetworkPolicyPort { end_port: Some(i32::from(u16::MAX)), ..policy_port("TCP", 1) };
    NetworkPolicyIngressRule {
        from: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(named_namespace(&context.config().proxy_namespace)),
            ..NetworkPolicyPeer::default()
        }]),
        ports: Some(named.chain([any]).collect()),
    }
}

pub(super) fn to_dns() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(named_namespace("kube-system")),
            ..NetworkPolicyPeer::default()
        }]),
        ports: Some(vec![policy_port("UDP", 53), policy_port("TCP", 53)]),
    }
}

pub(super) fn to_range(rule: &EgressRule) -> NetworkPolicyEgressRule {
    let exceptions: Vec<String> = rule.exceptions().iter().map(ToString::to_string).collect();
    let ports: Vec<_> = rule.ports.iter().map(port_range).collect();
    NetworkPolicyEgressRule {
        to: Some(vec![NetworkPolicyPeer {
            ip_block: Some(IPBlock {
                cidr: rule.allow.to_string(),
                except: (!exceptions.is_empty()).then_some(exceptions),
            }),
            ..NetworkPolicyPeer::default()
        }]),
        // An empty list would be the same as none, and means every port.
        ports: (!ports.is_empty()).then_some(ports),
    }
}

fn port_range(range: &PortRange) -> NetworkPolicyPort {
    NetworkPolicyPort {
        end_port: range.end_port.map(i32::from),
        ..policy_port(range.protocol.as_str(), range.port)
    }
}

fn named_namespace(name: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some([("kubernetes.io/metadata.name".to_owned(), name.to_owned())].into()),
        ..LabelSelector::default()
    }
}

pub(super) fn policy_port(protocol: &str, port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(i32::from(port))),
        ..NetworkPolicyPort::default()
    }
}
