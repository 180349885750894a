//! How an agent's workspaces are rendered: the part of its configuration that Kubernetes objects are made from.

use std::collections::BTreeMap;

use berth_schema::configuration::{EgressRule, ImagePullPolicy, Toleration};
use berth_schema::prerequisites::StorageClass;
use berth_schema::quantity::{self, Unit};
use berth_schema::spec::{Resources, StorageSpec, WorkspaceSpec};
use berth_schema::{AgentConfiguration, FieldError};

use crate::volumes;

/// What holds, with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    /// Workspaces answer at `<port>-<workspace>.<dns_zone>`.
    pub dns_zone: String,
    /// The namespace whose pods may reach the workspaces' ports.
    pub proxy_namespace: String,
    /// Whom workspaces may reach beside the cluster's DNS; `None`: there is no network policy.
    pub egress: Option<Vec<EgressRule>>,
    /// Resources of a container whose devfile says nothing.
    pub default_resources: Resources,
    /// Of workspaces that were stored before their storage was settled at creation. Never the agent's own setting: what
    /// is in a cluster already cannot be changed to it.
    pub unsettled_storage: StorageSpec,
    /// The UID of workspaces that were stored before theirs was settled at creation.
    pub unsettled_user: i64,
    /// Run pods in a user namespace of their own (`hostUsers: false`).
    pub user_namespaces: bool,
    pub runtime_class: Option<String>,
    /// The image of the tools injector; `None`: no editor and no sshd.
    pub tools_image: Option<String>,
    pub allow_privilege_escalation: bool,
    pub image_pull_policy: ImagePullPolicy,
    pub image_pull_secrets: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub node_selector: BTreeMap<String, String>,
    pub tolerations: Vec<Toleration>,
}

impl AgentConfig {
    /// What a configuration means for rendering, over the server's own options.
    pub fn new(written: &AgentConfiguration, defaults: &AgentConfiguration) -> Self {
        let all = written.over(defaults).over(&AgentConfiguration::built_in());
        let unsettled_user = user(&all);
        let contained = all.runtime_class.is_some() || all.user_namespaces == Some(true);
        Self {
            dns_zone: all.dns_zone.unwrap_or_default(),
            proxy_namespace: all.proxy_namespace.map(String::from).unwrap_or_default(),
            egress: (all.network_policy.enabled != Some(false))
                .then(|| all.network_policy.egress.unwrap_or_else(the_internet)),
            default_resources: all.default_resources,
            unsettled_storage: storage(defaults),
            unsettled_user,
            user_namespaces: all.user_namespaces == Some(true),
            runtime_class: all.runtime_class,
            tools_image: all.tools_image,
            // Checked when it was set; the server's options may have changed since.
            allow_privilege_escalation: contained && all.allow_privilege_escalation == Some(true),
            image_pull_policy: all.image_pull_policy.unwrap_or(ImagePullPolicy::IfNotPresent),
            image_pull_secrets: all.image_pull_secrets,
            labels: all.labels,
            annotations: all.annotations,
            node_selector: all.node_selector,
            tolerations: all.tolerations,
        }
    }
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self::new(&AgentConfiguration::default(), &AgentConfiguration::built_in())
    }
}

/// Never used: the built-in configuration has a user. Not root in any case.
const NOBODY: i64 = 65_534;

/// What is reached when nobody says otherwise; each rule keeps the closed ranges out.
pub fn the_internet() -> Vec<EgressRule> {
    ["0.0.0.0/0", "::/0"].iter().filter_map(|all| Some(EgressRule::to(all.parse().ok()?))).collect()
}

/// Whether the same workspace may look different in the cluster under the two.
pub fn renders_differently(
    one: &AgentConfiguration,
    other: &AgentConfiguration,
    defaults: &AgentConfiguration,
) -> bool {
    let one = AgentConfig::new(one, defaults);
    // Settled at the latest when it changes: see `user`.
    let other = AgentConfig { unsettled_user: one.unsettled_user, ..AgentConfig::new(other, defaults) };
    one != other
}

/// The UID that holds under a configuration.
pub fn user(configuration: &AgentConfiguration) -> i64 {
    configuration.user.or(AgentConfiguration::built_in().user).unwrap_or(NOBODY)
}

/// Where data lives under a configuration that holds.
pub(crate) fn storage(configuration: &AgentConfiguration) -> StorageSpec {
    let all = configuration.over(&AgentConfiguration::built_in());
    StorageSpec { size: all.volume_size.unwrap_or_default(), class: all.storage_class, grown: None }
}

/// Settles what a later configuration must not reach in a new workspace: where its data lives and how much of it there is, as
/// Kubernetes never lets a claim change its class or shrink; the UID to which the data belongs; and limits, so that a quota counts
/// what a container gets.
pub fn settle(spec: &mut WorkspaceSpec, written: &AgentConfiguration, defaults: &AgentConfiguration) {
    let configuration = written.over(defaults);
    let storage = storage(&configuration);
    fill_sizes(spec, &storage.size);
    spec.storage = Some(storage);
    spec.user = Some(user(&configuration));
    spec.settle_limits(&configuration.default_resources);
}

/// The same for what replaces a workspace that exists: its volumes and its UID stay as they are, new volumes are settled. Tells which
/// volumes would have to shrink, which Kubernetes refuses, or to grow where their class lets none (`classes`: those of the
/// cluster that it is in already), by the field `devfile`.
#[must_use]
pub fn keep(
    spec: &mut WorkspaceSpec,
    before: &WorkspaceSpec,
    written: &AgentConfiguration,
    defaults: &AgentConfiguration,
    classes: &[StorageClass],
) -> Vec<FieldError> {
    let bytes = |size: &str| quantity::parse(size, Unit::Whole);
    let kept = before.storage.clone().unwrap_or_else(|| storage(defaults));
    let fixed = volumes::fixed_class(kept.class.as_deref(), classes);
    let mut errors = Vec::new();
    for (name, volume) in spec.volumes.iter_mut().filter(|(_, volume)| !volume.ephemeral) {
        let Some(known) = before.volumes.get(name).filter(|known| !known.ephemeral) else { continue };
        let size = known.size.clone().unwrap_or_else(|| storage(defaults).size);
        match &volume.size {
            None => volume.size = Some(size),
            Some(new) if bytes(new) < bytes(&size) => {
                let message = format!(
                    "the volume '{name}' has {size} and cannot shrink to {new}; give it another name to begin anew"
                );
                errors.push(FieldError::new("devfile", message));
            }
            Some(new) => {
                if let Some(class) = fixed.filter(|_| bytes(new) > bytes(&size)) {
                    let message = format!(
                        "the volume '{name}' has {size}, and the storage class '{class}' lets none grow; give it another name to \
                         begin anew"
                    );
                    errors.push(FieldError::new("devfile", message));
                }
            }
        }
    }
    let configuration = written.over(defaults);
    fill_sizes(spec, &storage(&configuration).size);
    spec.settle_limits(&configuration.default_resources);
    spec.storage.clone_from(&before.storage);
    spec.user = before.user;
    errors
}

fn fill_sizes(spec: &mut WorkspaceSpec, size: &str) {
    for volume in spec.volumes.values_mut().filter(|volume| !volume.ephemeral) {
        volume.size.get_or_insert_with(|| size.to_owned());
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
