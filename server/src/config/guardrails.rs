//! What administrators of organisations may set of their agents although it concerns the whole installation.

use berth_schema::configuration::Guardrails;
use clap::Args;
use ipnet::IpNet;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Guardrails")]
pub struct GuardrailOptions {
    /// Let configurations open these ranges of the addresses of clouds and nodes, such as 169.254.20.10/32 of a node's own DNS.
    #[arg(long, env = "BERTH_ALLOW_PLATFORM_EGRESS", value_name = "RANGE", value_delimiter = ',')]
    pub allow_platform_egress: Vec<IpNet>,
    /// Let configurations switch the network policy off.
    #[arg(long, env = "BERTH_ALLOW_NO_NETWORK_POLICY")]
    pub allow_no_network_policy: bool,
    /// Let configurations tolerate every taint, and those of the nodes that run the cluster.
    #[arg(long, env = "BERTH_ALLOW_EVERY_TOLERATION")]
    pub allow_every_toleration: bool,
    /// Let the proxy of a configuration be in 'default' or a 'kube-…' namespace.
    #[arg(long, env = "BERTH_ALLOW_SYSTEM_NAMESPACES")]
    pub allow_system_namespaces: bool,
}

impl From<&GuardrailOptions> for Guardrails {
    fn from(options: &GuardrailOptions) -> Self {
        Self {
            egress: options.allow_platform_egress.clone(),
            no_network_policy: options.allow_no_network_policy,
            every_toleration: options.allow_every_toleration,
            system_namespaces: options.allow_system_namespaces,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        options: GuardrailOptions,
    }

    #[test]
    fn nothing_is_lifted_unless_it_is_named() {
        let none = Guardrails::from(&Only::parse_from(["test"]).options);
        assert_eq!(none, Guardrails::default());
        let one = Only::parse_from(["test", "--allow-platform-egress", "169.254.20.10/32"]).options;
        assert_eq!(Guardrails::from(&one).egress.len(), 1);
        assert!(Only::try_parse_from(["test", "--allow-platform-egress", "everything"]).is_err());
    }
}
