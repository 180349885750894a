//! Objects in the cluster.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;

use berth_agent_core::{Kind, ObjectKey, Observed, Unusable, Watched};
use berth_schema::kubernetes::{AGENT_ID, GENERATION, WORKSPACE_ID};
use berth_schema::{AgentId, Generation, WorkspaceId};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::kubelet::{Fate, PodState};
use super::people::EDITED;

/// Where an object is. Of a Namespace, `namespace` is its own name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub namespace: String,
    pub kind: Sort,
    pub name: String,
}

/// The kinds that are applied, and Pods, which the cluster makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    Applied(Kind),
    Pod,
}

impl Key {
    pub(super) fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        let namespace = if kind == Kind::Namespace { name } else { namespace };
        Self { namespace: namespace.to_owned(), kind: Sort::Applied(kind), name: name.to_owned() }
    }

    pub(super) fn pod(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), kind: Sort::Pod, name: name.to_owned() }
    }

    pub(super) const fn watched(&self) -> Watched {
        match self.kind {
            Sort::Pod => Watched::Pod,
            Sort::Applied(kind) => Watched::Applied(kind),
        }
    }
}

/// A Deployment, with what its controller remembers in ReplicaSets.
#[derive(Clone, Debug)]
pub struct LiveDeployment {
    pub object: Deployment,
    /// A fingerprint of the pod template.
    pub template: u64,
    /// The template whose rollout is complete.
    pub settled: Option<u64>,
    /// What the agent applied last.
    pub applied: Rc<ObjectMeta>,
}

#[derive(Clone, Debug)]
pub struct LivePod {
    pub object: Pod,
    /// The Deployment that it belongs to.
    pub deployment: String,
    pub template: u64,
    pub fate: Fate,
    pub state: PodState,
}

#[derive(Clone, Debug)]
pub enum Object {
    Deployment(Box<LiveDeployment>),
    Pod(Box<LivePod>),
    /// All that matters is that it is there and whether it changes.
    Plain {
        metadata: Box<ObjectMeta>,
        /// What the agent applied last.
        applied: Rc<ObjectMeta>,
        content: Value,
    },
}

impl From<Deployment> for Object {
    /// As somebody sees it who knows nothing of what goes on behind.
    fn from(object: Deployment) -> Self {
        Self::Deployment(Box::new(LiveDeployment {
            object,
            template: 0,
            settled: None,
            applied: Rc::default(),
        }))
    }
}

impl From<ObjectMeta> for Object {
    fn from(metadata: ObjectMeta) -> Self {
        Self::Plain { metadata: Box::new(metadata), applied: Rc::default(), content: Value::Null }
    }
}

impl Object {
    pub const fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Deployment(live) => &live.object.metadata,
            Self::Pod(live) => &live.object.metadata,
            Self::Plain { metadata, .. } => metadata,
        }
    }

    pub const fn metadata_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Deployment(live) => &mut live.object.metadata,
            Self::Pod(live) => &mut live.object.metadata,
            Self::Plain { metadata, .. } => metadata,
        }
    }

    pub fn is_being_deleted(&self) -> bool {
        self.metadata().deletion_timestamp.is_some()
    }

    /// Whether a finalizer keeps it when it is deleted.
    pub fn is_held(&self) -> bool {
        self.metadata().finalizers.as_ref().is_some_and(|finalizers| !finalizers.is_empty())
    }

    /// Whether somebody has changed what is in it.
    pub fn is_edited(&self) -> bool {
        matches!(self, Self::Plain { content, .. } if content == EDITED)
    }

    pub fn mark_deleted(&mut self) {
        self.metadata_mut().deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    }

    pub fn workspace(&self) -> Option<WorkspaceId> {
        label(self.metadata(), WORKSPACE_ID)?.parse().ok()
    }

    pub fn is_of_agent(&self, agent: AgentId) -> bool {
        label(self.metadata(), AGENT_ID).and_then(|id| id.parse().ok()) == Some(agent)
    }

    /// What a watch of that kind makes of it.
    pub fn observe(&self, watched: Watched) -> Result<Observed, Unusable> {
        match self {
            Self::Deployment(live) => Observed::deployment(&live.object),
            Self::Pod(live) => Observed::pod(&live.object),
            Self::Plain { metadata, .. } => Observed::metadata(watched, metadata),
        }
    }

    pub fn key(&self, watched: Watched) -> Option<ObjectKey> {
        ObjectKey::new(watched, self.metadata())
    }
}

pub(super) fn label<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a String> {
    metadata.labels.as_ref()?.get(name)
}

/// The generation in an object's annotation.
pub fn generation(metadata: &ObjectMeta) -> Option<Generation> {
    metadata.annotations.as_ref()?.get(GENERATION)?.parse().ok()
}

/// A fingerprint of the pods that a Deployment makes.
pub(super) fn fingerprint(spec: &DeploymentSpec) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", spec.template.spec).hash(&mut hasher);
    hasher.finish()
}
