//! How workspaces are rendered when their agent has no configuration of its own.

use berth_schema::AgentConfiguration;
use berth_schema::configuration::Guardrails;
use clap::Args;
use serde_json::json;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Workspaces")]
pub struct AgentDefaults {
    /// Workspaces answer at <port>-<workspace>.<zone>.
    #[arg(long, env = "BERTH_DNS_ZONE", default_value = "workspaces.localhost")]
    pub dns_zone: String,
    /// Namespace whose pods may reach the workspaces' ports.
    #[arg(long, env = "BERTH_PROXY_NAMESPACE", default_value = "berth-proxy")]
    pub proxy_namespace: String,
    /// Image of the proxy that agents install for the workspaces' browsers; without one none is installed.
    #[arg(long, env = "BERTH_PROXY_IMAGE", value_name = "IMAGE")]
    pub proxy_image: Option<String>,
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
    /// When pods pull their images: IfNotPresent, or Always, which no agent's configuration changes then.
    #[arg(long, env = "BERTH_IMAGE_PULL_POLICY", value_name = "POLICY", default_value = "IfNotPresent")]
    pub image_pull_policy: String,
    /// Image of the tools injector, which brings the editor and sshd; without it a workspace has neither.
    #[arg(long, env = "BERTH_TOOLS_IMAGE", value_name = "IMAGE")]
    pub tools_image: Option<String>,
}

impl AgentDefaults {
    /// The options as a configuration, held to the same rules as an administrator's.
    ///
    /// # Errors
    /// Every option that is wrong, by the name of its field.
    pub fn configuration(&self) -> anyhow::Result<AgentConfiguration> {
        // An empty variable is how a deployment's template says nothing.
        let image = |given: &Option<String>| given.clone().filter(|image| !image.is_empty());
        let mut document = json!({
            "dns_zone": self.dns_zone,
            "proxy_namespace": self.proxy_namespace,
            "default_resources": {
                "cpu_request": self.cpu_request,
                "cpu_limit": self.cpu_limit,
                "memory_request": self.memory_request,
                "memory_limit": self.memory_limit,
            },
            "volume_size": self.volume_size,
            "storage_class": self.storage_class,
            "user": self.workspace_uid,
            "user_namespaces": self.user_namespaces,
            "runtime_class": self.runtime_class,
            "image_pull_policy": self.image_pull_policy,
            "tools_image": image(&self.tools_image),
            "proxy": AgentConfiguration::built_in().proxy,
        });
        if let Some(image) = image(&self.proxy_image) {
            document["proxy"]["image"] = json!(image);
        }
        // What is not set is left out, as in an administrator's document.
        if let Some(fields) = document.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let nothing = AgentConfiguration::default();
        AgentConfiguration::read_under(&document, &nothing, &Guardrails::lifted()).map_err(|errors| {
            let errors: Vec<_> =
                errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
            anyhow::anyhow!("the options for workspaces are not valid: {}", errors.join("; "))
        })
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
    fn what_nobody_sets_is_what_is_built_in() {
        let only = Only::parse_from(["test"]);
        assert_eq!(only.defaults.configuration().expect("it is right"), AgentConfiguration::built_in());
    }

    #[test]
    fn options_that_no_cluster_takes_are_all_named() {
        let only =
            Only::parse_from(["test", "--volume-size", "big", "--dns-zone", "A", "--cpu-request", "2"]);
        let error = only.defaults.configuration().expect_err("it is wrong").to_string();
        assert!(error.contains("dns_zone: ") && error.contains("volume_size: "), "{error}");
        let only = Only::parse_from(["test", "--cpu-request", "2"]);
        let error = only.defaults.configuration().expect_err("it is wrong").to_string();
        assert!(error.contains("default_resources.cpu_request: is more than the limit, 1"), "{error}");
    }
}
