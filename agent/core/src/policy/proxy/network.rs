//! The proxy's policies: one closes the namespace, the other opens what the proxy needs.

use berth_schema::kubernetes::AGENT_ID;
use berth_schema::kubernetes::proxy::{LISTEN_PORT, SSH_LISTEN_PORT};
use serde::Deserialize;
use serde_json::Value;

use super::super::Identity;
use super::super::deployment::Selector;
use super::super::metadata::{Metadata, read};
use super::super::network::{IpBlock, Port, is_dns};
use super::super::refusal::{Checked, Wrong, must};
use super::is_selector;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Closed {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: ClosedSpec,
}

/// For every pod, both ways; nothing is opened.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClosedSpec {
    #[serde(rename = "podSelector")]
    _pod_selector: Everything,
    policy_types: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Everything {}

pub(super) fn closed(object: &Value) -> Checked {
    let policy: Closed = read(object)?;
    policy.metadata.check(false)?;
    both_ways(&policy.spec.policy_types)
}

fn both_ways(types: &[String]) -> Checked {
    let both = ["Ingress", "Egress"].iter().all(|way| types.iter().any(|given| given == way));
    must(both, "spec.policyTypes", "must be both Ingress and Egress: what is left out is open")
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Opened {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: OpenedSpec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OpenedSpec {
    pod_selector: Selector,
    policy_types: Vec<String>,
    #[serde(default)]
    ingress: Vec<Ingress>,
    #[serde(default)]
    egress: Vec<Egress>,
}

/// From everybody.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ingress {
    ports: Vec<Port>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Egress {
    to: Vec<Peer>,
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Peer {
    namespace_selector: Option<Namespaces>,
    pod_selector: Option<Selector>,
    ip_block: Option<IpBlock>,
}

/// Of a name, or all of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Namespaces {
    Named(Selector),
    All(Everything),
}

pub(super) fn opened(identity: &Identity, object: &Value) -> Checked {
    let policy: Opened = read(object)?;
    policy.metadata.check(false)?;
    let OpenedSpec { pod_selector, policy_types, ingress, egress } = policy.spec;
    is_selector(&pod_selector).map_err(|wrong| wrong.within("spec.podSelector"))?;
    both_ways(&policy_types)?;
    for (at, rule) in ingress.iter().enumerate() {
        let own = |port: &Port| {
            [LISTEN_PORT, SSH_LISTEN_PORT].contains(&port.port)
                && port.end_port.is_none_or(|end| end == port.port)
        };
        let checked = must(
            !rule.ports.is_empty() && rule.ports.iter().all(own),
            "ports",
            "must be the ports where browsers and ssh are answered",
        );
        checked.map_err(|wrong| wrong.within(&format!("spec.ingress[{at}]")))?;
    }
    for (at, rule) in egress.iter().enumerate() {
        rule.check(identity).map_err(|wrong| wrong.within(&format!("spec.egress[{at}]")))?;
    }
    Ok(())
}

impl Egress {
    fn check(&self, identity: &Identity) -> Checked {
        must(!self.to.is_empty(), "to", "must not be empty: that is everywhere")?;
        self.to.iter().enumerate().try_for_each(|(at, peer)| {
            self.check_peer(identity, peer).map_err(|wrong| wrong.within(&format!("to[{at}]")))
        })
    }

    fn check_peer(&self, identity: &Identity, peer: &Peer) -> Checked {
        match (&peer.ip_block, &peer.namespace_selector, &peer.pod_selector) {
            (Some(block), None, None) => {
                block.check(&identity.allowances.egress).map_err(|wrong| wrong.within("ipBlock"))
            }
            (None, Some(Namespaces::Named(namespace)), None) => must(
                is_dns(namespace, &self.ports),
                "namespaceSelector",
                "may only be the cluster's DNS: kube-system, at port 53",
            ),
            (None, Some(Namespaces::All(_)), Some(pods)) => must(
                pods.match_labels == [(AGENT_ID.to_owned(), identity.agent.to_string())].into(),
                "podSelector",
                "must select the pods of this agent's workspaces, and no others",
            ),
            _ => Err(Wrong::new(
                "ipBlock",
                "or the cluster's DNS, or this agent's workspaces, must be there alone",
            )),
        }
    }
}
