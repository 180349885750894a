//! What is kept of an object that a watch has shown: the few parts that decide anything.

use berth_schema::kubernetes::{
    GENERATION, GIT_RENEW_AT, GIT_VERSION, POD_GATE, WORKSPACE_ID, WORKSPACE_NAME,
};
use berth_schema::reconcile::{DeploymentCondition, DeploymentInfo, DeploymentStatus, PodProblem};
use berth_schema::{Generation, WorkspaceId, WorkspaceName};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus as LiveStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::gate::Template;
use crate::kinds::Kind;
use crate::problems;
use crate::record::Record;
use crate::secrets::SecretVersions;
use crate::written::{self, Stamp};

/// The kinds of objects that are watched: whatever is applied, and pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watched {
    Pod,
    /// Metadata only, but for the Deployment.
    Applied(Kind),
}

impl Watched {
    pub const ALL: [Self; 10] = [
        Self::Applied(Kind::Deployment),
        Self::Pod,
        Self::Applied(Kind::Namespace),
        Self::Applied(Kind::ServiceAccount),
        Self::Applied(Kind::ResourceQuota),
        Self::Applied(Kind::NetworkPolicy),
        Self::Applied(Kind::ConfigMap),
        Self::Applied(Kind::Secret),
        Self::Applied(Kind::PersistentVolumeClaim),
        Self::Applied(Kind::Service),
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "pods",
            Self::Applied(kind) => kind.plural(),
        }
    }

    /// As an object of it names its kind.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Applied(kind) => kind.as_str(),
        }
    }
}

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    pub watched: Watched,
    /// A Namespace's own name for the Namespace itself: the place that the object is about.
    pub namespace: String,
    pub name: String,
}

impl ObjectKey {
    /// The key of an object by its metadata; `None` when it has no name.
    pub fn new(watched: Watched, metadata: &ObjectMeta) -> Option<Self> {
        let name = metadata.name.clone()?;
        let namespace = match watched {
            Watched::Applied(Kind::Namespace) => name.clone(),
            _ => metadata.namespace.clone()?,
        };
        Some(Self { watched, namespace, name })
    }
}

/// An object of a workspace, as last seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    pub key: ObjectKey,
    pub workspace: WorkspaceId,
    /// By label; absent when somebody removed the label.
    pub workspace_name: Option<WorkspaceName>,
    pub uid: Option<Box<str>>,
    pub fact: Fact,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    Deployment(Box<DeploymentFact>),
    Pod(PodFact),
    /// It is there, and whether somebody has changed it is all there is to know.
    Present {
        stamp: Stamp,
        /// Nobody but the agent has written any field of it.
        alone: bool,
        /// Somebody has deleted it, and something holds it still.
        leaving: bool,
    },
    /// The same of a Secret, with its version: its values are never read.
    Secret {
        stamp: Stamp,
        version: Box<str>,
        /// Of a Secret of Git credentials.
        delivered: Option<Delivered>,
    },
}

/// Which Git credentials a Secret holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The version of the organisation's hosts that they were issued from.
    pub version: i64,
    /// `None`: nothing of them expires.
    pub renew_at: Option<Timestamp>,
}

