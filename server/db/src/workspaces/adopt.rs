//! Workspaces whose agent is gone: given to another, or given up.

use berth_schema::api::StateReason;
use berth_schema::{ActualState, AgentId, DesiredState, WorkspaceId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use super::{WorkspaceView, Workspaces};
use crate::error::DbError;
use crate::schema::{workspace_data_keys, workspaces};
use crate::subjects::Author;
use crate::transitions::ChangedBy;

impl Workspaces<'_> {
    /// Gives the living workspaces of one agent to another, each as a new generation of which nothing is proven. What belongs
    /// to them follows. Returns how many there were.
    pub async fn adopt(
        &self,
        from: AgentId,
        to: AgentId,
        reason: &StateReason,
        by: Author,
        now: Timestamp,
    ) -> Result<usize, DbError> {
        let statement = diesel::update(workspaces::table)
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(from.as_uuid()))
            .filter(workspaces::living)
            .set((
                workspaces::agent_id.eq(to.as_uuid()),
                workspaces::generation.eq(workspaces::generation + 1),
                unproven(ActualState::Unknown, reason, now)?,
            ))
            .returning(workspaces::id);
        let ids: Vec<Uuid> = self.0.run(statement.get_results(&mut self.0.raw())).await?;
        let count = ids.len();
        if count > 0 {
            self.0.transitions().record_all(ids, ChangedBy::User(by), now).await?;
        }
        Ok(count)
    }

    /// Takes a workspace for gone, whatever is left of it anywhere: nothing looks after it any more, its variables are
    /// destroyed, and its name is free.
    pub async fn forget(
        &self,
        id: WorkspaceId,
        reason: &StateReason,
        by: Author,
        now: Timestamp,
    ) -> Result<WorkspaceView, DbError> {
        let at = jiff_diesel::Timestamp::from(now);
        let statement = diesel::update(workspaces::table)
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq(id.as_uuid()))
            .filter(workspaces::living)
            .set((
                workspaces::desired_state.eq(DesiredState::Terminated.as_str()),
                workspaces::desired_state_changed_at.eq(at),
                workspaces::lifecycle_at.eq(None::<jiff_diesel::Timestamp>),
                workspaces::generation.eq(workspaces::generation + 1),
                unproven(ActualState::Terminated, reason, now)?,
            ));
        if self.0.run(statement.execute(&mut self.0.raw())).await? > 0 {
            let keys = diesel::delete(workspace_data_keys::table)
                .filter(workspace_data_keys::organization_id.eq(self.0.key()))
                .filter(workspace_data_keys::workspace_id.eq(id.as_uuid()));
            self.0.run(keys.execute(&mut self.0.raw())).await?;
            self.0.transitions().record(id, ChangedBy::User(by), now).await?;
        }
        self.find(id).await?.ok_or_else(DbError::not_found)
    }
}

/// That state, with nothing that an agent has proven.
type Unproven = (
    diesel::dsl::Eq<workspaces::actual_state, &'static str>,
    diesel::dsl::Eq<workspaces::actual_state_changed_at, jiff_diesel::Timestamp>,
    diesel::dsl::Eq<workspaces::reason, serde_json::Value>,
    diesel::dsl::Eq<workspaces::applied_generation, i64>,
    diesel::dsl::Eq<workspaces::applied_epoch, Option<i64>>,
    diesel::dsl::Eq<workspaces::applied_sequence, Option<i64>>,
    diesel::dsl::Eq<workspaces::deployment_resource_version, Option<String>>,
    diesel::dsl::Eq<workspaces::transitions, diesel::dsl::Add<workspaces::transitions, i64>>,
);

fn unproven(state: ActualState, reason: &StateReason, now: Timestamp) -> Result<Unproven, DbError> {
    let reason = serde_json::to_value(reason);
    let reason = reason.map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
    Ok((
        workspaces::actual_state.eq(state.as_str()),
        workspaces::actual_state_changed_at.eq(jiff_diesel::Timestamp::from(now)),
        workspaces::reason.eq(reason),
        workspaces::applied_generation.eq(0),
        workspaces::applied_epoch.eq(None),
        workspaces::applied_sequence.eq(None),
        workspaces::deployment_resource_version.eq(None),
        workspaces::transitions.eq(workspaces::transitions + 1),
    ))
}
