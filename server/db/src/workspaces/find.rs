//! Finding workspaces for users.

use berth_schema::{ActualState, AgentId, DesiredState, ProjectId, SubjectId, WorkspaceId, WorkspaceName};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{WorkspaceView, Workspaces};
use crate::error::DbError;
use crate::page::{PageRequest, paged};
use crate::schema::{agents, workspaces};

/// Which workspaces a list holds. Empty lists and `None` filter nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkspaceFilter {
    pub desired_states: Vec<DesiredState>,
    pub actual_states: Vec<ActualState>,
    /// Of one of these.
    pub agents: Option<Vec<AgentId>>,
    /// Whose they are.
    pub owner: Option<SubjectId>,
    /// What they belong to.
    pub project: Option<ProjectId>,
    /// Somebody's own, and those of these projects.
    pub own_and_of: Option<(Option<SubjectId>, Vec<ProjectId>)>,
    /// What the name contains, taken literally.
    pub name_contains: Option<String>,
    /// Leave out those that are Terminated in both states.
    pub living_only: bool,
}

impl Workspaces<'_> {
    /// The workspace with that id, terminated or not.
    pub async fn find(&self, id: WorkspaceId) -> Result<Option<WorkspaceView>, DbError> {
        let query = with_agents()
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq(id.as_uuid()))
            .select(WorkspaceView::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// Those of `ids` that there are, in the order of their ids.
    pub async fn find_all(&self, ids: &[WorkspaceId]) -> Result<Vec<WorkspaceView>, DbError> {
        let query = with_agents()
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq_any(ids.iter().map(|id| *id.as_uuid()).collect::<Vec<_>>()))
            .order(workspaces::id)
            .select(WorkspaceView::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// The living workspace of that name, or else the last one that was terminated.
    pub async fn find_by_name(&self, name: &WorkspaceName) -> Result<Option<WorkspaceView>, DbError> {
        let query = with_agents()
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::name.eq(name.as_str()))
            .order((workspaces::living.desc(), workspaces::created_at.desc()))
            .limit(1)
            .select(WorkspaceView::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The newest first.
    pub async fn list(
        &self,
        filter: &WorkspaceFilter,
        page: &PageRequest,
    ) -> Result<Vec<WorkspaceView>, DbError> {
        let mut query = with_agents()
            .filter(workspaces::organization_id.eq(self.0.key()))
            .select(WorkspaceView::as_select())
            .into_boxed();
        if !filter.desired_states.is_empty() {
            let states = filter.desired_states.iter().map(|state| state.as_str());
            query = query.filter(workspaces::desired_state.eq_any(states));
        }
        if !filter.actual_states.is_empty() {
            let states = filter.actual_states.iter().map(|state| state.as_str());
            query = query.filter(workspaces::actual_state.eq_any(states));
        }
        if let Some(agents) = &filter.agents {
            query = query.filter(workspaces::agent_id.eq_any(agents.iter().map(|id| *id.as_uuid())));
        }
        if let Some(owner) = filter.owner {
            query = query.filter(owned_by(owner));
        }
        if let Some(project) = filter.project {
            query = query.filter(workspaces::project_id.eq(Some(Uuid::from(project))));
        }
        if let Some((owner, projects)) = &filter.own_and_of {
            let projects = projects.iter().map(|project| Uuid::from(*project)).collect::<Vec<_>>();
            let of_those = workspaces::project_id.eq_any(projects);
            query = match owner {
                Some(owner) => query.filter(owned_by(*owner).or(of_those)),
                None => query.filter(of_those),
            };
        }
        if let Some(part) = &filter.name_contains {
            query = query.filter(workspaces::name.like(format!("%{}%", escape_like(part))));
        }
        if filter.living_only {
            query = query.filter(workspaces::living);
        }
        let query = paged!(query, workspaces, page);
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// The devfile as it was given; `None` when there is no such workspace or it was made from an image.
    pub async fn devfile(&self, id: WorkspaceId) -> Result<Option<String>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq(id.as_uuid()))
            .select(workspaces::devfile);
        let devfile: Option<Option<String>> =
            self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(devfile.flatten())
    }
}

#[diesel::dsl::auto_type(no_type_alias)]
fn owned_by(owner: SubjectId) -> _ {
    let subject: Uuid = owner.into();
    let of_before = workspaces::created_by_subject.is_null().and(workspaces::created_by.eq(subject));
    workspaces::created_by_subject.eq(subject).or(of_before.nullable())
}

#[diesel::dsl::auto_type(no_type_alias)]
fn with_agents() -> _ {
    let its_agent =
        agents::organization_id.eq(workspaces::organization_id).and(agents::id.eq(workspaces::agent_id));
    workspaces::table.inner_join(agents::table.on(its_agent))
}

/// The characters that LIKE gives a meaning, without it.
fn escape_like(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_name_filter_are_taken_literally() {
        assert_eq!(escape_like(r"50%_a\b"), r"50\%\_a\\b");
    }
}
