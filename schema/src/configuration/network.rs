//! Whom workspaces may talk to.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{guardrails, words};

/// Closed to workspaces unless a rule's own `allow` lies within one of them, beside the addresses of clouds and nodes
/// ([`super::Guardrails`]): "this network", private ranges, carrier-grade NAT, loopback, link-local (cloud metadata), protocol
/// assignments, benchmarks, multicast and reserved IPv4; unique local, link-local and multicast IPv6, and what reaches all of
/// IPv4: NAT64, its local form, 6to4. IPv4-mapped addresses are IPv4 on the wire, and Kubernetes refuses them here.
pub const CLOSED: [&str; 17] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
];

/// The network policy of every workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NetworkRules {
    /// Absent: true. Without a policy whoever reaches the pod network reaches every port of the workspaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Absent: the public internet. An empty list: nothing but the cluster's DNS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<EgressRule>>,
}

/// One range of addresses that workspaces may reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EgressRule {
    #[schemars(with = "String")]
    pub allow: IpNet,
    /// Parts of it that stay closed, beside [`CLOSED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub except: Vec<IpNet>,
    /// Empty: every port of every protocol.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortRange>,
}

impl EgressRule {
    /// A range without exceptions of its own.
    pub fn to(allow: IpNet) -> Self {
        Self { allow, except: Vec::new(), ports: Vec::new() }
    }

    /// What stays closed: the rule's own exceptions, and each closed range, and each address of clouds and nodes, that lies within
    /// `allow` and is not all of it.
    /// An `allow` that is a closed range, or a part of one, opens it on purpose. Sorted, each range once, and none that
    /// lies within another.
    pub fn exceptions(&self) -> Vec<IpNet> {
        let closed =
            CLOSED.iter().filter_map(|range| range.parse::<IpNet>().ok()).chain(guardrails::platform());
        let closed = closed.filter(|range| self.allow.contains(range) && self.allow != *range);
        let mut all: Vec<IpNet> = self.except.iter().copied().chain(closed).collect();
        all.sort_unstable();
        all.dedup();
        let inner = |range: &IpNet| all.iter().any(|other| other != range && other.contains(range));
        all.iter().copied().filter(|range| !inner(range)).collect()
    }
}

/// A port, or several in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PortRange {
    pub port: u16,
    /// The last one of a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_port: Option<u16>,
    #[serde(default)]
    pub protocol: Protocol,
}

words!(
    #[derive(Default)]
    Protocol {
        #[default]
        Tcp = "TCP",
        Udp = "UDP",
        Sctp = "SCTP",
    }
);
