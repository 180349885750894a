//! A database in memory with the semantics that the server relies on: READ COMMITTED, row locks, all or nothing.

use std::cell::{Ref, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use berth_planner::{LOSS_SUSPECTED, Workspace, WorkspaceUpdate};
use berth_schema::api::{StateReason, SuspectedLoss};
use berth_schema::{AgentId, DesiredState, Generation, WorkspaceId, WorkspaceName};
use jiff::Timestamp;

use super::tables::{Lock, Position, Rows, Tables, change, is_newer, is_stored_in, refuse, write};
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

    /// The database crashes and is up again at once: what was not committed is gone, and so are its locks.
    pub fn restart(&self) {
        let mut tables = self.tables.borrow_mut();
        tables.life += 1;
        tables.locks.clear();
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
        let (id, life) = {
            let mut tables = self.tables.borrow_mut();
            tables.transactions += 1;
            (tables.transactions, tables.life)
        };
        let written = Rows::default();
        Ok(MemoryTransaction { store: self.clone(), id, life, written, notify: None, failed: false })
    }
}

/// A transaction in memory. Its writes are its own until the commit.
#[derive(Debug)]
pub struct MemoryTransaction {
    store: MemoryStore,
    id: u64,
    /// Of the database: it has crashed since when that is another one by now.
    life: u64,
    written: Rows,
    notify: Option<AgentId>,
    /// A statement was refused: nothing of the transaction is kept.
    failed: bool,
}

impl MemoryTransaction {
    /// A statement takes its time, and may be the one at which the connection breaks.
    async fn statement(&mut self) -> Result<(), StoreError> {
        let env = Env::clone(&self.store.env);
        env.runtime.sleep(env.dice.micros(100..=3_000)).await;
        if self.failed || self.is_cut() || env.faults.spring(Trap::StoreFails, &env.trace) {
            return Err(self.fail(StoreError::Unavailable));
        }
        Ok(())
    }

    /// What a refused statement's transaction wrote is undone, and its locks are free, at once.
    fn fail(&mut self, error: StoreError) -> StoreError {
        self.failed = true;
        self.written = Rows::default();
        self.release();
        error
    }

    fn is_cut(&self) -> bool {
        self.store.tables.borrow().life != self.life
    }

    /// Waits for whoever holds the lock.
    async fn lock(&mut self, lock: Lock) -> Result<(), StoreError> {
        loop {
            if self.is_cut() {
                return Err(self.fail(StoreError::Unavailable));
            }
            if self.try_lock(&lock) {
                return Ok(());
            }
            self.store.env.runtime.sleep(Duration::from_millis(1)).await;
        }
    }

