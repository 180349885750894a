//! What a workspace is made of, after its devfile (or its image) was read and checked.
//!
//! `berth-devfile` makes it, Postgres stores it as JSON, the planner renders Kubernetes objects from it. It is frozen at
//! creation; a rebuild replaces it whole.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::command::{CommandSpec, Directory};
use crate::git::GitUser;
use crate::quantity::{self, Unit};
use crate::{FoundIn, Generation, ProjectSpec, Warning};

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
    /// The UID that its containers run as, to which the files of its volumes belong. Settled at creation; absent in what was
    /// stored by versions that did not settle it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<i64>,
    /// Who commits, for a user who has not told git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_user: Option<Box<GitUser>>,
    /// Cloned into the data volume. Given beside the devfile, or else by it; a rebuild keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectSpec>,
    /// Where its devfile was found, if nobody gave one and its repository was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Box<FoundIn>>,
    /// What of the file it was read from Berth does not do as it is written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
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
            user: None,
            git_user: None,
            project: None,
            found: None,
            warnings: Vec::new(),
        }
    }

    /// The ports that it declares, of the containers that stay.
    pub fn endpoints(&self) -> impl Iterator<Item = &EndpointSpec> {
        self.containers.iter().filter(|container| !container.init).flat_map(|container| &container.endpoints)
    }

    /// Settles the limits of containers that say only what they request, under the agent's defaults.
    pub fn settle_limits(&mut self, defaults: &Resources) {
        for container in &mut self.containers {
            container.resources.settle(defaults);
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
    /// The same, with variables of [`crate::late`] that are filled in when it is rendered. No name is in both.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub late_env: BTreeMap<String, String>,
    /// For the editor and for commands alone; with variables of [`crate::late`] that are filled in when the container has started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub start_env: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub resources: Resources,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointSpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountSpec>,
}

impl ContainerSpec {
    /// The names of the environment variables that what it is made of sets itself.
    pub fn sets(&self) -> impl Iterator<Item = &str> {
        [&self.env, &self.late_env, &self.start_env].into_iter().flat_map(BTreeMap::keys).map(String::as_str)
    }
}

/// Kubernetes quantities (`500m`, `1Gi`); what is absent takes the agent's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

    /// The figures that a container gets: its own, else the agent's default. What somebody asks for is never cut: a default limit
    /// follows a request above it. A default request ends at the container's own limit.
    #[must_use]
    pub fn over(&self, defaults: &Self) -> Self {
        let own = |request: &Option<String>, limit: &Option<String>| (request.clone(), limit.clone());
        let (cpu_request, cpu_limit) = figures(
            own(&self.cpu_request, &self.cpu_limit),
            own(&defaults.cpu_request, &defaults.cpu_limit),
            Unit::Milli,
        );
        let (memory_request, memory_limit) = figures(
            own(&self.memory_request, &self.memory_limit),
            own(&defaults.memory_request, &defaults.memory_limit),
            Unit::Whole,
        );
        Self { cpu_request, cpu_limit, memory_request, memory_limit }
    }

    /// Writes down the limit of whatever has a request and no limit, so that a quota counts what the container gets.
    fn settle(&mut self, defaults: &Self) {
        let all = self.over(defaults);
        if self.cpu_request.is_some() {
            self.cpu_limit = all.cpu_limit;
        }
        if self.memory_request.is_some() {
            self.memory_limit = all.memory_limit;
        }
    }
}

type Figures = (Option<String>, Option<String>);

/// Request and limit of one resource, from a container's own and the defaults.
fn figures(own: Figures, defaults: Figures, unit: Unit) -> Figures {
    let above = |one: &str, other: &str| quantity::parse(one, unit) > quantity::parse(other, unit);
    let request = own.0.or(defaults.0);
    match (request, own.1, defaults.1) {
        (Some(request), Some(limit), _) if above(&request, &limit) => (Some(limit.clone()), Some(limit)),
        (Some(request), None, Some(limit)) if above(&request, &limit) => {
            (Some(request.clone()), Some(request))
        }
        (request, own, default) => (request, own.or(default)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn resources(document: Value) -> Resources {
        serde_json::from_value(document).expect("resources")
    }

    #[test]
    fn what_is_requested_is_never_cut_by_a_default() {
        let defaults = resources(json!({
            "cpu_request": "50m", "cpu_limit": "1", "memory_request": "64Mi", "memory_limit": "512Mi",
        }));
        for (own, all) in [
            (json!({}), json!(["50m", "1", "64Mi", "512Mi"])),
            (json!({"cpu_request": "4", "memory_request": "8Gi"}), json!(["4", "4", "8Gi", "8Gi"])),
            (
                json!({"cpu_request": "1000m", "memory_request": "0.5Gi"}),
                json!(["1000m", "1", "0.5Gi", "512Mi"]),
            ),
            (json!({"cpu_request": "200m"}), json!(["200m", "1", "64Mi", "512Mi"])),
            (json!({"cpu_limit": "20m", "memory_limit": "32Mi"}), json!(["20m", "20m", "32Mi", "32Mi"])),
            (json!({"memory_request": "1Gi", "memory_limit": "2Gi"}), json!(["50m", "1", "1Gi", "2Gi"])),
        ] {
            let got = resources(own.clone()).over(&defaults);
            let got = json!([got.cpu_request, got.cpu_limit, got.memory_request, got.memory_limit]);
            assert_eq!(got, all, "{own}");
        }
        let unlimited = resources(json!({"memory_request": "8Gi"})).over(&Resources::default());
        assert_eq!(unlimited.memory_limit, None, "without any limit none is made up");
    }

    #[test]
    fn what_is_settled_counts_as_it_is_rendered_and_no_later_default_reaches_it() {
        let defaults = resources(json!({"cpu_limit": "1", "memory_limit": "512Mi"}));
        let mut spec = WorkspaceSpec::from_image("a");
        spec.containers[0].resources = resources(json!({"memory_request": "2Gi"}));
        spec.settle_limits(&defaults);
        let demand = spec.demand();
        assert_eq!((demand.memory_bytes, demand.memory_defaults), (2 << 30, 0));
        assert_eq!((demand.cpu_millis, demand.cpu_defaults), (0, 1), "nothing was said of it");
        let settled = spec.clone();
        spec.settle_limits(&resources(json!({"cpu_limit": "8", "memory_limit": "64Gi"})));
        assert_eq!(spec, settled);
    }
}
