//! The proxy by which people get into an agent's workspaces: what the agent installs of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EgressRule, words};

/// The most copies of it.
pub(super) const MAX_REPLICAS: i64 = 20;

/// The section `proxy` of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProxyRules {
    /// Absent, with none in the server's own options: no proxy is installed, and one that was is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// The Secret in the proxy's namespace with `tls.crt` and `tls.key` of `*.<dns_zone>`, which an administrator or cert-manager
    /// puts there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_secret: Option<String>,
    /// Of the proxy's Service: `LoadBalancer` gives it an address outside of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_type: Option<ServiceType>,
    /// The port that browsers use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_port: Option<u16>,
    /// The port at which people find plain `ssh`; absent: it is not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_port: Option<u16>,
    /// Where the API server and Berth's server answer: what the proxy reaches beside workspaces and the cluster's DNS. Absent:
    /// [`everywhere`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<EgressRule>>,
}

impl ProxyRules {
    /// What holds where nothing was written is what `defaults` say.
    pub(super) fn over(&self, defaults: &Self) -> Self {
        Self {
            image: self.image.clone().or_else(|| defaults.image.clone()),
            replicas: self.replicas.or(defaults.replicas),
            certificate_secret: self
                .certificate_secret
                .clone()
                .or_else(|| defaults.certificate_secret.clone()),
            service_type: self.service_type.or(defaults.service_type),
            public_port: self.public_port.or(defaults.public_port),
            ssh_port: self.ssh_port.or(defaults.ssh_port),
            egress: self.egress.clone().or_else(|| defaults.egress.clone()),
        }
    }

    /// What holds where nobody says otherwise. What is reached is left open: [`everywhere`].
    pub(super) fn built_in() -> Self {
        Self {
            replicas: Some(2),
            certificate_secret: Some("berth-proxy-certificate".to_owned()),
            service_type: Some(ServiceType::ClusterIp),
            public_port: Some(443),
            ..Self::default()
        }
    }
}

words!(ServiceType {
    ClusterIp = "ClusterIP",
    LoadBalancer = "LoadBalancer",
});

/// Every address but those of clouds and nodes, private ones too: nobody but the administrator knows where an API server and
/// Berth's server answer.
pub fn everywhere() -> Vec<EgressRule> {
    const RANGES: [&str; 7] =
        ["0.0.0.0/0", "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "::/0", "fc00::/7"];
    RANGES.iter().filter_map(|range| Some(EgressRule::to(range.parse().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::platform;

    #[test]
    fn everywhere_leaves_out_what_is_the_clouds_and_the_nodes() {
        for rule in everywhere() {
            let kept = rule.exceptions();
            for platform in platform().filter(|platform| rule.allow.contains(platform)) {
                assert!(
                    kept.iter().any(|range| range.contains(&platform)),
                    "{} opens {platform}",
                    rule.allow
                );
            }
        }
    }
}
