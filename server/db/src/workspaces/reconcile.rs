//! What an agent's round needs to know.

use berth_schema::api::StateReason;
use berth_schema::{AgentId, DesiredState, WorkspaceId};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use futures::future::try_join;
use uuid::Uuid;

use super::{WorkspaceRow, Workspaces};
use crate::error::DbError;
use crate::schema::workspaces;

/// The column by which the database tells those with something to do. Diesel knows 32 columns of a table, unless it is to take twice the
/// time to compile.
const PENDING: &str = "workspaces.pending";

/// A page of an agent's workspaces in the order of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentPage {
    /// Begin behind this one.
    pub after: Option<WorkspaceId>,
    pub limit: i64,
}

impl AgentPage {
    pub const fn first(limit: i64) -> Self {
        Self { after: None, limit }
    }

    fn after(&self) -> Uuid {
        self.after.map_or(Uuid::nil(), Into::into)
    }
}

impl Workspaces<'_> {
    /// Those of `ids` that are this agent's, finished ones included, in the order of their ids.
    pub async fn of_agent(&self, agent: AgentId, ids: &[WorkspaceId]) -> Result<Vec<WorkspaceRow>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(agent.as_uuid()))
            .filter(workspaces::id.eq_any(ids.iter().map(|id| *id.as_uuid()).collect::<Vec<_>>()))
            .order(workspaces::id)
            .select(WorkspaceRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// The ids of what should be in the agent's cluster: something of it was proven to be there, and it is not to be removed.
    pub async fn applied(&self, agent: AgentId) -> Result<Vec<WorkspaceId>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(agent.as_uuid()))
            .filter(workspaces::living)
            .filter(workspaces::applied_generation.gt(0))
            .filter(workspaces::desired_state.ne(DesiredState::Terminated.as_str()))
            .select(workspaces::id);
        let ids: Vec<Uuid> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(ids.into_iter().map(Into::into).collect())
    }

    /// Takes what is suspected to be lost for lost: nothing of it is proven any more, so that it is pending. `suspected` is
    /// the reason's word that it has now, `reason` the one that it gets. Returns how many there were.
    pub async fn confirm_loss(
        &self,
        agent: AgentId,
        suspected: &str,
        reason: &StateReason,
    ) -> Result<usize, DbError> {
        let reason = serde_json::to_value(reason);
        let reason = reason.map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
        let statement = diesel::update(workspaces::table)
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(agent.as_uuid()))
            .filter(workspaces::living)
            .filter(workspaces::desired_state.ne(DesiredState::Terminated.as_str()))
            .filter(workspaces::reason.retrieve_as_text("reason").eq(suspected))
            .set((
                workspaces::applied_generation.eq(0),
                workspaces::deployment_resource_version.eq(None::<String>),
                workspaces::reason.eq(reason),
            ));
        self.0.run(statement.execute(&mut self.0.raw())).await
    }

    /// Those with something to do that is not proven yet: a generation above the proven one, a termination, a restart.
    /// Its cost depends on how many these are, not on how many workspaces there are.
    pub async fn pending(&self, agent: AgentId, page: &AgentPage) -> Result<Vec<WorkspaceRow>, DbError> {
        self.pending_beside(agent, &[], page).await
    }

    /// The same without those of `others`: they take no place on the page.
    pub async fn pending_beside(
        &self,
        agent: AgentId,
        others: &[WorkspaceId],
        page: &AgentPage,
    ) -> Result<Vec<WorkspaceRow>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(agent.as_uuid()))
            .filter(workspaces::id.gt(page.after()))
            .filter(workspaces::id.ne_all(others.iter().map(|id| *id.as_uuid()).collect::<Vec<_>>()))
            .filter(sql::<Bool>(PENDING))
            .order(workspaces::id)
            .limit(page.limit)
            .select(WorkspaceRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// What the agent speaks of and is its own, and a page of what is pending beside that; each in the order of ids. The two
    /// statements share a round trip.
    pub async fn for_partial_reconcile(
        &self,
        agent: AgentId,
        spoken_of: &[WorkspaceId],
        page: &AgentPage,
    ) -> Result<(Vec<WorkspaceRow>, Vec<WorkspaceRow>), DbError> {
        try_join(self.of_agent(agent, spoken_of), self.pending_beside(agent, spoken_of, page)).await
    }
}
