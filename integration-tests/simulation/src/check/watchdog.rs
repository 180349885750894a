//! Sees every write and every answer at the moment it happens, and compares it with what was before.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use berth_agent_core::Kind;
use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse};
use berth_schema::{AgentId, DesiredState, Generation, WorkspaceId};

use super::{Invariant, Violation};
use crate::cluster::{Object, generation_of};
use crate::runtime::{Owner, Runtime};
use crate::server::Speaker;
use crate::store::{MemoryStore, Row};

/// What the checks remember. One per world.
#[derive(Debug)]
pub struct Watchdog {
    runtime: Runtime,
    found: RefCell<Option<Violation>>,
    seen: RefCell<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What each workspace's user was last promised.
    promised: BTreeMap<WorkspaceId, (Generation, DesiredState)>,
    /// As the database has them.
    rows: BTreeMap<WorkspaceId, Row>,
    /// The generation of the live Deployment.
    applied: BTreeMap<WorkspaceId, Generation>,
    /// Every generation that was ever applied.
    ever: BTreeSet<(WorkspaceId, Generation)>,
    /// Who spoke in an epoch.
    voices: BTreeMap<(AgentId, i64), Owner>,
    epochs: BTreeMap<AgentId, i64>,
}

impl Watchdog {
    pub fn new(runtime: Runtime) -> Self {
        Self { runtime, found: RefCell::default(), seen: RefCell::default() }
    }

    /// The first violation.
    pub fn found(&self) -> Option<Violation> {
        self.found.borrow().clone()
    }

    pub fn report(&self, invariant: Invariant, message: impl Into<String>) {
        let violation = Violation {
            invariant,
            step: self.runtime.steps(),
            at: self.runtime.now(),
            message: message.into(),
        };
        self.found.borrow_mut().get_or_insert(violation);
    }

    fn expect(&self, holds: bool, invariant: Invariant, message: impl FnOnce() -> String) {
        if !holds {
            self.report(invariant, message());
        }
    }

    /// A row was committed.
    pub fn committed(&self, row: &Row) {
        let mut seen = self.seen.borrow_mut();
        let after = &row.workspace;
        if let Some(before) = seen.rows.get(&after.id) {
            let was = &before.workspace;
            self.expect(
                before.workspace.state().is_living() || before == row,
                Invariant::DeadStaysDead,
                || format!("the finished row of {} changed", after.id),
            );
            self.expect(after.generation >= was.generation, Invariant::NothingIsLost, || {
                format!("the generation of {} fell from {} to {}", after.id, was.generation, after.generation)
            });
            let by_round = was.reported != after.reported;
            let ended_restart = was.desired_state == DesiredState::RestartRequested
                && after.desired_state == DesiredState::Running
                && after.generation == was.generation.next();
            let untouched = was.desired_state == after.desired_state
                && was.generation == after.generation
                && was.spec == after.spec;
            self.expect(!by_round || ended_restart || untouched, Invariant::NothingIsLost, || {
                let (from, to) = (was.desired_state, after.desired_state);
                let generations = (was.generation, after.generation);
                format!("a report changed the intent of {} from {from} to {to}, {generations:?}", after.id)
            });
        }
        let proven = after.applied_generation;
        let is_true = proven == Generation::default() || seen.ever.contains(&(after.id, proven));
        self.expect(is_true, Invariant::NothingIsLost, || {
            format!("generation {proven} of {} is stored as applied and never was", after.id)
        });
        if let Some((generation, desired)) = seen.promised.get(&after.id) {
            let kept = after.generation > *generation
                || (after.generation == *generation && after.desired_state == *desired);
            self.expect(kept, Invariant::NothingIsLost, || {
                format!("{desired} at generation {generation} of {} was promised", after.id)
            });
        }
        seen.rows.insert(after.id, row.clone());
    }

    /// An agent's position was committed.
    pub fn heard(&self, agent: AgentId, epoch: i64) {
        let before = self.seen.borrow_mut().epochs.insert(agent, epoch);
        self.expect(before.is_none_or(|before| before <= epoch), Invariant::OneVoice, || {
            format!("the epoch of {agent} fell from {before:?} to {epoch}")
        });
    }

