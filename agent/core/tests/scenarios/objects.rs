//! Objects as a watch shows them, and directives as a server sends them.

use berth_agent_core::{Kind, ObjectKey, Observed, Record, Watched};
use berth_schema::kubernetes::{
    AGENT_ID, GENERATION, SECRET_VERSIONS, WORKSPACE_ID, WORKSPACE_NAME, own_namespace,
};
use berth_schema::reconcile::{Action, WorkspaceDirective};
use berth_schema::sealing::SealedBundle;
use berth_schema::{ActualState, AgentId, DesiredState, Generation, NamespaceName, WorkspaceName};
use berth_transcript::{Words, workspace_id};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::fixtures::Set;

pub(crate) const AGENT: AgentId = AgentId::from_uuid(uuid::Uuid::from_bytes([1; 16]));

/// The objects that a word stands for: `deployment`, `secrets` (both of them), `pod`, `namespace`, `claim`.
pub(crate) fn observed(kind: &str, workspace: &str, words: &Words<'_>) -> Result<Vec<Observed>, String> {
    let generation: i64 = words.value("generation")?.unwrap_or(1);
    let present = |watched, name: &str| {
        let mut metadata: ObjectMeta = parse(metadata(workspace, name, generation))?;
        metadata.resource_version = Some(words.text("version").unwrap_or("s1").to_owned());
        Observed::metadata(watched, &metadata).map_err(|error| error.to_string())
    };
    match kind {
        "deployment" => Ok(vec![deployment(workspace, generation, words)?]),
        "pod" => Ok(vec![pod(workspace, words)?]),
        "secrets" => ["env", "file"]
            .iter()
            .map(|suffix| present(Watched::Applied(Kind::Secret), &format!("{workspace}-{suffix}")))
            .collect(),
        "namespace" => Ok(vec![present(Watched::Applied(Kind::Namespace), &namespace(workspace))?]),
        "claim" => {
            Ok(vec![present(Watched::Applied(Kind::PersistentVolumeClaim), &format!("{workspace}-data"))?])
        }
        _ => Err("no such kind".to_owned()),
    }
}

pub(crate) fn keys(kind: &str, workspace: &str, words: &Words<'_>) -> Result<Vec<ObjectKey>, String> {
    Ok(observed(kind, workspace, words)?.into_iter().map(|observed| observed.key).collect())
}

pub(crate) fn watched(kind: &str) -> Result<Watched, String> {
    Watched::ALL.into_iter().find(|watched| watched.as_str() == kind).ok_or_else(|| "no such kind".to_owned())
}

fn deployment(workspace: &str, generation: i64, words: &Words<'_>) -> Result<Observed, String> {
    let replicas: i32 = words.value("replicas")?.unwrap_or(1);
    let mut metadata = metadata(workspace, workspace, generation);
    metadata["resourceVersion"] = json!(words.text("version").unwrap_or("v1"));
    let left = words.text("left").unwrap_or("s1");
    metadata["annotations"][SECRET_VERSIONS] = json!(format!("{left} {left}"));
    let mut object = json!({
        "metadata": metadata,
        "spec": { "replicas": replicas, "selector": {}, "template": {} },
    });
    Record::put_on(&mut object, None, &[]);
    let object: Deployment = parse(object)?;
    Observed::deployment(&object).map_err(|error| error.to_string())
}

fn pod(workspace: &str, words: &Words<'_>) -> Result<Observed, String> {
    let waiting = words.text("problem").map(|reason| {
        let state = json!({ "waiting": { "reason": reason, "message": "in the kubelet's words" } });
        json!({ "name": "main", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state })
    });
    let object: Pod = parse(json!({
        "metadata": metadata(workspace, &format!("{workspace}-pod"), 1),
        "status": { "phase": "Running", "containerStatuses": waiting.into_iter().collect::<Vec<_>>() },
    }))?;
    Observed::pod(&object).map_err(|error| error.to_string())
}

fn parse<T: serde::de::DeserializeOwned>(object: Value) -> Result<T, String> {
    serde_json::from_value(object).map_err(|error| error.to_string())
}

fn labels(workspace: &str) -> Value {
    json!({ AGENT_ID: AGENT, WORKSPACE_ID: workspace_id(workspace), WORKSPACE_NAME: workspace })
}

fn metadata(workspace: &str, name: &str, generation: i64) -> Value {
    json!({
        "name": name,
        "namespace": namespace(workspace),
        "labels": labels(workspace),
        "annotations": { GENERATION: generation.to_string() },
    })
}

/// A directive with a small set of objects. `namespace=` puts all of it elsewhere, `kind=` adds an object of that kind.
pub(crate) fn directive(
    workspace: &str,
    action: &str,
    words: &Words<'_>,
) -> Result<WorkspaceDirective, String> {
    let action: Action =
        serde_json::from_value(json!(action)).map_err(|_| format!("'{action}' is no action"))?;
    let usual = if action == Action::Terminate { DesiredState::Terminated } else { DesiredState::Running };
    let generation = words.value("generation")?.unwrap_or(Generation::FIRST);
    let namespace = words.text("namespace").map_or(namespace(workspace), str::to_owned);
    let configured = matches!(action, Action::Create | Action::Update);
    Ok(WorkspaceDirective {
        workspace_id: workspace_id(workspace),
        name: WorkspaceName::new(workspace).map_err(|error| error.to_string())?,
        namespace: NamespaceName::new(&*namespace).map_err(|error| error.to_string())?,
        action,
        desired_state: words.value("desired")?.unwrap_or(usual),
        actual_state: words.value("actual")?.unwrap_or(ActualState::Unknown),
        deployment_resource_version: words.text("echo").map(Into::into),
        generation,
        config_to_apply: configured.then(|| objects(workspace, &namespace, generation, words.text("kind"))),
        variables: words.has("variables").then(|| SealedBundle { position: 0, ciphertext: vec![] }),
        credentials: None,
    })
}

/// Where a workspace belongs.
pub(crate) fn namespace(workspace: &str) -> String {
    let name = WorkspaceName::new(workspace).expect("a scenario's names are names");
    own_namespace(&name, workspace_id(workspace))
}

fn objects(workspace: &str, namespace: &str, generation: Generation, foreign: Option<&str>) -> Vec<Value> {
    let (agent, id) = (AGENT.to_string(), workspace_id(workspace).to_string());
    let set = Set { agent: &agent, workspace: &id, name: workspace, namespace, generation: generation.get() };
    let mut objects = set.objects();
    if let Some(kind) = foreign {
        let mut metadata = metadata(workspace, "everything", generation.get());
        metadata["namespace"] = json!(namespace);
        let foreign =
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata });
        objects.insert(1, foreign);
    }
    objects
}
