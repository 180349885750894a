//! How a namespace ends: object by object, volumes when no pod holds them, the Namespace last, its volumes after it.

use berth_agent_core::Kind;

use super::controllers::Step;
use super::objects::{Key, Object, Sort};
use super::state::State;
use crate::environment::Environment;

pub(super) fn steps(state: &State, key: &Key, object: &Object, steps: &mut Vec<Step>) {
    if !object.is_being_deleted() {
        return;
    }
    if !key.is_namespace() {
        if !object.is_held() && is_free(state, key) {
            steps.push(Step::Gone(key.clone()));
        }
        return;
    }
    let mut empty = true;
    for (inside, found) in state.within(&key.namespace) {
        empty = false;
        if !found.is_being_deleted() {
            let held = matches!(inside.kind, Sort::Pod | Sort::Applied(Kind::PersistentVolumeClaim))
                || found.is_held();
            steps.push(if held { Step::Delete(inside.clone()) } else { Step::Gone(inside.clone()) });
        }
    }
    if empty {
        steps.push(Step::Gone(key.clone()));
    }
}

/// A claim waits for the pods that use it (its finalizer `pvc-protection`); nothing else waits.
fn is_free(state: &State, key: &Key) -> bool {
    key.kind != Sort::Applied(Kind::PersistentVolumeClaim)
        || !state.within(&key.namespace).any(|(other, _)| other.kind == Sort::Pod)
}

pub(super) fn remove(state: &mut State, key: &Key, env: &Environment) {
    if key.is_namespace() && env.dice.chance(30) {
        state.volumes.insert(key.namespace.clone(), env.dice.pick(&[1, 5, 20]));
    }
    if let Some(object) = state.get(key) {
        env.watchdog.gone(object);
    }
    state.remove(key);
}
