//! What an agent's round needs to know.

use std::collections::BTreeMap;

use berth_schema::{AgentId, WorkspaceId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures::future::try_join;
use uuid::Uuid;

use super::{WorkspaceRow, Workspaces};
use crate::error::DbError;
use crate::schema::workspaces;

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

    /// Every workspace of the agent that is not Terminated in both states, a page at a time.
    pub async fn for_full_reconcile(
        &self,
        agent: AgentId,
        page: &AgentPage,
    ) -> Result<Vec<WorkspaceRow>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(agent.as_uuid()))
            .filter(workspaces::id.gt(page.after()))
            .filter(workspaces::living)
            .order(workspaces::id)
            .limit(page.limit)
            .select(WorkspaceRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Those with something to do that is not proven yet: a generation above the proven one, a termination, a restart.
    /// Its cost depends on how many these are, not on how many workspaces there are.
    pub async fn pending(&self, agent: AgentId, page: &AgentPage) -> Result<Vec<WorkspaceRow>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(agent.as_uuid()))
            .filter(workspaces::id.gt(page.after()))
            .filter(workspaces::pending)
            .order(workspaces::id)
            .limit(page.limit)
            .select(WorkspaceRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// What the agent reported and is its own, and a page of what is pending, each once, in the order of their ids. The two
    /// statements share a round trip; where they saw a workspace differently the later one counts.
    pub async fn for_partial_reconcile(
        &self,
        agent: AgentId,
        reported: &[WorkspaceId],
        page: &AgentPage,
    ) -> Result<Vec<WorkspaceRow>, DbError> {
        if reported.is_empty() {
            return self.pending(agent, page).await;
        }
        let (reported, pending) = try_join(self.of_agent(agent, reported), self.pending(agent, page)).await?;
        let rows = reported.into_iter().chain(pending).map(|row| (row.id, row));
        Ok(rows.collect::<BTreeMap<_, _>>().into_values().collect())
    }
}
