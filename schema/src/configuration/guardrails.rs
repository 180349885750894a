//! What no administrator of an organisation may set, because it would concern the whole installation: its clouds' metadata
//! services, its nodes and its other tenants. The server's own options lift each of them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};

use super::reader::Errors;
use super::{AgentConfiguration, Toleration, TolerationOperator};

/// Addresses by which clouds and nodes speak to their own machines: metadata with the node's credentials, and platform services.
/// Beyond the ranges that every machine has: Azure, Oracle, Alibaba, and IPv6 of AWS, Google and Oracle.
const PLATFORM: [&str; 9] = [
    "127.0.0.0/8",
    "169.254.0.0/16",
    "168.63.129.16/32",
    "192.0.0.192/32",
    "100.100.100.200/32",
    "::1/128",
    "fe80::/10",
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
];

/// The prefix under which NAT64 reaches every IPv4 address.
const NAT64: &str = "64:ff9b::";
const NAT64_LENGTH: u8 = 96;

/// Taints with keys of this kind keep workspaces off the nodes that run the cluster itself.
const NODE_ROLES: &str = "node-role.kubernetes.io/";

/// The platform's addresses, each IPv4 range also as NAT64 reaches it. An agent refuses a policy that opens one of them.
pub fn platform() -> impl Iterator<Item = IpNet> {
    let ranges = PLATFORM.iter().filter_map(|range| range.parse::<IpNet>().ok());
    ranges.flat_map(|range| [Some(range), translated(range)]).flatten()
}

fn translated(range: IpNet) -> Option<IpNet> {
    let (IpNet::V4(v4), Ok(IpAddr::V6(prefix))) = (range, NAT64.parse()) else { return None };
    let address = u128::from(prefix) | u128::from(u32::from(v4.network()));
    Ipv6Net::new(address.into(), NAT64_LENGTH + v4.prefix_len()).ok().map(IpNet::from)
}

/// What the installation lifts; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guardrails {
    /// Ranges of the platform's addresses that may be opened.
    pub egress: Vec<IpNet>,
    /// `network_policy.enabled: false`.
    pub no_network_policy: bool,
    /// Tolerations of every taint, and of those that keep workspaces off the control plane.
    pub every_toleration: bool,
    /// `proxy_namespace` in the cluster's own namespaces.
    pub system_namespaces: bool,
}

impl Guardrails {
    /// Nothing is held up: for the installation's own options.
    pub fn lifted() -> Self {
        Self {
            egress: ["0.0.0.0/0", "::/0"].iter().filter_map(|all| all.parse().ok()).collect(),
            no_network_policy: true,
            every_toleration: true,
            system_namespaces: true,
        }
    }

    pub(super) fn check(&self, written: &AgentConfiguration, errors: &Errors) {
        if written.network_policy.enabled == Some(false) && !self.no_network_policy {
            errors.add("network_policy.enabled", held("switch the policy off", "--allow-no-network-policy"));
        }
        for (list, rules) in [
            ("network_policy.egress", &written.network_policy.egress),
            ("proxy.egress", &written.proxy.egress),
        ] {
            for (at, rule) in rules.iter().flatten().enumerate() {
                let lifted = self.egress.iter().any(|range| range.contains(&rule.allow));
                if let Some(platform) = platform().find(|platform| platform.contains(&rule.allow))
                    && !lifted
                {
                    let what = format!("open {platform}, where clouds and nodes keep what is theirs");
                    errors.add(&format!("{list}[{at}].allow"), held(&what, "--allow-platform-egress"));
                }
            }
        }
        for (at, toleration) in written.tolerations.iter().enumerate() {
            if !self.every_toleration
                && let Some(what) = reaches_too_far(toleration)
            {
                errors.add(&format!("tolerations[{at}]"), held(what, "--allow-every-toleration"));
            }
        }
        if let Some(namespace) = &written.proxy_namespace
            && (namespace.as_str().starts_with("kube-") || namespace.as_str() == "default")
            && !self.system_namespaces
        {
            let what = format!("let the pods of '{namespace}' reach the ports of every workspace");
            errors.add("proxy_namespace", held(&what, "--allow-system-namespaces"));
        }
    }
}

