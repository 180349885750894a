//! Whose workspaces are.

use berth_schema::{AgentId, DesiredState, SubjectId, WorkspaceId, WorkspaceName};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Workspaces;
use crate::error::DbError;
use crate::schema::workspaces;

/// Who created it. Of those from before there were subjects, the one with the token's id.
pub(super) fn owner() -> SqlLiteral<diesel::sql_types::Uuid> {
    sql("coalesce(workspaces.created_by_subject, workspaces.created_by)")
}

impl Workspaces<'_> {
    /// The workspace with that id, terminated or not, and whose it is.
    pub async fn owned(&self, id: WorkspaceId) -> Result<Option<(WorkspaceId, SubjectId)>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq(id.as_uuid()))
            .select((workspaces::id, owner()));
        let found: Option<(Uuid, Uuid)> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(found.map(|(id, owner)| (id.into(), owner.into())))
    }

    /// What is somebody's and is to run, each with its agent, by their ids.
    pub async fn running_of(&self, subject: SubjectId) -> Result<Vec<(WorkspaceId, AgentId)>, DbError> {
        let running = [DesiredState::Running, DesiredState::RestartRequested].map(DesiredState::as_str);
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(owner().eq(subject.as_uuid()))
            .filter(workspaces::desired_state.eq_any(running))
            .order(workspaces::id)
            .select((workspaces::id, workspaces::agent_id));
        let found: Vec<(Uuid, Uuid)> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(found.into_iter().map(|(id, agent)| (id.into(), agent.into())).collect())
    }

    /// The same of the living workspace of that name, or else the last one that was terminated.
    pub async fn owned_by_name(
        &self,
        name: &WorkspaceName,
    ) -> Result<Option<(WorkspaceId, SubjectId)>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::name.eq(name.as_str()))
            .order((workspaces::living.desc(), workspaces::created_at.desc()))
            .limit(1)
            .select((workspaces::id, owner()));
        let found: Option<(Uuid, Uuid)> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(found.map(|(id, owner)| (id.into(), owner.into())))
    }

    /// Whose those of `ids` are that there are.
    pub async fn owners(&self, ids: &[WorkspaceId]) -> Result<Vec<(WorkspaceId, SubjectId)>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq_any(ids.iter().map(|id| *id.as_uuid()).collect::<Vec<_>>()))
            .select((workspaces::id, owner()));
        let found: Vec<(Uuid, Uuid)> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(found.into_iter().map(|(id, owner)| (id.into(), owner.into())).collect())
    }
}
