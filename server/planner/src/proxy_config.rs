//! What of an agent's configuration is the proxy's alone: changing it renders no workspace anew.

use berth_schema::AgentConfiguration;
use berth_schema::configuration::{EgressRule, ServiceType, everywhere};

/// A proxy that is to run, with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyConfig {
    pub image: String,
    pub replicas: u32,
    /// With `tls.crt` and `tls.key` of `*.<dns_zone>`.
    pub certificate_secret: String,
    pub service_type: ServiceType,
    /// The port that browsers use.
    pub public_port: u16,
    /// The port at which people find plain `ssh`, if it is answered.
    pub ssh_port: Option<u16>,
    /// Where the API server and Berth's server answer.
    pub egress: Vec<EgressRule>,
    /// Where browsers find the server; `None`: where the agent does.
    pub public_url: Option<String>,
}

impl ProxyConfig {
    /// What a configuration means over the server's own options; `None` where no image is named.
    pub fn new(
        written: &AgentConfiguration,
        defaults: &AgentConfiguration,
        public_url: Option<&str>,
    ) -> Option<Self> {
        let all = written.over(defaults).over(&AgentConfiguration::built_in()).proxy;
        Some(Self {
            image: all.image?,
            replicas: all.replicas.unwrap_or(1),
            certificate_secret: all.certificate_secret.unwrap_or_default(),
            service_type: all.service_type.unwrap_or(ServiceType::ClusterIp),
            public_port: all.public_port.unwrap_or(443),
            ssh_port: all.ssh_port,
            egress: all.egress.unwrap_or_else(everywhere),
            public_url: public_url.map(str::to_owned),
        })
    }
}
