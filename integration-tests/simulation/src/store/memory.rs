//! A database in memory with the semantics that the server relies on: READ COMMITTED, row locks, all or nothing.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use berth_planner::{LOSS_SUSPECTED, Workspace, WorkspaceUpdate};
use berth_schema::api::{StateReason, SuspectedLoss};
use berth_schema::{AgentId, DesiredState, Generation, WorkspaceId};
use jiff::Timestamp;

use super::tables::{Lock, Position, Rows, Tables, is_newer, is_stored_in, write};
use super::{Intent, Leader, Order, Report, Row, Store, StoreError, Transaction, UpdateOutcome};
use crate::environment::Env;
use crate::faults::Trap;
use crate::server::Hub;

/// The store of a world. Clones are connections to the same database.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    env: Env,
    tables: Rc<RefCell<Tables>>,
    /// Who listens for notifications.
    listeners: Rc<RefCell<Vec<Rc<Hub>>>>,
}

impl MemoryStore {
    pub fn new(env: Env) -> Self {
        Self { env, tables: Rc::default(), listeners: Rc::default() }
    }

    /// The committed rows as they are now, for those who check them.
    pub fn rows(&self) -> Ref<'_, BTreeMap<WorkspaceId, Row>> {
        Ref::map(self.tables.borrow(), |tables| &tables.committed.workspaces)
    }

    /// The loss that is suspected at an agent, as it is committed now.
    pub fn suspected(&self, agent: AgentId) -> Option<SuspectedLoss> {
        self.tables.borrow().committed.agents.get(&agent).and_then(|position| position.loss)
    }

    /// A server hears the notifications from now on.
    pub fn listen(&self, hub: Rc<Hub>) {
        self.listeners.borrow_mut().push(hub);
    }

    fn notify(&self, agent: AgentId) {
        for hub in self.listeners.borrow().iter() {
            if !self.env.faults.spring(Trap::HintLost, &self.env.trace) {
                let hub = Rc::clone(hub);
                self.env.later(self.env.dice.micros(100..=5_000), move || hub.wake(agent));
            }
        }
    }
}

impl Store for MemoryStore {
    type Transaction = MemoryTransaction;

    async fn begin(&self) -> Result<MemoryTransaction, StoreError> {
        self.env.runtime.sleep(self.env.dice.micros(50..=1_000)).await;
        let id = {
            let mut tables = self.tables.borrow_mut();
            tables.transactions += 1;
            tables.transactions
        };
        Ok(MemoryTransaction { store: self.clone(), id, written: Rows::default(), notify: None })
    }
}

/// A transaction in memory. Its writes are its own until the commit.
#[derive(Debug)]
pub struct MemoryTransaction {
    store: MemoryStore,
    id: u64,
    written: Rows,
    notify: Option<AgentId>,
}

impl MemoryTransaction {
    /// A statement takes its time, and may be the one at which the connection breaks.
    async fn statement(&self) -> Result<(), StoreError> {
        let env = &self.store.env;
        env.runtime.sleep(env.dice.micros(100..=3_000)).await;
        if env.faults.spring(Trap::StoreFails, &env.trace) {
            return Err(StoreError::Unavailable);
        }
        Ok(())
    }

    async fn lock(&self, lock: Lock) {
        while !self.try_lock(lock) {
            self.store.env.runtime.sleep(Duration::from_millis(1)).await;
        }
    }

    fn try_lock(&self, lock: Lock) -> bool {
        *self.store.tables.borrow_mut().locks.entry(lock).or_insert(self.id) == self.id
    }

    /// A row as this transaction sees it now.
    fn row(&self, id: WorkspaceId) -> Option<Row> {
        let own = self.written.workspaces.get(&id).cloned();
        own.or_else(|| self.store.tables.borrow().committed.workspaces.get(&id).cloned())
    }