impl Delivered {
    /// From the annotations. What somebody has damaged is due at once.
    fn of(metadata: &ObjectMeta) -> Option<Self> {
        let annotation = |name| metadata.annotations.as_ref()?.get(name);
        let version = annotation(GIT_VERSION)?.parse().ok()?;
        let renew_at = annotation(GIT_RENEW_AT).map(|at| at.parse().unwrap_or(Timestamp::UNIX_EPOCH));
        Some(Self { version, renew_at })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentFact {
    /// The generation in the live annotation: the proof of application.
    pub applied_generation: Option<Generation>,
    /// How the agent left the Secrets that the pods need.
    pub secrets: Option<SecretVersions>,
    /// Its pods wait for the agent to let them go.
    pub gated: bool,
    /// Nobody but the agent has written any field of it, the status aside.
    pub alone: bool,
    /// How the agent left the other objects.
    pub record: Option<Record>,
    /// By that record, somebody has changed the Deployment itself.
    pub changed: bool,
    pub info: DeploymentInfo,
}

#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "facts of a pod, which Kubernetes tells apart")]
pub struct PodFact {
    /// It runs, will run, or is being deleted; it may hold the workspace's volume.
    pub live: bool,
    pub problems: Vec<PodProblem>,
    pub uid: String,
    pub created: Option<Timestamp>,
    /// Where it is, once it is somewhere.
    pub node: Option<String>,
    /// The agent has not let it go to a node.
    pub gated: bool,
    pub deleting: bool,
    /// A container of it runs, as far as its kubelet has said.
    pub running: bool,
}

impl PodFact {
    /// It waits for the agent to let it go.
    pub(crate) const fn waits(&self) -> bool {
        self.live && self.gated && self.node.is_none() && !self.deleting
    }

    /// It may have, or get, the workspace's volume without anybody being asked again.
    pub(crate) const fn holds(&self) -> bool {
        self.live && !(self.gated && self.node.is_none())
    }
}

/// Why an object that carries the agent's label is not taken for a workspace's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("it has no name")]
    Nameless,
    #[error("its label {WORKSPACE_ID} is missing or no id")]
    WorkspaceId,
}

impl Observed {
    /// From an object of which only the metadata is watched.
    pub fn metadata(watched: Watched, metadata: &ObjectMeta) -> Result<Self, Unusable> {
        let kind = match watched {
            Watched::Applied(kind) => kind,
            // Pods are watched whole.
            Watched::Pod => return Err(Unusable::Nameless),
        };
        let stamp = Stamp::of(kind, metadata);
        let alone = written::is_alone(metadata);
        let fact = match watched {
            Watched::Applied(Kind::Secret) => {
                let version = metadata.resource_version.as_deref().unwrap_or_default().into();
                Fact::Secret { stamp, version, delivered: Delivered::of(metadata) }
            }
            _ => Fact::Present { stamp, alone, leaving: metadata.deletion_timestamp.is_some() },
        };
        Self::new(watched, metadata, fact)
    }

    pub fn deployment(deployment: &Deployment) -> Result<Self, Unusable> {
        let metadata = &deployment.metadata;
        let record = Record::of(metadata);
        let fact = DeploymentFact {
            alone: written::is_alone(metadata),
            changed: record.as_ref().is_some_and(|record| !record.holds_of(metadata)),
            record,
            applied_generation: generation(metadata),
            secrets: SecretVersions::recorded(metadata),
            gated: Template::of(deployment.spec.as_ref()).is_some_and(|template| template.gated),
            info: DeploymentInfo {
                resource_version: metadata.resource_version.as_deref().map(Into::into),
                generation: metadata.generation,
                replicas: deployment.spec.as_ref().and_then(|spec| spec.replicas),
                status: deployment.status.as_ref().map(status),
            },
        };
        Self::new(Watched::Applied(Kind::Deployment), metadata, Fact::Deployment(Box::new(fact)))
    }

    pub fn pod(pod: &Pod) -> Result<Self, Unusable> {
        let metadata = &pod.metadata;
        let spec = pod.spec.as_ref();
        let gates = spec.and_then(|spec| spec.scheduling_gates.as_deref()).unwrap_or_default();
        let fact = PodFact {
            live: problems::is_live(pod),
            problems: problems::of(pod),
            uid: metadata.uid.clone().unwrap_or_default(),
            created: metadata.creation_timestamp.as_ref().map(|time| time.0),
            node: spec.and_then(|spec| spec.node_name.clone()),
            gated: gates.iter().any(|gate| gate.name == POD_GATE),
            deleting: metadata.deletion_timestamp.is_some(),
            running: problems::is_running(pod),
        };
        Self::new(Watched::Pod, &pod.metadata, Fact::Pod(fact))
    }

