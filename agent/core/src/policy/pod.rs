//! A pod: what Pod Security `restricted` demands, whatever its namespace enforces, and nothing that reaches beyond it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Scope;
use super::container::{Container, Seccomp};
use super::deployment::Selector;
use super::refusal::{Checked, must};
use super::volume::Volume;

/// Every field that a workspace's pod may have. Not among them: anything of the host, a node's name, a priority, another
/// scheduler, DNS and hosts of its own, `shareProcessNamespace`, `imagePullSecrets` (the account names them).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Pod {
    service_account_name: String,
    automount_service_account_token: bool,
    #[serde(rename = "enableServiceLinks")]
    _enable_service_links: Option<bool>,
    host_users: Option<bool>,
    runtime_class_name: Option<String>,
    #[serde(rename = "terminationGracePeriodSeconds")]
    _termination_grace_period_seconds: Option<u32>,
    affinity: Option<Affinity>,
    #[serde(rename = "nodeSelector")]
    _node_selector: Option<BTreeMap<String, String>>,
    #[serde(default)]
    tolerations: Vec<Toleration>,
    #[serde(default)]
    scheduling_gates: Vec<Gate>,
    security_context: Security,
    #[serde(default)]
    init_containers: Vec<Container>,
    containers: Vec<Container>,
    #[serde(default)]
    volumes: Vec<Volume>,
}

/// Away from pods of the same workspace, and from nothing else.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Affinity {
    pod_anti_affinity: AntiAffinity,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AntiAffinity {
    required_during_scheduling_ignored_during_execution: Vec<Term>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Term {
    label_selector: Selector,
    #[serde(rename = "topologyKey")]
    _topology_key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Toleration {
    key: Option<String>,
    #[serde(rename = "operator")]
    _operator: Option<String>,
    #[serde(rename = "value")]
    _value: Option<String>,
    #[serde(rename = "effect")]
    _effect: Option<String>,
    #[serde(rename = "tolerationSeconds")]
    _toleration_seconds: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gate {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Security {
    run_as_non_root: bool,
    run_as_user: i64,
    #[serde(rename = "runAsGroup")]
    _run_as_group: Option<i64>,
    #[serde(rename = "fsGroup")]
    _fs_group: Option<i64>,
    #[serde(rename = "fsGroupChangePolicy")]
    _fs_group_change_policy: Option<String>,
    seccomp_profile: Seccomp,
}

/// Taints that keep workloads from the nodes that the cluster itself runs on.
const CLUSTERS_OWN_NODES: &str = "node-role.kubernetes.io/";
/// What begins the names of scheduling gates that are Berth's.
const BERTHS_GATES: &str = "berth.dev/";

impl Pod {
    pub(super) fn check(&self, scope: &Scope<'_>) -> Checked {
        must(
            self.service_account_name == scope.named,
            "serviceAccountName",
            "must be the workspace's own account",
        )?;
        must(
            !self.automount_service_account_token,
            "automountServiceAccountToken",
            "must be false: a workspace has no business with the API server",
        )?;
        if let Some(affinity) = &self.affinity {
            for term in &affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution {
                scope.is_selector(&term.label_selector).map_err(|wrong| wrong.within("affinity"))?;
            }
        }
        for toleration in &self.tolerations {
            let beyond = toleration.key.as_deref().is_none_or(|key| key.is_empty() || own_node(key));
            must(
                !beyond || scope.identity.allowances.control_plane,
                "tolerations",
                "tolerate every taint, or those of the cluster's own nodes: the agent's option --allow-control-plane would \
                 let them",
            )?;
        }
        let foreign = self.scheduling_gates.iter().any(|gate| !gate.name.starts_with(BERTHS_GATES));
        must(!foreign, "schedulingGates", "must begin with berth.dev/")?;
        self.security_context.check().map_err(|wrong| wrong.within("securityContext"))?;
        must(!self.containers.is_empty(), "containers", "must not be empty")?;
        // Contained otherwise: by a runtime of its own, or by a user namespace.
        let contained = self.runtime_class_name.is_some() || self.host_users == Some(false);
        for (list, containers) in
            [("initContainers", &self.init_containers), ("containers", &self.containers)]
        {
            for (at, container) in containers.iter().enumerate() {
                container.check(scope, contained).map_err(|wrong| wrong.within(&format!("{list}[{at}]")))?;
            }
        }
        for (at, volume) in self.volumes.iter().enumerate() {
            volume.check(scope).map_err(|wrong| wrong.within(&format!("volumes[{at}]")))?;
        }
        Ok(())
    }

    /// What the containers name, for the quota: those that stay, and those that run before, one after another.
    pub(super) fn containers(&self) -> (&[Container], &[Container]) {
        (&self.containers, &self.init_containers)
    }
}

fn own_node(key: &str) -> bool {
    key.starts_with(CLUSTERS_OWN_NODES)
}

impl Security {
    pub(super) fn check(&self) -> Checked {
        must(self.run_as_non_root, "runAsNonRoot", "must be true")?;
        must(self.run_as_user > 0, "runAsUser", "must not be root")?;
        self.seccomp_profile.check()
    }
}
