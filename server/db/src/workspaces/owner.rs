//! Whose workspaces are, and what they belong to.

use berth_schema::{AgentId, DesiredState, ProjectId, SubjectId, WorkspaceId, WorkspaceName};
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

/// What is decided by, of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable)]
pub struct Owned {
    #[diesel(deserialize_as = Uuid)]
    pub id: WorkspaceId,
    #[diesel(deserialize_as = Uuid)]
    pub owner: SubjectId,
    project_id: Option<Uuid>,
}

impl Owned {
    pub fn new(id: WorkspaceId, owner: SubjectId, project: Option<ProjectId>) -> Self {
        Self { id, owner, project_id: project.map(Uuid::from) }
    }

    pub fn project(&self) -> Option<ProjectId> {
        self.project_id.map(ProjectId::from)
    }
}

impl Workspaces<'_> {
    /// The workspace with that id, terminated or not.
    pub async fn owned(&self, id: WorkspaceId) -> Result<Option<Owned>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq(id.as_uuid()))
            .select((workspaces::id, owner(), workspaces::project_id));
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
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

    /// What is to run on an agent, each with what it belongs to, by their ids; locked until the transaction ends.
    pub async fn running_on(&self, agent: AgentId) -> Result<Vec<(WorkspaceId, Option<ProjectId>)>, DbError> {
        let running = [DesiredState::Running, DesiredState::RestartRequested].map(DesiredState::as_str);
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(agent.as_uuid()))
            .filter(workspaces::desired_state.eq_any(running))
            .order(workspaces::id)
            .select((workspaces::id, workspaces::project_id))
            .for_no_key_update();
        let found: Vec<(Uuid, Option<Uuid>)> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(found.into_iter().map(|(id, project)| (id.into(), project.map(Into::into))).collect())
    }

    /// What is decided by of the living workspace of that name, or else the last one that was terminated.
    pub async fn owned_by_name(&self, name: &WorkspaceName) -> Result<Option<Owned>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::name.eq(name.as_str()))
            .order((workspaces::living.desc(), workspaces::created_at.desc()))
            .limit(1)
            .select((workspaces::id, owner(), workspaces::project_id));
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The same of those of `ids` that there are.
    pub async fn all_owned(&self, ids: &[WorkspaceId]) -> Result<Vec<Owned>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq_any(ids.iter().map(|id| *id.as_uuid()).collect::<Vec<_>>()))
            .select((workspaces::id, owner(), workspaces::project_id));
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// How many living ones belong to a project.
    pub async fn count_in(&self, project: ProjectId) -> Result<i64, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::project_id.eq(Some(Uuid::from(project))))
            .filter(workspaces::living)
            .count();
        self.0.run(query.get_result(&mut self.0.raw())).await
    }
}
