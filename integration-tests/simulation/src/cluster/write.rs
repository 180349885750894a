//! What writes do: server-side apply by one manager, deletion with a precondition, replacement of a Lease.

use std::collections::BTreeMap;
use std::rc::Rc;

use berth_agent_core::Kind;
use berth_schema::AgentId;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ApiError;
use super::objects::{Key, LiveDeployment, Object, Sort, fingerprint, generation};
use super::state::State;
use crate::environment::Environment;
use crate::scenario::Image;

/// A server-side apply on its way.
pub(super) struct Applying {
    pub kind: Kind,
    pub object: Value,
    /// An admission webhook is against it.
    pub refused: bool,
    /// It must not be there yet.
    pub only_new: bool,
}

/// Gives the metadata of the object as it is afterwards.
pub(super) fn apply(
    state: &mut State,
    applying: Applying,
    env: &Environment,
) -> Result<ObjectMeta, ApiError> {
    let metadata: ObjectMeta = parse(&applying.object["metadata"])?;
    let namespace = metadata.namespace.clone().unwrap_or_default();
    let key = Key::new(applying.kind, &namespace, metadata.name.as_deref().unwrap_or_default());
    merge(state, key.clone(), metadata, applying, env)?;
    Ok(state.get(&key).map(|object| object.metadata().clone()).unwrap_or_default())
}

fn merge(
    state: &mut State,
    key: Key,
    metadata: ObjectMeta,
    applying: Applying,
    env: &Environment,
) -> Result<(), ApiError> {
    let Applying { kind, object, refused, only_new } = applying;
    let namespace = metadata.namespace.clone().unwrap_or_default();
    precondition(state.get(&key), &metadata)?;
    if only_new && state.objects.contains_key(&key) {
        return Err(ApiError::new(409, "it exists already"));
    }
    if !key.is_namespace() && !state.objects.contains_key(&key) {
        match state.get(&Key::new(Kind::Namespace, "", &namespace)) {
            None => return Err(ApiError::new(404, format!("namespaces \"{namespace}\" not found"))),
            Some(home) if home.is_being_deleted() => {
                return Err(ApiError::new(403, format!("namespace {namespace} is being terminated")));
            }
            Some(_) => {}
        }
    }
    if kind == Kind::Deployment {
        return deployment(state, key, &object, refused, env);
    }
    let content = contents(object);
    let applied = Rc::new(only_labels(&metadata));
    let merged = match state.get(&key) {
        Some(Object::Plain { metadata: live, applied: before, content: old }) => {
            let merged = written_over(live, before, &metadata);
            if merged == **live && *old == content {
                return Ok(());
            }
            merged
        }
        _ => metadata,
    };
    env.trace.say("cluster", || format!("applied {}/{}", kind.as_str(), key.name));
    let object = Object::Plain { metadata: Box::new(merged), applied, content };
    env.watchdog.applied(&object);
    state.put(key, object);
    Ok(())
}

fn deployment(
    state: &mut State,
    key: Key,
    object: &Value,
    refused: bool,
    env: &Environment,
) -> Result<(), ApiError> {
    let mut wanted: Deployment = parse(object)?;
    let spec = wanted.spec.clone().unwrap_or_default();
    let containers = spec.template.spec.iter().flat_map(|pod| &pod.containers);
    let mut images = containers.filter_map(|container| container.image.as_deref());
    if refused || images.any(|image| image == Image::Poison.as_str()) {
        return Err(ApiError::new(403, "admission webhook \"simulated\" denied the request"));
    }
    let applied = Rc::new(only_labels(&wanted.metadata));
    let mut live = if let Some(Object::Deployment(live)) = state.get(&key) {
        let old = &live.object;
        wanted.metadata = written_over(&old.metadata, &live.applied, &wanted.metadata);
        let same = old.spec == wanted.spec && old.metadata.annotations == wanted.metadata.annotations;
        if same && old.metadata.labels == wanted.metadata.labels {
            return Ok(());
        }
        let counter = old.metadata.generation.unwrap_or_default();
        wanted.metadata.generation = Some(if same { counter } else { counter + 1 });
        wanted.status.clone_from(&old.status);
        LiveDeployment { object: wanted, template: live.template, settled: live.settled, applied }
    } else {
        wanted.metadata.generation = Some(1);
        wanted.metadata.resource_version = None;
        LiveDeployment { object: wanted, template: 0, settled: None, applied }
    };
    live.template = fingerprint(&spec);
    env.trace.say("cluster", || {
        let annotation = generation(&live.object.metadata);
        format!("applied Deployment/{} generation {annotation:?} replicas {:?}", key.name, spec.replicas)
    });
    let object = Object::Deployment(Box::new(live));
    env.watchdog.applied(&object);
    state.put(key, object);
    Ok(())
}

