//! Storing what an agent reported: the updates and what becomes of them.

use std::collections::BTreeMap;

use berth_schema::api::StateReason;
use berth_schema::{ActualState, AgentId, DesiredState, Generation, ResourceVersion, WorkspaceId};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use super::store::StoreReport;
use super::{WorkspaceRow, Workspaces};
use crate::error::DbError;

/// Which report the updates come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub agent: AgentId,
    pub epoch: i64,
    pub sequence: i64,
}

/// What a report says of one workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceUpdate {
    pub id: WorkspaceId,
    /// The generation that was decided upon.
    pub seen_generation: Generation,
    pub actual_state: ActualState,
    pub reason: Option<StateReason>,
    /// As proven by the cluster: stored as reported, even where it is lower than what is stored.
    pub applied_generation: Generation,
    /// Of which generation its variables are now.
    pub variables_generation: Generation,
    pub deployment_resource_version: Option<ResourceVersion>,
    /// A change of intent that the server makes by itself: the end of a restart.
    pub intent: Option<IntentChange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntentChange {
    pub desired_state: DesiredState,
    /// The generation that the row gets: the next one.
    pub generation: Generation,
}

/// What became of one update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// It was written, or said what was stored already.
    Stored,
    /// A newer report or a newer change of intent came first, it is finished, or it is not this agent's: nothing of the
    /// update was written, and it must not be acknowledged.
    Outdated,
}

impl Workspaces<'_> {
    /// Stores a batch of updates in one statement; call [`crate::Agents::advance`] first, in the same transaction. A
    /// workspace that becomes Terminated in both states loses its data keys and with them its variables.
    ///
    /// The answer has an outcome for each update.
    pub async fn apply_updates(
        &self,
        report: Report,
        updates: &[WorkspaceUpdate],
        now: Timestamp,
    ) -> Result<BTreeMap<WorkspaceId, UpdateOutcome>, DbError> {
        if updates.is_empty() {
            return Ok(BTreeMap::new());
        }
        let stored = self.store(report, updates, now).await?;
        let mut outcomes: BTreeMap<_, _> = stored.into_iter().map(|id| (id, UpdateOutcome::Stored)).collect();
        let rest: Vec<_> = updates.iter().filter(|update| !outcomes.contains_key(&update.id)).collect();
        if !rest.is_empty() {
            let ids: Vec<_> = rest.iter().map(|update| update.id).collect();
            let rows = self.of_agent(report.agent, &ids).await?;
            let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
            outcomes.extend(rest.iter().map(|update| {
                let same = rows.get(&update.id).is_some_and(|row| update.is_stored_in(row));
                (update.id, if same { UpdateOutcome::Stored } else { UpdateOutcome::Outdated })
            }));
        }
        Ok(outcomes)
    }

    async fn store(
        &self,
        report: Report,
        updates: &[WorkspaceUpdate],
        now: Timestamp,
    ) -> Result<Vec<WorkspaceId>, DbError> {
        let statement = StoreReport::new(self.0.key(), report, updates, now)?;
        let stored: Vec<Uuid> = self.0.run(statement.load(&mut self.0.raw())).await?;
        Ok(stored.into_iter().map(Into::into).collect())
    }
}

impl WorkspaceUpdate {
    fn is_stored_in(&self, row: &WorkspaceRow) -> bool {
        row.actual_state == self.actual_state
            && row.reason == self.reason
            && row.applied_generation == self.applied_generation
            && row.variables_generation == self.variables_generation
            && row.deployment_resource_version == self.deployment_resource_version
            && self.intent.is_none_or(|intent| {
                row.desired_state == intent.desired_state && row.generation == intent.generation
            })
    }
}