    fn position(&self, agent: AgentId) -> Position {
        let tables = self.store.tables.borrow();
        let own = self.written.agents.get(&agent);
        own.or_else(|| tables.committed.agents.get(&agent)).copied().unwrap_or_default()
    }

    fn select(&self, agent: AgentId, wanted: impl Fn(&Row) -> bool) -> Vec<Row> {
        let ids: Vec<WorkspaceId> = self.store.rows().keys().copied().collect();
        let rows = ids.into_iter().filter_map(|id| self.row(id));
        rows.filter(|row| row.agent == agent && wanted(row)).collect()
    }

    fn publish(&mut self) {
        let mut tables = self.store.tables.borrow_mut();
        let written = std::mem::take(&mut self.written);
        if written.agents.is_empty() && written.workspaces.is_empty() {
            return;
        }
        for (agent, position) in &written.agents {
            self.store.env.watchdog.heard(*agent, position.leader.epoch);
        }
        for row in written.workspaces.values() {
            self.store.env.watchdog.committed(row);
        }
        tables.committed.agents.extend(written.agents);
        tables.committed.workspaces.extend(written.workspaces);
        drop(tables);
        if let Some(agent) = self.notify.take() {
            self.store.notify(agent);
        }
    }

    fn release(&self) {
        let mut tables = self.store.tables.borrow_mut();
        let id = self.id;
        tables.locks.retain(|_, holder| *holder != id);
    }
}

impl Drop for MemoryTransaction {
    fn drop(&mut self) {
        self.release();
    }
}

impl Transaction for MemoryTransaction {
    async fn insert(&mut self, row: Row) -> Result<(), StoreError> {
        self.statement().await?;
        let id = row.workspace.id;
        self.lock(Lock::Workspace(id)).await;
        if self.row(id).is_some() {
            return Err(StoreError::Exists);
        }
        self.written.workspaces.insert(id, row);
        Ok(())
    }

    async fn find(&mut self, id: WorkspaceId) -> Result<Option<Row>, StoreError> {
        self.statement().await?;
        Ok(self.row(id))
    }

    async fn change_intent(
        &mut self,
        id: WorkspaceId,
        expected: Option<Generation>,
        intent: Intent,
        now: Timestamp,
    ) -> Result<Row, StoreError> {
        self.statement().await?;
        self.lock(Lock::Workspace(id)).await;
        let mut row = self.row(id).ok_or(StoreError::NotFound)?;
        let workspace = &mut row.workspace;
        if workspace.desired_state == DesiredState::Terminated {
            return Err(StoreError::Terminated);
        }
        if expected.is_some_and(|expected| expected != workspace.generation) {
            return Err(StoreError::Generation { current: workspace.generation });
        }
        workspace.generation = workspace.generation.next();
        match intent {
            Intent::Desired(state) => workspace.desired_state = state,
            Intent::Rebuild(spec) => workspace.spec = spec,
        }
        row.intent_changed_at = now;
        self.written.workspaces.insert(id, row.clone());
        Ok(row)
    }

    async fn raise_epoch(&mut self, agent: AgentId, leader: Leader) -> Result<Order, StoreError> {
        self.advance(agent, leader, 0).await
    }

    async fn advance(&mut self, agent: AgentId, leader: Leader, sequence: i64) -> Result<Order, StoreError> {
        self.statement().await?;
        if self.position(agent).order(leader, sequence) == Order::Newest {
            self.lock(Lock::Agent(agent)).await;
        }
        // Looked at again: somebody else may have held the lock.
        let order = self.position(agent).order(leader, sequence);
        if order == Order::Newest {
            let position = Position { leader, sequence, ..self.position(agent) };
            self.written.agents.insert(agent, position);
        }
        Ok(order)
    }

    async fn of_agent(&mut self, agent: AgentId, ids: &[WorkspaceId]) -> Result<Vec<Row>, StoreError> {
        self.statement().await?;
        Ok(self.select(agent, |row| ids.contains(&row.workspace.id)))
    }

