//! What people and broken machines do to a cluster.

use berth_agent_core::Kind;
use berth_schema::{AgentId, WorkspaceId};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::api::SimulatedCluster;
use super::objects::{Key, Object, Sort};

/// What is in a Secret that somebody has changed.
pub(super) const EDITED: &str = "edited";

impl SimulatedCluster {
    /// All watches end; with `expired`, only one that has come as far as the cluster can be taken up again.
    pub fn end_watches(&self, expired: bool) {
        self.with(|state| {
            state.breaks += 1;
            if expired {
                state.compacted = state.version;
            }
        });
    }

    /// Somebody edits an object's metadata. What changes nothing is not written.
    pub fn edit(&self, kind: Kind, namespace: &str, name: &str, edit: impl FnOnce(&mut ObjectMeta)) {
        let key = Key::new(kind, namespace, name);
        self.with(|state| {
            let Some(before) = state.get(&key).map(|object| object.metadata().clone()) else { return };
            let mut after = before.clone();
            edit(&mut after);
            if after == before {
                return;
            }
            if kind == Kind::Deployment && after.annotations != before.annotations {
                next_generation(&mut after);
            }
            state.change(&key, |object| *object.metadata_mut() = after);
        });
    }

    pub fn delete_lease(&self, agent: AgentId) {
        self.with(|state| {
            state.version += 1;
            state.leases.remove(&agent);
        });
    }

    /// Somebody removes a workspace's objects of a kind. A namespace goes as namespaces go.
    pub fn delete_objects(&self, kind: Kind, workspace: WorkspaceId) {
        let keys = self.keys(kind, workspace);
        for key in &keys {
            self.with(|state| {
                if key.is_namespace() {
                    state.change(key, Object::mark_deleted);
                } else {
                    if let Some(object) = state.get(key) {
                        self.env.watchdog.gone(object);
                    }
                    state.remove(key);
                }
            });
        }
    }

    /// Somebody turns the replicas of a Deployment around, as `kubectl scale` does.
    pub fn scale(&self, workspace: WorkspaceId) {
        for key in self.keys(Kind::Deployment, workspace) {
            self.with(|state| {
                state.change(&key, |object| {
                    let Object::Deployment(live) = object else { return };
                    if let Some(spec) = &mut live.object.spec {
                        spec.replicas = Some(1 - spec.replicas.unwrap_or(0).clamp(0, 1));
                    }
                    next_generation(&mut live.object.metadata);
                });
            });
        }
    }

    /// Somebody changes what is in a workspace's Secrets, as `kubectl edit` does.
    pub fn edit_secrets(&self, workspace: WorkspaceId) {
        for key in self.keys(Kind::Secret, workspace) {
            self.with(|state| {
                state.change(&key, |object| {
                    if let Object::Plain { content, .. } = object {
                        *content = Value::from(EDITED);
                    }
                });
            });
        }
    }

    fn keys(&self, kind: Kind, workspace: WorkspaceId) -> Vec<Key> {
        let state = self.state.borrow();
        let found = state.objects.iter().filter(|(key, object)| {
            key.kind == Sort::Applied(kind)
                && object.workspace() == Some(workspace)
                && !object.is_being_deleted()
        });
        found.map(|(key, _)| key.clone()).collect()
    }
}

fn next_generation(metadata: &mut ObjectMeta) {
    metadata.generation = metadata.generation.map(|number| number + 1);
}
