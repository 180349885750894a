//! The NetworkPolicy of a workspace: it may close what it likes, and opens only what is written here.
//!
//! In: from the proxy's namespace, which asks the server about each port. Out: to the cluster's DNS, and to ranges of addresses that leave out the
//! platform's own, which hand out a node's identity to whoever asks.

use std::collections::BTreeMap;

use berth_schema::configuration::platform;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use super::Scope;
use super::deployment::Selector;
use super::metadata::{Metadata, read};
use super::refusal::{Checked, Wrong, must};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NetworkPolicy {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    pod_selector: Selector,
    policy_types: Vec<String>,
    #[serde(default)]
    ingress: Vec<Ingress>,
    #[serde(default)]
    egress: Vec<Egress>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ingress {
    from: Vec<InPeer>,
    ports: Vec<Port>,
}

/// Pods of a namespace; all of them, or some.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InPeer {
    namespace_selector: Selector,
    #[serde(rename = "podSelector")]
    _pod_selector: Option<Selector>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Egress {
    to: Vec<OutPeer>,
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OutPeer {
    namespace_selector: Option<Selector>,
    ip_block: Option<IpBlock>,
    #[serde(rename = "podSelector")]
    _pod_selector: Option<Selector>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IpBlock {
    cidr: IpNet,
    #[serde(default)]
    except: Vec<IpNet>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are Kubernetes' own")]
pub(super) struct Port {
    pub(super) port: u16,
    pub(super) end_port: Option<u16>,
    #[serde(rename = "protocol")]
    _protocol: Option<String>,
}

/// Where the cluster's DNS answers, and at which port.
const DNS: (&str, u16) = ("kube-system", 53);
/// The label by which a namespace is found; only the API server sets it.
const NAMED: &str = "kubernetes.io/metadata.name";

pub(super) fn check(scope: &Scope<'_>, object: &Value) -> Checked {
    let policy: NetworkPolicy = read(object)?;
    policy.metadata.check(false)?;
    let Spec { pod_selector, policy_types, ingress, egress } = policy.spec;
    scope.is_selector(&pod_selector).map_err(|wrong| wrong.within("spec.podSelector"))?;
    let both = ["Ingress", "Egress"].iter().all(|kind| policy_types.iter().any(|given| given == kind));
    must(both, "spec.policyTypes", "must be both Ingress and Egress: what is left out is open")?;
    for (at, rule) in ingress.iter().enumerate() {
        rule.check(scope).map_err(|wrong| wrong.within(&format!("spec.ingress[{at}]")))?;
    }
    for (at, rule) in egress.iter().enumerate() {
        rule.check(scope).map_err(|wrong| wrong.within(&format!("spec.egress[{at}]")))?;
    }
    Ok(())
}

impl Ingress {
    fn check(&self, scope: &Scope<'_>) -> Checked {
        must(!self.from.is_empty(), "from", "must not be empty: that is everybody")?;
        must(!self.ports.is_empty(), "ports", "must not be empty: that is every port")?;
        let proxy = scope.identity.proxy_namespace.as_str();
        let others = self.from.iter().any(|peer| !is_namespace(&peer.namespace_selector, proxy));
        must(!others, "from", &format!("must be the proxy's namespace {proxy}, which the agent was given"))
    }
}

impl Egress {
    fn check(&self, scope: &Scope<'_>) -> Checked {
        must(!self.to.is_empty(), "to", "must not be empty: that is everywhere")?;
        self.to.iter().enumerate().try_for_each(|(at, peer)| {
            self.check_peer(scope, peer).map_err(|wrong| wrong.within(&format!("to[{at}]")))
        })
    }

    fn check_peer(&self, scope: &Scope<'_>, peer: &OutPeer) -> Checked {
        match (&peer.ip_block, &peer.namespace_selector) {
            (Some(block), None) => {
                block.check(&scope.identity.allowances.egress).map_err(|wrong| wrong.within("ipBlock"))
            }
            (None, Some(namespace)) => must(
                is_dns(namespace, &self.ports),
                "namespaceSelector",
                "may only be the cluster's DNS: kube-system, at port 53",
            ),
            _ => Err(Wrong::new("ipBlock", "or namespaceSelector must be there, one of them alone")),
        }
    }
}

impl IpBlock {
    /// Nothing of the platform's own is within reach, but for what the cluster's administrator has lifted.
    pub(super) fn check(&self, lifted: &[IpNet]) -> Checked {
        if let IpNet::V6(range) = self.cidr {
            must(range.addr().to_ipv4_mapped().is_none(), "cidr", "is IPv4 inside IPv6")?;
        }
        if lifted.iter().any(|range| range.contains(&self.cidr)) {
            return Ok(());
        }
        for closed in platform() {
            let touches = self.cidr.contains(&closed) || closed.contains(&self.cidr);
            let left_out = self.except.iter().any(|range| range.contains(&closed));
            let why = format!(
                "opens {closed}, where clouds and nodes keep what is theirs; the agent's option --allow-egress would let it"
            );
            must(!touches || left_out, "cidr", &why)?;
        }
        Ok(())
    }
}

/// Whether it is the cluster's DNS, and no other port there.
pub(super) fn is_dns(namespace: &Selector, ports: &[Port]) -> bool {
    let (name, port) = DNS;
    let dns = |given: &Port| given.port == port && given.end_port.is_none_or(|end| end == port);
    is_namespace(namespace, name) && !ports.is_empty() && ports.iter().all(dns)
}

fn is_namespace(selector: &Selector, name: &str) -> bool {
    selector.match_labels == BTreeMap::from([(NAMED.to_owned(), name.to_owned())])
}
