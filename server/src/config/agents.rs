//! How workspaces are rendered when their agent has no configuration of its own.

use berth_planner::AgentConfig;
use berth_schema::spec::Resources;
use clap::Args;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Workspaces")]
pub struct AgentDefaults {
    /// Workspaces answer at <port>-<workspace>.<zone>.
    #[arg(long, env = "BERTH_DNS_ZONE", default_value = "workspaces.localhost")]
    pub dns_zone: String,
    /// Namespace whose pods may reach the workspaces' ports.
    #[arg(long, env = "BERTH_PROXY_NAMESPACE", default_value = "berth-proxy")]
    pub proxy_namespace: String,
    /// Size of a workspace's data volume, a Kubernetes quantity.
    #[arg(long, env = "BERTH_VOLUME_SIZE", default_value = "1Gi")]
    pub volume_size: String,
    /// Storage class of volumes; without it the cluster's default.
    #[arg(long, env = "BERTH_STORAGE_CLASS")]
    pub storage_class: Option<String>,
    /// CPU that a container asks for when its devfile says nothing.
    #[arg(long, env = "BERTH_CPU_REQUEST", default_value = "50m")]
    pub cpu_request: String,
    /// CPU that a container gets at most when its devfile says nothing.
    #[arg(long, env = "BERTH_CPU_LIMIT", default_value = "1")]
    pub cpu_limit: String,
    /// Memory that a container asks for when its devfile says nothing.
    #[arg(long, env = "BERTH_MEMORY_REQUEST", default_value = "64Mi")]
    pub memory_request: String,
    /// Memory that a container gets at most when its devfile says nothing.
    #[arg(long, env = "BERTH_MEMORY_LIMIT", default_value = "512Mi")]
    pub memory_limit: String,
    /// UID that containers run as; the group is always 0.
    #[arg(long, env = "BERTH_WORKSPACE_UID", default_value_t = 5_001, value_parser = clap::value_parser!(i64).range(1..))]
    pub workspace_uid: i64,
    /// Run pods in a user namespace of their own.
    #[arg(long, env = "BERTH_USER_NAMESPACES")]
    pub user_namespaces: bool,
    /// Runtime class of pods.
    #[arg(long, env = "BERTH_RUNTIME_CLASS")]
    pub runtime_class: Option<String>,
}

impl From<AgentDefaults> for AgentConfig {
    fn from(options: AgentDefaults) -> Self {
        Self {
            dns_zone: options.dns_zone,
            proxy_namespace: options.proxy_namespace,
            default_resources: Resources {
                cpu_request: Some(options.cpu_request),
                cpu_limit: Some(options.cpu_limit),
                memory_request: Some(options.memory_request),
                memory_limit: Some(options.memory_limit),
            },
            volume_size: options.volume_size,
            storage_class: options.storage_class,
            user: options.workspace_uid,
            user_namespaces: options.user_namespaces,
            runtime_class: options.runtime_class,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        defaults: AgentDefaults,
    }

    #[test]
    fn what_nobody_sets_is_the_planners_own_default() {
        let only = Only::parse_from(["test"]);
        assert_eq!(AgentConfig::from(only.defaults), AgentConfig::default());
    }
}
