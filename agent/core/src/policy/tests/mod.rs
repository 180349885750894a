//! What the policy lets through, and what it does not: sets that are right but for one thing.

mod network;
mod pods;
mod sets;

use berth_schema::reconcile::Action;
use berth_schema::{ActualState, DesiredState, Generation};
use serde_json::json;

use super::*;
use crate::fixtures::Set;

const AGENT: AgentId = AgentId::from_uuid(uuid::Uuid::from_bytes([1; 16]));
const WORKSPACE: WorkspaceId = WorkspaceId::from_uuid(uuid::Uuid::from_bytes([2; 16]));
const NAMESPACE: &str = "berth-w-02020202";

fn identity() -> Identity {
    Identity::of(AGENT)
}

fn directive(namespace: &str) -> WorkspaceDirective {
    WorkspaceDirective {
        workspace_id: WORKSPACE,
        name: WorkspaceName::new("w").expect("a name"),
        namespace: NamespaceName::new(namespace).expect("a name"),
        action: Action::Create,
        desired_state: DesiredState::Running,
        actual_state: ActualState::CreationRequested,
        deployment_resource_version: None,
        generation: Generation::FIRST,
        config_to_apply: None,
        variables: None,
        credentials: None,
    }
}

fn set_of(name: &str, namespace: &str) -> Vec<Value> {
    let (agent, workspace) = (AGENT.to_string(), WORKSPACE.to_string());
    Set { agent: &agent, workspace: &workspace, name, namespace, generation: 1 }.objects()
}

fn set() -> Vec<Value> {
    set_of("w", NAMESPACE)
}

fn checked(identity: &Identity, objects: Vec<Value>) -> Result<Vec<Manifest>, Refusal> {
    identity.check(&directive(NAMESPACE), objects)
}

/// The set with its first object of a kind changed.
fn with(kind: &str, change: impl FnOnce(&mut Value)) -> Vec<Value> {
    let mut objects = set();
    change(objects.iter_mut().find(|object| object["kind"] == kind).expect("it is in the set"));
    objects
}

/// The set with the value at a JSON pointer of its first object of a kind put there.
fn with_value(kind: &str, pointer: &str, value: Value) -> Vec<Value> {
    with(kind, |object| put(object, pointer, value))
}

/// Puts a value at a JSON pointer, whose parent is there; `-` is the end of a list.
fn put(object: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    match object.pointer_mut(parent).expect("the parent is there") {
        Value::Array(items) => items.push(value),
        parent => parent[key] = value,
    }
}

fn refusal(objects: Vec<Value>) -> String {
    checked(&identity(), objects).expect_err("refused").to_string()
}

/// Each change alone is refused; the message names the place.
fn are_refused(kind: &str, prefix: &str, cases: &[(&str, Value, &str)]) {
    for (pointer, value, named) in cases {
        let objects = with_value(kind, &format!("{prefix}{pointer}"), value.clone());
        let Err(refusal) = checked(&identity(), objects) else { panic!("{pointer} {value} is allowed") };
        assert!(refusal.to_string().contains(named), "{pointer} {value}: {refusal}");
    }
}
