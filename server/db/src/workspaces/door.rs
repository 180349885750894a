//! What is asked of a workspace before somebody is let in.

use berth_schema::{AgentId, ProjectId, SubjectId, WorkspaceId, WorkspaceName};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Workspaces;
use crate::error::DbError;
use crate::schema::workspaces;

/// Where a workspace is, what it is called, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceDoor {
    pub agent: AgentId,
    pub name: String,
    pub creator: SubjectId,
    /// What it belongs to.
    pub project: Option<ProjectId>,
}

impl WorkspaceDoor {
    pub fn is_called(&self, name: &WorkspaceName) -> bool {
        self.name == name.as_str()
    }
}

/// Agent, name, the subject and the token of who created it, project.
type Found = (Uuid, String, Option<Uuid>, Uuid, Option<Uuid>);

impl Workspaces<'_> {
    /// Of one that is not terminated for good.
    pub async fn door(&self, id: WorkspaceId) -> Result<Option<WorkspaceDoor>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq(id.as_uuid()))
            .filter(workspaces::living)
            .select((
                workspaces::agent_id,
                workspaces::name,
                workspaces::created_by_subject,
                workspaces::created_by,
                workspaces::project_id,
            ));
        let found: Option<Found> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(found.map(|(agent, name, subject, token, project)| WorkspaceDoor {
            agent: agent.into(),
            name,
            // One of before names the token alone, whose id its creator has (decision 0042).
            creator: subject.unwrap_or(token).into(),
            project: project.map(ProjectId::from),
        }))
    }
}
