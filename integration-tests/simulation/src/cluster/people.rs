//! What people and broken machines do to a cluster.

use berth_agent_core::Kind;
use berth_schema::{AgentId, WorkspaceId};

use super::api::SimulatedCluster;
use super::objects::{Key, Object, Sort};

impl SimulatedCluster {
    /// All watches end; with `expired`, they cannot be taken up again where they were.
    pub fn end_watches(&self, expired: bool) {
        self.with(|state| {
            state.breaks += 1;
            if expired {
                state.expired = state.breaks;
            }
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
                    live.object.metadata.generation =
                        live.object.metadata.generation.map(|number| number + 1);
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