    fn new(watched: Watched, metadata: &ObjectMeta, fact: Fact) -> Result<Self, Unusable> {
        let key = ObjectKey::new(watched, metadata).ok_or(Unusable::Nameless)?;
        let label = |name| metadata.labels.as_ref().and_then(|labels| labels.get(name));
        let workspace = label(WORKSPACE_ID).and_then(|id| id.parse().ok());
        Ok(Self {
            key,
            workspace: workspace.ok_or(Unusable::WorkspaceId)?,
            workspace_name: label(WORKSPACE_NAME).and_then(|name| name.parse().ok()),
            uid: metadata.uid.as_deref().map(Into::into),
            fact,
        })
    }
}

/// The generation that an object says it was rendered for.
pub(crate) fn generation(metadata: &ObjectMeta) -> Option<Generation> {
    metadata.annotations.as_ref()?.get(GENERATION)?.parse().ok()
}

fn status(live: &LiveStatus) -> DeploymentStatus {
    let conditions = live.conditions.iter().flatten();
    DeploymentStatus {
        observed_generation: live.observed_generation,
        replicas: live.replicas,
        updated_replicas: live.updated_replicas,
        available_replicas: live.available_replicas,
        unavailable_replicas: live.unavailable_replicas,
        conditions: conditions
            .map(|condition| DeploymentCondition {
                kind: condition.type_.as_str().into(),
                status: condition.status.as_str().into(),
                reason: condition.reason.as_deref().map(Into::into),
                message: condition.message.as_deref().map(Into::into),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn deployment(change: impl FnOnce(&mut Value)) -> Deployment {
        let mut object = json!({
            "metadata": {
                "name": "w", "namespace": "berth-w", "resourceVersion": "7", "generation": 2,
                "labels": { WORKSPACE_ID: WorkspaceId::from_uuid(uuid(1)).to_string(), WORKSPACE_NAME: "w" },
                "annotations": { GENERATION: "3" },
            },
            "spec": { "replicas": 1, "selector": {}, "template": {} },
            "status": { "observedGeneration": 2, "replicas": 1, "conditions": [
                { "type": "Available", "status": "True", "reason": "MinimumReplicasAvailable" } ] },
        });
        change(&mut object);
        serde_json::from_value(object).expect("a Deployment")
    }

    fn uuid(number: u8) -> uuid::Uuid {
        uuid::Uuid::from_bytes([number; 16])
    }

    #[test]
    fn what_decides_is_kept_of_a_deployment() {
        let observed = Observed::deployment(&deployment(|_| ())).expect("usable");
        assert_eq!(observed.workspace_name, Some(WorkspaceName::new("w").expect("a name")));
        let Fact::Deployment(fact) = observed.fact else { panic!("not a Deployment's fact") };
        assert_eq!(fact.applied_generation, Some(Generation::of(3)));
        assert_eq!(fact.info.resource_version.as_deref(), Some("7"));
        let status = fact.info.status.expect("a status");
        assert_eq!(status.conditions[0].reason.as_deref(), Some("MinimumReplicasAvailable"));
    }

    #[test]
    fn a_generation_that_is_no_number_proves_nothing() {
        let damaged = deployment(|object| object["metadata"]["annotations"] = json!({ GENERATION: "new" }));
        let Fact::Deployment(fact) = Observed::deployment(&damaged).expect("usable").fact else {
            panic!("not a Deployment's fact")
        };
        assert_eq!(fact.applied_generation, None);
    }

    #[test]
    fn an_object_without_a_workspace_is_nobodys() {
        let stray = deployment(|object| object["metadata"]["labels"] = json!({}));
        assert_eq!(Observed::deployment(&stray), Err(Unusable::WorkspaceId));
    }
}
