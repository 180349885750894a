//! What the server asks of its database, statement by statement, as `berth-db` offers it.
//!
//! The traits are here so that the same cases can be run on the simulated store and on Postgres.

mod memory;
mod tables;

use std::collections::BTreeMap;

use berth_planner::{Workspace, WorkspaceUpdate};
use berth_schema::api::{StateReason, SuspectedLoss};
use berth_schema::{ActualState, AgentId, DesiredState, Generation, TermId, WorkspaceId, WorkspaceSpec};
use jiff::Timestamp;

pub use memory::{MemoryStore, MemoryTransaction};

/// A row of `workspaces`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub agent: AgentId,
    pub workspace: Workspace,
    /// For people only: nothing but a planted mistake decides by it.
    pub intent_changed_at: Timestamp,
}

impl Row {
    /// Puts in place of a column that cannot be read what `berth-db` puts there.
    pub fn unreadable(&mut self) {
        let workspace = &mut self.workspace;
        workspace.unreadable = true;
        workspace.spec = WorkspaceSpec::from_image("");
        if workspace.state().is_living() {
            workspace.actual_state = ActualState::Error;
            workspace.reason = Some(StateReason {
                reason: "RowUnreadable".into(),
                message: "this version of the server cannot read in its row: spec".into(),
            });
        }
    }
}

/// A change of what a user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    Desired(DesiredState),
    Rebuild(Box<WorkspaceSpec>),
    /// Its variables are others from that generation on.
    Variables,
}

/// A process that leads an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leader {
    pub epoch: i64,
    pub term: Option<TermId>,
}

/// What an agent's epoch, or the place of its report, means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Newer than every one before; stored.
    Newest,
    /// This or a newer one of the same term was taken already.
    Repeated,
    /// A newer leader has spoken, or another one in the same epoch.
    Stale { current: i64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// Written, or stored already.
    Stored,
    /// Something newer came first: nothing was written.
    Outdated,
}

/// Which report updates come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub agent: AgentId,
    pub epoch: i64,
    pub sequence: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("there is no such workspace")]
    NotFound,
    #[error("the workspace exists already")]
    Exists,
    #[error("the workspace is at generation {current}")]
    Generation { current: Generation },
    #[error("the workspace is desired Terminated")]
    Terminated,
    /// Nothing was done.
    #[error("the database is not available")]
    Unavailable,
    /// The connection broke during the commit: it was done or not.
    #[error("whether the transaction was committed is not known")]
    Unknown,
}

/// A database that many servers share.
#[allow(async_fn_in_trait, reason = "both implementations are used where they are named")]
pub trait Store {
    type Transaction: Transaction;

    /// Begins a transaction at READ COMMITTED. Dropping it rolls it back.
    async fn begin(&self) -> Result<Self::Transaction, StoreError>;
}

/// Statements within one transaction. What it wrote is seen by others after [`Transaction::commit`].
#[allow(async_fn_in_trait, reason = "both implementations are used where they are named")]
pub trait Transaction {
    async fn insert(&mut self, row: Row) -> Result<(), StoreError>;
    async fn find(&mut self, id: WorkspaceId) -> Result<Option<Row>, StoreError>;
    /// Raises the generation in the same statement.
    async fn change_intent(
        &mut self,
        id: WorkspaceId,
        expected: Option<Generation>,
        intent: Intent,
        now: Timestamp,
    ) -> Result<Row, StoreError>;
    async fn raise_epoch(&mut self, agent: AgentId, leader: Leader) -> Result<Order, StoreError>;
    /// The agent's row stays locked until the transaction ends.
    async fn advance(&mut self, agent: AgentId, leader: Leader, sequence: i64) -> Result<Order, StoreError>;
    /// Those of `ids` that are this agent's, finished ones included.
    async fn of_agent(&mut self, agent: AgentId, ids: &[WorkspaceId]) -> Result<Vec<Row>, StoreError>;
    /// What should be in the agent's cluster: something of it was proven to be there, and it is not to be removed.
    async fn applied(&mut self, agent: AgentId) -> Result<Vec<WorkspaceId>, StoreError>;
    /// The loss that is suspected at an agent.
    async fn loss(&mut self, agent: AgentId) -> Result<Option<SuspectedLoss>, StoreError>;
    async fn set_loss(&mut self, agent: AgentId, loss: Option<SuspectedLoss>) -> Result<(), StoreError>;
    /// Takes what is suspected to be lost for lost.
    async fn confirm_loss(&mut self, agent: AgentId, reason: StateReason) -> Result<(), StoreError>;
    async fn pending(&mut self, agent: AgentId) -> Result<Vec<Row>, StoreError>;
    async fn apply_updates(
        &mut self,
        report: Report,
        updates: &[WorkspaceUpdate],
    ) -> Result<BTreeMap<WorkspaceId, UpdateOutcome>, StoreError>;
    /// Tells those who wait for the agent, once it is committed.
    fn notify_agent(&mut self, agent: AgentId);
    /// Undoes everything. Dropping does the same, without waiting until it is done.
    async fn roll_back(self);
    async fn commit(self) -> Result<(), StoreError>;
}
