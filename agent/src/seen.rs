//! Objects as the watches read them: of their JSON only what decides something is ever made into values. Managed fields and
//! pod templates are most of a list, and were most of what it took in memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStatus};
use k8s_openapi::api::core::v1::{
    ContainerStatus, Node, NodeCondition, NodeStatus, Pod, PodCondition, PodSchedulingGate, PodSpec,
    PodStatus, PodTemplateSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, Time};
use kube::Resource;
use kube::core::PartialObjectMeta;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// An object of which only a part was read. To the API server it is a `K`.
#[derive(Clone, Debug)]
pub(crate) struct Seen<K>(pub(crate) K);

/// A kind that is watched.
pub(crate) trait Sparse: Resource<DynamicType = ()> {
    /// What is read of it.
    type Part: serde::de::DeserializeOwned;

    /// The object with nothing but the part.
    fn from_part(part: Self::Part) -> Self;
}

impl<'de, K: Sparse> Deserialize<'de> for Seen<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        K::Part::deserialize(deserializer).map(|part| Self(K::from_part(part)))
    }
}

impl<K: Resource<DynamicType = ()>> Resource for Seen<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn metadata_api() -> bool {
        K::metadata_api()
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}

/// `M` is what is read of the managed fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MetadataPart<M: Default> {
    name: Option<String>,
    namespace: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    uid: Option<String>,
    managed_fields: M,
}

impl<M: Default> From<MetadataPart<M>> for ObjectMeta {
    /// Without the managed fields.
    fn from(part: MetadataPart<M>) -> Self {
        Self {
            uid: part.uid,
            name: part.name,
            namespace: part.namespace,
            labels: part.labels,
            annotations: part.annotations,
            resource_version: part.resource_version,
            generation: part.generation,
            creation_timestamp: part.creation_timestamp,
            deletion_timestamp: part.deletion_timestamp,
            ..Self::default()
        }
    }
}

/// What is read of an object whose content nobody asks for: whether somebody has changed it is told by the managed fields.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    #[serde(default)]
    metadata: MetadataPart<Option<Vec<ManagedFieldsEntry>>>,
}

impl<K: Resource<DynamicType = ()>> Sparse for PartialObjectMeta<K> {
    type Part = Named;

    fn from_part(mut part: Named) -> Self {
        let managed_fields = part.metadata.managed_fields.take();
        let metadata = ObjectMeta { managed_fields, ..part.metadata.into() };
        Self { types: None, metadata, _phantom: PhantomData }
    }
}

/// Who writes an object: of its managed fields everything but the fields.
#[derive(Debug, Deserialize)]
struct WriterPart {
    manager: Option<String>,
    operation: Option<String>,
    subresource: Option<String>,
}