    async fn applied(&mut self, agent: AgentId) -> Result<Vec<WorkspaceId>, StoreError> {
        self.statement().await?;
        let there = |row: &Row| {
            let Workspace { applied_generation, desired_state, .. } = row.workspace;
            applied_generation > Generation::default() && desired_state != DesiredState::Terminated
        };
        Ok(self.select(agent, there).into_iter().map(|row| row.workspace.id).collect())
    }

    async fn loss(&mut self, agent: AgentId) -> Result<Option<SuspectedLoss>, StoreError> {
        self.statement().await?;
        Ok(self.position(agent).loss)
    }

    async fn set_loss(&mut self, agent: AgentId, loss: Option<SuspectedLoss>) -> Result<(), StoreError> {
        self.statement().await?;
        self.lock(Lock::Agent(agent)).await;
        let position = Position { loss, ..self.position(agent) };
        self.written.agents.insert(agent, position);
        Ok(())
    }

    async fn confirm_loss(&mut self, agent: AgentId, reason: StateReason) -> Result<(), StoreError> {
        self.statement().await?;
        let suspected = |row: &Row| {
            row.workspace.desired_state != DesiredState::Terminated
                && row.workspace.reason.as_ref().is_some_and(|reason| reason.reason == LOSS_SUSPECTED)
        };
        for found in self.select(agent, suspected) {
            let id = found.workspace.id;
            self.lock(Lock::Workspace(id)).await;
            // Looked at again: somebody else may have held the lock.
            if let Some(mut row) = self.row(id).filter(suspected) {
                row.workspace.applied_generation = Generation::default();
                row.workspace.deployment_resource_version = None;
                row.workspace.reason = Some(reason.clone());
                self.written.workspaces.insert(id, row);
            }
        }
        Ok(())
    }

    async fn pending(&mut self, agent: AgentId) -> Result<Vec<Row>, StoreError> {
        self.statement().await?;
        Ok(self.select(agent, Row::is_pending))
    }

    async fn apply_updates(
        &mut self,
        report: Report,
        updates: &[WorkspaceUpdate],
    ) -> Result<BTreeMap<WorkspaceId, UpdateOutcome>, StoreError> {
        self.statement().await?;
        let mut updates: Vec<&WorkspaceUpdate> = updates.iter().collect();
        updates.sort_by_key(|update| update.workspace_id);
        let mut outcomes = BTreeMap::new();
        for update in updates {
            let id = update.workspace_id;
            if self.row(id).is_some_and(|row| is_newer(&row, report, update)) {
                self.lock(Lock::Workspace(id)).await;
            }
            let outcome = match self.row(id) {
                Some(mut row) if is_newer(&row, report, update) => {
                    write(&mut row, report, update);
                    self.written.workspaces.insert(id, row);
                    UpdateOutcome::Stored
                }
                Some(row) if is_stored_in(&row, update) => UpdateOutcome::Stored,
                _ => UpdateOutcome::Outdated,
            };
            outcomes.insert(id, outcome);
        }
        Ok(outcomes)
    }

    fn notify_agent(&mut self, agent: AgentId) {
        self.notify = Some(agent);
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        let env = Env::clone(&self.store.env);
        if env.faults.spring(Trap::CommitSlow, &env.trace) {
            env.runtime.sleep(env.long(500..=5_000)).await;
        }
        env.runtime.sleep(env.dice.micros(100..=5_000)).await;
        let unknown =
            !self.written.workspaces.is_empty() && env.faults.spring(Trap::CommitUnknown, &env.trace);
        if unknown && env.dice.chance(50) {
            return Err(StoreError::Unknown);
        }
        self.publish();
        self.release();
        env.runtime.sleep(env.dice.micros(50..=2_000)).await;
        if unknown { Err(StoreError::Unknown) } else { Ok(()) }
    }
}