/// With `uid` or `resourceVersion` given, only that object at that version is written over.
fn precondition(found: Option<&Object>, wanted: &ObjectMeta) -> Result<(), ApiError> {
    let live = found.map(Object::metadata);
    let version = wanted.resource_version.is_none()
        || live.is_some_and(|live| live.resource_version == wanted.resource_version);
    let uid = wanted.uid.is_none() || live.is_some_and(|live| live.uid == wanted.uid);
    match (version, uid, live) {
        (true, true, _) => Ok(()),
        (true, false, Some(_)) => Err(ApiError::new(422, "metadata.uid is immutable")),
        _ => Err(ApiError::new(409, "the object has been modified")),
    }
}

/// What the API server makes of an object's metadata when it is applied again: what others set stays, what the agent applied
/// before and does not any more goes.
fn written_over(live: &ObjectMeta, before: &ObjectMeta, wanted: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        labels: merged(live.labels.as_ref(), before.labels.as_ref(), wanted.labels.as_ref()),
        annotations: merged(
            live.annotations.as_ref(),
            before.annotations.as_ref(),
            wanted.annotations.as_ref(),
        ),
        ..live.clone()
    }
}

type Names = BTreeMap<String, String>;

fn merged(live: Option<&Names>, before: Option<&Names>, wanted: Option<&Names>) -> Option<Names> {
    let mut merged = live.cloned().unwrap_or_default();
    merged.retain(|name, _| before.is_none_or(|before| !before.contains_key(name)));
    merged.extend(wanted.cloned().unwrap_or_default());
    (!merged.is_empty()).then_some(merged)
}

/// The fields by which owners matter here.
fn only_labels(metadata: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        labels: metadata.labels.clone(),
        annotations: metadata.annotations.clone(),
        ..ObjectMeta::default()
    }
}

/// Without what names a moment: applying the same again changes nothing.
fn contents(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("uid");
        metadata.remove("resourceVersion");
    }
    object
}

fn parse<T: DeserializeOwned>(value: &Value) -> Result<T, ApiError> {
    T::deserialize(value).map_err(|error| ApiError::new(400, error.to_string()))
}

/// Deletion by uid. What cannot go at once is marked.
pub(super) fn delete(state: &mut State, key: &Key, uid: Option<&String>, env: &Environment) {
    let Some(object) = state.get(key) else { return };
    if object.metadata().uid.as_ref() != uid || object.is_being_deleted() {
        return;
    }
    if let Sort::Applied(kind) = key.kind {
        env.watchdog.deleted_by_agent(kind, object);
    }
    env.trace.say("cluster", || format!("deleting {key:?}"));
    let waits = key.is_namespace()
        || *key == Key::new(Kind::PersistentVolumeClaim, &key.namespace, &key.name)
        || object.is_held();
    if waits {
        state.change(key, Object::mark_deleted);
    } else {
        env.watchdog.gone(object);
        state.remove(key);
    }
}

/// Creates, or replaces the Lease of that version: of two who try, one succeeds.
pub(super) fn lease(state: &mut State, agent: AgentId, mut lease: Lease) -> Result<(), ApiError> {
    let live = state.leases.get(&agent);
    if live.and_then(|live| live.metadata.resource_version.as_ref())
        != lease.metadata.resource_version.as_ref()
    {
        return Err(ApiError::new(409, "the Lease has been modified"));
    }
    if live == Some(&lease) {
        return Ok(());
    }
    state.version += 1;
    lease.metadata.resource_version = Some(state.version.to_string());
    state.leases.insert(agent, lease);
    Ok(())
}