impl From<WriterPart> for ManagedFieldsEntry {
    fn from(part: WriterPart) -> Self {
        let WriterPart { manager, operation, subresource } = part;
        Self { manager, operation, subresource, ..Self::default() }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct DeploymentPart {
    #[serde(default)]
    metadata: MetadataPart<Option<Vec<WriterPart>>>,
    spec: Option<ReplicasPart>,
    status: Option<DeploymentStatus>,
}

#[derive(Debug, Deserialize)]
struct ReplicasPart {
    replicas: Option<i32>,
    #[serde(default)]
    template: TemplatePart,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TemplatePart {
    spec: Option<GatesPart>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GatesPart {
    scheduling_gates: Option<Vec<PodSchedulingGate>>,
    node_name: Option<String>,
}

impl From<GatesPart> for PodSpec {
    fn from(part: GatesPart) -> Self {
        let GatesPart { scheduling_gates, node_name } = part;
        Self { scheduling_gates, node_name, ..Self::default() }
    }
}

impl Sparse for Deployment {
    type Part = DeploymentPart;

    fn from_part(mut part: DeploymentPart) -> Self {
        let writers = part.metadata.managed_fields.take();
        let managed_fields = writers.map(|all| all.into_iter().map(Into::into).collect());
        let spec = part.spec.map(|spec| DeploymentSpec {
            replicas: spec.replicas,
            template: PodTemplateSpec { spec: spec.template.spec.map(PodSpec::from), metadata: None },
            ..DeploymentSpec::default()
        });
        Self { metadata: ObjectMeta { managed_fields, ..part.metadata.into() }, spec, status: part.status }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct PodPart {
    #[serde(default)]
    metadata: MetadataPart<IgnoredAny>,
    spec: Option<GatesPart>,
    status: Option<PodStatusPart>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodStatusPart {
    phase: Option<String>,
    conditions: Option<Vec<PodCondition>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
    container_statuses: Option<Vec<ContainerStatus>>,
}

impl Sparse for Pod {
    type Part = PodPart;

    fn from_part(part: PodPart) -> Self {
        let status = part.status.map(|status| PodStatus {
            phase: status.phase,
            conditions: status.conditions,
            init_container_statuses: status.init_container_statuses,
            container_statuses: status.container_statuses,
            ..PodStatus::default()
        });
        Self { metadata: part.metadata.into(), spec: part.spec.map(PodSpec::from), status }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct NodePart {
    #[serde(default)]
    metadata: MetadataPart<IgnoredAny>,
    #[serde(default)]
    status: NodeStatusPart,
}

#[derive(Debug, Default, Deserialize)]
struct NodeStatusPart {
    conditions: Option<Vec<NodeCondition>>,
}

impl Sparse for Node {
    type Part = NodePart;

    fn from_part(part: NodePart) -> Self {
        let status = NodeStatus { conditions: part.status.conditions, ..NodeStatus::default() };
        Self { metadata: part.metadata.into(), status: Some(status), spec: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_agent_core::{Kind, Observed, Watched};
    use berth_schema::kubernetes::{GENERATION, POD_GATE, WORKSPACE_ID, WORKSPACE_NAME};
    use k8s_openapi::api::core::v1::Secret;
    use serde_json::{Value, json};

    fn metadata() -> Value {
        json!({
            "name": "w", "namespace": "berth-w", "uid": "u", "resourceVersion": "7", "generation": 2,
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "labels": { WORKSPACE_ID: "01010101-0101-0101-0101-010101010101", WORKSPACE_NAME: "w" },
            "annotations": { GENERATION: "3" },
            "managedFields": [{ "manager": "berth-agent", "fieldsV1": { "f:spec": { "f:replicas": {} } } }],
        })
    }

    fn read<K: serde::de::DeserializeOwned>(object: &Value) -> K {
        serde_json::from_value(object.clone()).expect("an object")
    }

    #[test]
    fn a_part_of_a_deployment_says_the_same_as_the_whole() {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(),
            "spec": { "replicas": 1, "selector": {},
                      "template": { "spec": { "containers": [], "schedulingGates": [{ "name": POD_GATE }] } } },
            "status": { "observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "conditions": [
                { "type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "m" } ] },
        });
        let seen = Observed::deployment(&read::<Seen<Deployment>>(&object).0).expect("usable");
        assert_eq!(seen, Observed::deployment(&read(&object)).expect("usable"));
        let begun = json!({ "metadata": metadata() });
        let seen = Observed::deployment(&read::<Seen<Deployment>>(&begun).0).expect("usable");
        assert_eq!(seen, Observed::deployment(&read(&begun)).expect("usable"));
    }

    #[test]
    fn a_part_of_a_pod_says_the_same_as_the_whole() {
        let waiting = json!({ "waiting": { "reason": "ErrImagePull", "message": "no such image" } });
        let container = json!({ "name": "main", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                                "state": waiting });
        let mut object = json!({
            "metadata": metadata(),
            "spec": { "containers": [{ "name": "main", "image": "i" }], "nodeName": "n",
                      "schedulingGates": [{ "name": POD_GATE }] },
            "status": {
                "phase": "Pending", "hostIP": "10.0.0.1",
                "conditions": [{ "type": "ContainersReady", "status": "False",
                                 "lastTransitionTime": "2026-01-01T00:00:00Z" }],
                "initContainerStatuses": [container.clone()], "containerStatuses": [container],
            },
        });
        for _ in 0..2 {
            let seen = Observed::pod(&read::<Seen<Pod>>(&object).0).expect("usable");
            assert_eq!(seen, Observed::pod(&read(&object)).expect("usable"));
            object["metadata"].as_object_mut().expect("an object").remove("deletionTimestamp");
        }
    }

    #[test]
    fn of_a_secret_only_the_metadata_is_asked_for_and_read() {
        assert!(Seen::<PartialObjectMeta<Secret>>::metadata_api());
        let object = json!({ "metadata": metadata(), "data": { "A": "aHVudGVyMg==" } });
        let seen: Seen<PartialObjectMeta<Secret>> = read(&object);
        assert!(!format!("{seen:?}").contains("aHVudGVyMg"));
        let whole: ObjectMeta = read(&object["metadata"]);
        let observed =
            |metadata| Observed::metadata(Watched::Applied(Kind::Secret), metadata).expect("usable");
        assert_eq!(observed(seen.meta()), observed(&whole));
    }
}
