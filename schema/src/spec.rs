//! What a workspace is made of, after its devfile (or its image) was read and checked.
//!
//! `berth-devfile` makes it, Postgres stores it as JSON, the planner renders Kubernetes objects from it. It is frozen at
//! creation; a rebuild replaces it whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::git::GitUser;
use crate::quantity::{self, Unit};
use crate::{Generation, ProjectSpec};

/// Everything the planner needs to know of a devfile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceSpec {
    /// At least one; exactly one of them has `main` set.
    pub containers: Vec<ContainerSpec>,
    /// Volumes beyond the data volume, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, VolumeSpec>,
    /// Commands of the events, in order.
    #[serde(default, skip_serializing_if = "Events::is_empty")]
    pub events: Events,
    /// Settled at creation. Absent before that, and in what was stored by versions that did not settle it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageSpec>,
    /// Who commits, for a user who has not told git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_user: Option<Box<GitUser>>,
    /// Cloned into the data volume. Given beside the devfile, so a rebuild keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectSpec>,
}

impl WorkspaceSpec {
    /// The default workspace around one image: the main container, kept running by an idle command.
    pub fn from_image(image: impl Into<String>) -> Self {
        Self {
            containers: vec![ContainerSpec {
                name: "main".to_owned(),
                image: image.into(),
                main: true,
                ..ContainerSpec::default()
            }],
            volumes: BTreeMap::new(),
            events: Events::default(),
            storage: None,
            git_user: None,
            project: None,
        }
    }

    /// What the containers that run together may take at most, as their limits say.
    pub fn demand(&self) -> Demand {
        let mut demand = Demand::default();
        let amount = |text: &Option<String>, unit| {
            let amount = text.as_ref().and_then(|text| quantity::parse(text, unit))?;
            u64::try_from(amount).ok()
        };
        for container in self.containers.iter().filter(|container| !container.init) {
            match amount(&container.resources.cpu_limit, Unit::Milli) {
                Some(millis) => demand.cpu_millis = demand.cpu_millis.saturating_add(millis),
                None => demand.cpu_defaults += 1,
            }
            match amount(&container.resources.memory_limit, Unit::Whole) {
                Some(bytes) => demand.memory_bytes = demand.memory_bytes.saturating_add(bytes),
                None => demand.memory_defaults += 1,
            }
        }
        demand
    }

    /// The container that gets the editor and the project.
    pub fn main(&self) -> Option<&ContainerSpec> {
        self.containers.iter().find(|container| container.main)
    }
}

/// The sum of limits, and how many containers say nothing and take the agent's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Thousandths of a CPU.
    pub cpu_millis: u64,
    /// Containers without a limit of CPU.
    pub cpu_defaults: u32,
    pub memory_bytes: u64,
    /// Containers without a limit of memory.
    pub memory_defaults: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    pub name: String,
    pub image: String,
    #[serde(default)]
    pub main: bool,
    /// Not started with the others: the commands of `pre_start` that name it are all that runs in it (devfile `apply`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub init: bool,
    /// Replaces the image's entrypoint. Empty: the image's own, or an idle one where `override_command` is set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Devfile `overrideCommand`: run an idle command instead of the image's. `None`: not said, so true for the main
    /// container unless it has a command of its own, and false for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_command: Option<bool>,
    /// Literal environment from the devfile (not secret).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub resources: Resources,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointSpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountSpec>,
}

/// Kubernetes quantities (`500m`, `1Gi`); what is absent takes the agent's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_request: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_request: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<String>,
}

impl Resources {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A port that the workspace serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSpec {
    pub name: String,
    pub port: u16,
}

/// A further volume in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountSpec {
    pub volume: String,
    pub path: String,
}

/// Where a workspace's data lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageSpec {
    /// Of the data volume, a Kubernetes quantity.
    pub size: String,
    /// Of all its volumes; absent: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The last growth. Until its generation is proven it may have been refused, and can be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grown: Option<Growth>,
}

/// A change of a volume's size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// The size before it.
    pub from: String,
    pub generation: Generation,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// A Kubernetes quantity; absent: the agent's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Gone with the pod.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// Run before the main containers start (devfile `preStart`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_start: Vec<CommandSpec>,
    /// Run when the main container has started (devfile `postStart`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_start: Vec<CommandSpec>,
}

impl Events {
    pub fn is_empty(&self) -> bool {
        self.pre_start.is_empty() && self.post_start.is_empty()
    }
}

/// A shell command in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSpec {
    pub id: String,
    pub component: String,
    pub command_line: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}