fn reaches_too_far(toleration: &Toleration) -> Option<&'static str> {
    match &toleration.key {
        None if toleration.operator == TolerationOperator::Exists => Some("tolerate every taint"),
        Some(key) if key.starts_with(NODE_ROLES) => {
            Some("tolerate what keeps workspaces off the nodes that run the cluster")
        }
        _ => None,
    }
}

fn held(what: &str, option: &str) -> String {
    format!("must not {what}: this installation allows it to no organization (server option {option})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn fields(document: &Value, guardrails: &Guardrails) -> Vec<String> {
        match AgentConfiguration::read_under(document, &AgentConfiguration::built_in(), guardrails) {
            Ok(_) => vec![],
            Err(errors) => errors.into_iter().map(|error| error.field).collect(),
        }
    }

    fn opening(range: &str) -> Value {
        json!({"network_policy": {"egress": [{"allow": range}]}})
    }

    #[test]
    fn what_concerns_the_whole_installation_is_refused_at_its_field() {
        for (document, field) in [
            (json!({"network_policy": {"enabled": false}}), "network_policy.enabled"),
            (
                json!({"proxy": {"egress": [{"allow": "10.0.0.0/8"}, {"allow": "169.254.169.254/32"}]}}),
                "proxy.egress[1].allow",
            ),
            (json!({"tolerations": [{"operator": "Exists"}]}), "tolerations[0]"),
            (json!({"tolerations": [{"operator": "Exists", "effect": "NoExecute"}]}), "tolerations[0]"),
            (
                json!({"tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]}),
                "tolerations[0]",
            ),
            (json!({"proxy_namespace": "kube-system"}), "proxy_namespace"),
            (json!({"proxy_namespace": "default"}), "proxy_namespace"),
        ] {
            assert_eq!(fields(&document, &Guardrails::default()), [field], "{document}");
            assert!(fields(&document, &Guardrails::lifted()).is_empty(), "{document}");
        }
    }

    #[test]
    fn no_spelling_of_a_platforms_address_is_opened() {
        for range in [
            "169.254.0.0/16",
            "169.254.169.254/32",
            "168.63.129.16/32",
            "192.0.0.192/32",
            "100.100.100.200/32",
            "127.0.0.1/32",
            "fd00:ec2::254/128",
            "fd20:ce::254/128",
            "fe80::a9fe:a9fe/128",
            "64:ff9b::a9fe:a9fe/128",
            "64:ff9b::169.254.169.254/128",
            "64:ff9b::a83f:8110/128",
        ] {
            let field = ["network_policy.egress[0].allow"];
            assert_eq!(fields(&opening(range), &Guardrails::default()), field, "{range}");
        }
        for range in ["10.20.0.0/16", "100.64.0.0/10", "168.63.129.17/32", "fd00::/8", "64:ff9b::/96"] {
            assert!(fields(&opening(range), &Guardrails::default()).is_empty(), "{range}");
        }
    }

    #[test]
    fn a_rule_around_a_platforms_address_does_not_open_it() {
        for around in [
            "100.64.0.0/10",
            "168.63.129.16/31",
            "192.0.0.0/24",
            "0.0.0.0/0",
            "fd00::/8",
            "64:ff9b::/96",
            "::/0",
        ] {
            let allow: IpNet = around.parse().expect("a range");
            let kept = super::super::EgressRule::to(allow).exceptions();
            for platform in platform().filter(|platform| allow.contains(platform)) {
                assert!(kept.iter().any(|range| range.contains(&platform)), "{around} opens {platform}");
            }
        }
    }

    #[test]
    fn an_installation_opens_what_it_names_and_no_more() {
        let named = Guardrails {
            egress: vec!["169.254.20.10/32".parse().expect("a range")],
            ..Guardrails::default()
        };
        assert!(fields(&opening("169.254.20.10/32"), &named).is_empty());
        assert!(!fields(&opening("169.254.0.0/16"), &named).is_empty());
    }
}