    /// A user got a 2xx.
    pub fn promised(&self, row: &Row) {
        let workspace = &row.workspace;
        let mut seen = self.seen.borrow_mut();
        let stored = seen.rows.get(&workspace.id).map(|row| row.workspace.generation);
        self.expect(stored >= Some(workspace.generation), Invariant::NothingIsLost, || {
            format!("generation {} of {} was promised and is not stored", workspace.generation, workspace.id)
        });
        let newest = seen
            .promised
            .get(&workspace.id)
            .is_none_or(|(generation, _)| *generation <= workspace.generation);
        if newest {
            seen.promised.insert(workspace.id, (workspace.generation, workspace.desired_state));
        }
    }

    /// The server is about to answer an agent.
    pub fn answered(
        &self,
        speaker: Speaker,
        request: &ReconcileRequest,
        response: &ReconcileResponse,
        store: &MemoryStore,
    ) {
        let rows = store.rows();
        for directive in &response.workspaces {
            let own = rows.get(&directive.workspace_id).is_some_and(|row| row.agent == speaker.agent);
            self.expect(own, Invariant::OwnOnly, || {
                format!("{} was told of {}", speaker.agent, directive.workspace_id)
            });
            let needed = directive.variables.is_none() || directive.desired_state == DesiredState::Running;
            self.expect(needed, Invariant::OwnOnly, || {
                format!(
                    "variables of {}, which is desired {}",
                    directive.workspace_id, directive.desired_state
                )
            });
        }
        for orphan in &response.orphans {
            let told = request.workspace_agent_infos.iter().any(|info| {
                (info.workspace_id, &info.name, &info.namespace)
                    == (orphan.workspace_id, &orphan.name, &orphan.namespace)
            });
            self.expect(told, Invariant::OwnOnly, || format!("{} was not reported", orphan.workspace_id));
        }
        let mut seen = self.seen.borrow_mut();
        let voice = *seen.voices.entry((speaker.agent, request.epoch)).or_insert(speaker.process);
        self.expect(voice == speaker.process, Invariant::OneVoice, || {
            format!("two processes of {} were heard in epoch {}", speaker.agent, request.epoch)
        });
    }

    /// An agent applied an object.
    pub fn applied(&self, object: &Object) {
        let Some(workspace) = object.workspace() else {
            return self.report(Invariant::Explained, "an object of no workspace was applied");
        };
        let mut seen = self.seen.borrow_mut();
        self.expect(seen.rows.contains_key(&workspace), Invariant::Explained, || {
            format!("an object of {workspace}, which nobody created, was applied")
        });
        let Object::Deployment(live) = object else { return };
        let generation = generation_of(&live.object.metadata).unwrap_or_default();
        seen.ever.insert((workspace, generation));
        let before = seen.applied.insert(workspace, generation);
        self.expect(before.is_none_or(|before| before <= generation), Invariant::NeverLowered, || {
            format!("the Deployment of {workspace} went from generation {before:?} to {generation}")
        });
        let dead = seen.rows.get(&workspace).is_some_and(|row| !row.workspace.state().is_living());
        self.expect(!dead, Invariant::DeadStaysDead, || {
            format!("the terminated {workspace} has a Deployment again")
        });
    }

    /// A Deployment is gone: what comes next begins anew.
    pub fn gone(&self, object: &Object) {
        if let (Object::Deployment(_), Some(workspace)) = (object, object.workspace()) {
            self.seen.borrow_mut().applied.remove(&workspace);
        }
    }

    /// An agent asked for the deletion of an object.
    pub fn deleted_by_agent(&self, kind: Kind, object: &Object) {
        let holds_data = matches!(kind, Kind::Namespace | Kind::PersistentVolumeClaim | Kind::Deployment);
        let Some(workspace) = object.workspace().filter(|_| holds_data) else { return };
        let seen = self.seen.borrow();
        let wanted = seen.rows.get(&workspace).map(|row| row.workspace.desired_state);
        self.expect(wanted == Some(DesiredState::Terminated), Invariant::DeadStaysDead, || {
            format!("the {} of {workspace} was deleted while {wanted:?} is wanted", kind.as_str())
        });
    }
}
