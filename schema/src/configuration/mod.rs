//! An agent's configuration: how its workspaces are rendered, how many there may be, and how long they live.
//!
//! A document that an administrator writes. Everything in it may be left out: what is absent takes the value of the
//! server's own options. [`AgentConfiguration::read`] is the only way from what somebody sent to a configuration, and it
//! tells everything that is wrong at once. Its pages for people are `docs/configuration.md`.

mod check;
mod combination;
mod effective;
mod guardrails;
mod network;
mod proxy;
mod read;
mod reader;
mod unique;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::NamespaceName;
use crate::spec::Resources;

pub use check::{bytes as check_bytes, cpu as check_cpu};
pub use guardrails::{Guardrails, platform};
pub use network::{CLOSED, EgressRule, NetworkRules, PortRange, Protocol};
pub use proxy::{ProxyRules, ServiceType, everywhere};
pub use read::{MAX_BYTES, MAX_ITEMS};
pub use unique::UniqueKeys;

/// The document. Fields are what was written; [`AgentConfiguration::over`] fills in what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("examples" = [{
        "dns_zone": "workspaces.example.com",
        "quotas": { "user": { "running": 3 } },
        "lifecycle": { "idle_minutes_before_stop": 60 },
    }]))]
pub struct AgentConfiguration {
    /// Workspaces answer at `<port>-<workspace>.<dns_zone>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_zone: Option<String>,
    /// The namespace whose pods may reach the workspaces' ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_namespace: Option<NamespaceName>,
    /// The proxy that the agent installs there.
    #[serde(skip_serializing_if = "is_default")]
    pub proxy: ProxyRules,
    #[serde(skip_serializing_if = "is_default")]
    pub network_policy: NetworkRules,
    /// Resources of a container whose devfile says nothing.
    #[serde(skip_serializing_if = "Resources::is_empty")]
    pub default_resources: Resources,
    /// The most that one workspace's containers may get together.
    #[serde(skip_serializing_if = "is_default")]
    pub max_resources: Amounts,
    #[serde(skip_serializing_if = "is_default")]
    pub quotas: Quotas,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_class: Option<String>,
    /// The image of the tools injector, which brings the editor and sshd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools_image: Option<String>,
    /// Run pods in a user namespace of their own (`hostUsers: false`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_namespaces: Option<bool>,
    /// Let processes gain rights (`sudo`). Only with a runtime class or user namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_privilege_escalation: Option<bool>,
    /// When images are pulled. `Always` has the registry look at every pod's credentials, also for what its node has already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Names of Secrets with registry credentials in the workspaces' namespaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
    /// On every object and pod, beside Berth's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// On every object and pod, beside Berth's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// New workspaces share this namespace instead of each having its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_namespace: Option<NamespaceName>,
    #[serde(skip_serializing_if = "is_default")]
    pub lifecycle: Lifecycle,
    /// Of new workspaces' volumes; absent: the server's option, or the cluster's default class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// Of new workspaces' data volumes, a Kubernetes quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_size: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// The UID that containers run as; the group is always 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<i64>,
    /// Paths of groups: workspaces of their projects alone are taken, of what an owner allows the agent for. A version before took any
    /// text; what is no path is no group's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_groups: Vec<String>,
}

/// CPU and memory as Kubernetes quantities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Amounts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
}

/// What may be had at most: by all of the agent's workspaces, and by those of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Quotas {
    #[serde(skip_serializing_if = "is_default")]
    pub agent: Quota,
    #[serde(skip_serializing_if = "is_default")]
    pub user: Quota,
}

/// What is absent is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Quota {
    /// Workspaces that are not desired Terminated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspaces: Option<u32>,
    /// Of these, those that are desired Running (or on their way there, RestartRequested).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<u32>,
    /// CPU limits of the running ones in sum, a Kubernetes quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Memory limits of the running ones in sum, a Kubernetes quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
}

/// The limits as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Lifecycle {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_active_hours_before_stop: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_stopped_hours_before_termination: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_hours: Option<u32>,
    /// After so many minutes without anything happening in it a workspace is stopped; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_minutes_before_stop: Option<u32>,
}

/// When workspaces are stopped and removed by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleRules {
    pub max_active_hours_before_stop: u32,
    pub max_stopped_hours_before_termination: u32,
    pub max_age_hours: u32,
    /// `None`: nothing is stopped because nothing happens in it.
    pub idle_minutes_before_stop: Option<u32>,
}

impl Default for LifecycleRules {
    fn default() -> Self {
        Self {
            max_active_hours_before_stop: 36,
            max_stopped_hours_before_termination: 744,
            max_age_hours: 8_760,
            idle_minutes_before_stop: None,
        }
    }
}

impl From<LifecycleRules> for Lifecycle {
    fn from(rules: LifecycleRules) -> Self {
        Self {
            max_active_hours_before_stop: Some(rules.max_active_hours_before_stop),
            max_stopped_hours_before_termination: Some(rules.max_stopped_hours_before_termination),
            max_age_hours: Some(rules.max_age_hours),
            idle_minutes_before_stop: rules.idle_minutes_before_stop,
        }
    }
}

/// As in a pod's `tolerations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Toleration {
    /// Absent, with the operator `Exists`: every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default)]
    pub operator: TolerationOperator,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Absent: every effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// How long a pod stays after the taint came; with the effect `NoExecute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum $name {
            $($(#[$attribute])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As in Kubernetes.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }
    };
}
pub(crate) use words;

words!(
    #[derive(Default)]
    TolerationOperator {
        Exists = "Exists",
        #[default]
        Equal = "Equal",
    }
);
words!(ImagePullPolicy {
    Always = "Always",
    IfNotPresent = "IfNotPresent",
});
words!(TaintEffect {
    NoSchedule = "NoSchedule",
    PreferNoSchedule = "PreferNoSchedule",
    NoExecute = "NoExecute",
});

/// The answer of `GET` and `PUT …/agents/{agent}/configuration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigurationView {
    /// Goes into `If-Match` (quoted) of a change. Zero: nothing was set yet.
    pub version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
    /// In the answer to `PUT`: how many workspaces got (or, in a dry run, would get) a new generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendered_again: Option<i64>,
    /// In the answer to `PUT`: how many workspaces that are to run the agent would not start again under this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_taken: Option<i64>,
    /// In the answer to `PUT`: what of `allowed_groups` is no path of a group that whoever asks sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_groups: Vec<String>,
    /// As it was set; what `PUT` takes.
    pub configuration: AgentConfiguration,
    /// What holds, with the server's own options where nothing was set.
    pub effective: AgentConfiguration,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
#[path = "../configuration_refusal_tests.rs"]
mod refusal_tests;
#[cfg(test)]
#[path = "../configuration_tests.rs"]
mod tests;
