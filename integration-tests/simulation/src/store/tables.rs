//! The committed rows, the locks on them, and the conditions under which they change.

use std::collections::BTreeMap;

use berth_planner::WorkspaceUpdate;
use berth_schema::api::SuspectedLoss;
use berth_schema::{ActualState, AgentId, DesiredState, Generation, WorkspaceId};
use jiff::Timestamp;

use super::{Intent, Leader, Order, Report, Row, StoreError};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lock {
    Agent(AgentId),
    Workspace(WorkspaceId),
    /// The place of a name in the index of living workspaces' names.
    Name(String),
}

/// How far an agent's reports have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) leader: Leader,
    pub(super) sequence: i64,
    pub(super) loss: Option<SuspectedLoss>,
}

/// What a transaction has written, or what all of them have.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) agents: BTreeMap<AgentId, Position>,
    pub(super) workspaces: BTreeMap<WorkspaceId, Row>,
}

#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) committed: Rows,
    pub(super) locks: BTreeMap<Lock, u64>,
    pub(super) transactions: u64,
    /// How often the database crashed.
    pub(super) life: u64,
}

impl Position {
    /// Where a message stands to this position.
    pub(super) fn order(self, leader: Leader, sequence: i64) -> Order {
        let heard = self.leader;
        if heard.epoch < leader.epoch || (heard == leader && self.sequence < sequence) {
            Order::Newest
        } else if heard == leader {
            Order::Repeated
        } else {
            Order::Stale { current: heard.epoch }
        }
    }
}

/// Whether an update may be written over a row and changes anything: the conditions of the statement in `berth-db`.
pub(super) fn is_newer(row: &Row, report: Report, update: &WorkspaceUpdate) -> bool {
    let workspace = &row.workspace;
    let in_order = workspace.reported.is_none_or(|stored| stored < (report.epoch, report.sequence));
    let unchanged = workspace.generation == update.seen_generation;
    let observes = update.intent.is_none() && update.actual_state != ActualState::Terminated;
    row.agent == report.agent
        && row.workspace.state().is_living()
        && in_order
        && (unchanged || observes)
        && differs(row, update)
}

fn differs(row: &Row, update: &WorkspaceUpdate) -> bool {
    let workspace = &row.workspace;
    let desired = update.intent.map_or(workspace.desired_state, |intent| intent.desired_state);
    workspace.actual_state != update.actual_state
        || workspace.reason != update.reason
        || workspace.applied_generation != update.applied_generation
        || workspace.variables_generation != update.variables_generation
        || workspace.deployment_resource_version != update.deployment_resource_version
        || workspace.desired_state != desired
}

/// The row, unless a change of intent is not made to it.
pub(super) fn refuse(row: Option<&Row>, expected: Option<Generation>) -> Result<&Row, StoreError> {
    let row = row.ok_or(StoreError::NotFound)?;
    let current = row.workspace.generation;
    if row.workspace.desired_state == DesiredState::Terminated {
        return Err(StoreError::Terminated);
    }
    if expected.is_none_or(|expected| expected == current) {
        Ok(row)
    } else {
        Err(StoreError::Generation { current })
    }
}

pub(super) fn change(row: &mut Row, intent: Intent, now: Timestamp) {
    let workspace = &mut row.workspace;
    workspace.generation = workspace.generation.next();
    match intent {
        Intent::Desired(state) => {
            // What was gone before it was wanted gone may be on its way back: the agent has to prove it anew.
            let unproven =
                state == DesiredState::Terminated && workspace.actual_state == ActualState::Terminated;
            if unproven {
                workspace.actual_state = ActualState::Unknown;
            }
            workspace.desired_state = state;
        }
        Intent::Rebuild(spec) => workspace.spec = *spec,
        Intent::Variables => workspace.variables_generation = workspace.generation,
    }
    row.intent_changed_at = now;
}

/// Whether a row says what an update says already.
pub(super) fn is_stored_in(row: &Row, update: &WorkspaceUpdate) -> bool {
    let generation = update.intent.map_or(row.workspace.generation, |intent| intent.generation);
    !differs(row, update) && row.workspace.generation == generation
}

pub(super) fn write(row: &mut Row, report: Report, update: &WorkspaceUpdate) {
    let workspace = &mut row.workspace;
    workspace.actual_state = update.actual_state;
    workspace.reason.clone_from(&update.reason);
    workspace.applied_generation = update.applied_generation;
    workspace.variables_generation = if workspace.generation == update.seen_generation {
        update.variables_generation
    } else if update.variables_generation > update.seen_generation {
        workspace.variables_generation.max(workspace.generation)
    } else {
        workspace.variables_generation
    };
    workspace.deployment_resource_version.clone_from(&update.deployment_resource_version);
    workspace.reported = Some((report.epoch, report.sequence));
    if let Some(intent) = update.intent {
        workspace.desired_state = intent.desired_state;
        workspace.generation = intent.generation;
    }
}