    fn try_lock(&self, lock: &Lock) -> bool {
        *self.store.tables.borrow_mut().locks.entry(lock.clone()).or_insert(self.id) == self.id
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

    /// The living workspace that has a name.
    fn named(&self, name: &WorkspaceName) -> Option<WorkspaceId> {
        let rows = self.ids().into_iter().filter_map(|id| self.row(id));
        let mut named = rows.filter(|row| row.workspace.name == *name && row.workspace.state().is_living());
        named.next().map(|row| row.workspace.id)
    }

    /// Those that this transaction sees.
    fn ids(&self) -> BTreeSet<WorkspaceId> {
        self.store.rows().keys().chain(self.written.workspaces.keys()).copied().collect()
    }

    fn select(&self, agent: AgentId, wanted: impl Fn(&Row) -> bool) -> Vec<Row> {
        let rows = self.ids().into_iter().filter_map(|id| self.row(id));
        rows.filter(|row| row.agent == agent && wanted(row)).collect()
    }

    /// As the server reads it, which may not be how it is stored.
    fn read(&self, rows: Vec<Row>) -> Vec<Row> {
        rows.into_iter().map(|row| self.store.env.poisons.read(row)).collect()
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
        self.lock(Lock::Workspace(id)).await?;
        if self.row(id).is_some() {
            return Err(self.fail(StoreError::Exists));
        }
        self.lock(Lock::Name(row.workspace.name.to_string())).await?;
        // Whether the name stays taken is not known before whoever changes that workspace has ended.
        if let Some(other) = self.named(&row.workspace.name) {
            self.lock(Lock::Workspace(other)).await?;
        }
        if self.named(&row.workspace.name).is_some() {
            return Err(self.fail(StoreError::Exists));
        }
        self.written.workspaces.insert(id, row);
        Ok(())
    }

    async fn find(&mut self, id: WorkspaceId) -> Result<Option<Row>, StoreError> {
        self.statement().await?;
        Ok(self.row(id).map(|row| self.store.env.poisons.read(row)))
    }

    async fn change_intent(
        &mut self,
        id: WorkspaceId,
        expected: Option<Generation>,
        intent: Intent,
        now: Timestamp,
    ) -> Result<Row, StoreError> {
        self.statement().await?;
        // What the condition leaves out is not waited for.
        refuse(self.row(id).as_ref(), expected)?;
        self.lock(Lock::Workspace(id)).await?;
        // Looked at again: somebody else may have held the lock.
        let mut row = refuse(self.row(id).as_ref(), expected)?.clone();
        change(&mut row, intent, now);
        self.written.workspaces.insert(id, row.clone());
        Ok(row)
    }

    async fn raise_epoch(&mut self, agent: AgentId, leader: Leader) -> Result<Order, StoreError> {
        match self.advance(agent, leader, 0).await? {
            Order::Newest | Order::Repeated => Ok(Order::Newest),
            stale @ Order::Stale { .. } => Ok(stale),
        }
    }

    async fn advance(&mut self, agent: AgentId, leader: Leader, sequence: i64) -> Result<Order, StoreError> {
        self.statement().await?;
        if self.position(agent).order(leader, sequence) == Order::Newest {
            self.lock(Lock::Agent(agent)).await?;
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
        Ok(self.read(self.select(agent, |row| ids.contains(&row.workspace.id))))
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
        self.lock(Lock::Agent(agent)).await?;
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
            self.lock(Lock::Workspace(id)).await?;
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
        Ok(self.read(self.select(agent, |row| row.workspace.is_pending())))
    }

    async fn apply_updates(
        &mut self,
        report: Report,
        updates: &[WorkspaceUpdate],
    ) -> Result<BTreeMap<WorkspaceId, UpdateOutcome>, StoreError> {
        if updates.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.statement().await?;
        // The statement chooses among the rows as they were when it began, and waits for those alone.
        let mut chosen: Vec<&WorkspaceUpdate> = updates.iter().collect();
        chosen
            .retain(|update| self.row(update.workspace_id).is_some_and(|row| is_newer(&row, report, update)));
        chosen.sort_by_key(|update| update.workspace_id);
        let mut locked = vec![];
        for update in chosen {
            self.lock(Lock::Workspace(update.workspace_id)).await?;
            if let Some(row) = self.row(update.workspace_id).filter(|row| is_newer(row, report, update)) {
                locked.push((row, update));
            }
        }
        let mut outcomes = BTreeMap::new();
        for (mut row, update) in locked {
            write(&mut row, report, update);
            self.written.workspaces.insert(update.workspace_id, row);
            outcomes.insert(update.workspace_id, UpdateOutcome::Stored);
        }
        // A second statement looks at those that were left alone.
        for update in updates {
            let own = self.row(update.workspace_id).filter(|row| row.agent == report.agent);
            let same = own.is_some_and(|row| is_stored_in(&row, update));
            let left = if same { UpdateOutcome::Stored } else { UpdateOutcome::Outdated };
            outcomes.entry(update.workspace_id).or_insert(left);
        }
        Ok(outcomes)
    }

    fn notify_agent(&mut self, agent: AgentId) {
        self.notify = Some(agent);
    }

    async fn roll_back(self) {
        self.store.env.runtime.sleep(self.store.env.dice.micros(50..=1_000)).await;
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        let env = Env::clone(&self.store.env);
        if env.faults.spring(Trap::CommitSlow, &env.trace) {
            env.runtime.sleep(env.long(500..=5_000)).await;
        }
        env.runtime.sleep(env.dice.micros(100..=5_000)).await;
        if self.is_cut() {
            return Err(StoreError::Unknown);
        }
        if self.failed {
            return Err(StoreError::Unavailable);
        }
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
