//! Looking at workspaces: one, or a page of those that match.

use std::collections::HashMap;
use std::str::FromStr;

use berth_db::{Cursor, OrganizationConn, PageRequest, WorkspaceFilter, WorkspaceView};
use berth_policy::{Reach, Resource};
use berth_schema::api::{Paged, Workspace};
use berth_schema::state::UnknownState;
use berth_schema::{
    Action, ActualState, AgentId, AgentName, DesiredState, FieldError, ResourceKind, SubjectId, WorkspaceId,
};
use serde::Deserialize;

use super::{find, show, whole};
use crate::identity::{Authority, Member};
use crate::services::paging::{self, pick};
use crate::{Error, Op};

/// The longest part of a name to look for: no name is longer.
const MAX_NAME_PART: usize = 63;
/// How many agents of one name are looked at, all but one of them revoked.
const MAX_OF_A_NAME: i64 = 100;

pub async fn get(op: &Op<Member>, name_or_id: &str) -> Result<Workspace, Error> {
    op.read("get_workspace", async |conn| {
        let view = find(conn, name_or_id).await?;
        whole(conn, view, &op.context.agent_defaults).await
    })
    .await
}

/// The query of a list, as it came.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Comma-separated, as is `actual_state`.
    pub(crate) desired_state: Option<String>,
    pub(crate) actual_state: Option<String>,
    /// An agent's id or name.
    pub(crate) agent: Option<String>,
    /// A part of the name.
    pub(crate) name: Option<String>,
    /// `me`: those of whoever asks.
    pub(crate) owner: Option<String>,
    pub(crate) limit: Option<String>,
    pub(crate) after: Option<String>,
}

impl ListQuery {
    /// `me` is whoever asks.
    fn check(&self, me: SubjectId) -> Result<(WorkspaceFilter, PageRequest), Error> {
        let mut errors = Vec::new();
        let desired_states = states(self.desired_state.as_deref(), "desired_state", &mut errors);
        let actual_states = states(self.actual_state.as_deref(), "actual_state", &mut errors);
        // What is gone is listed for those who ask for it by its state.
        let gone_too = desired_states.contains(&DesiredState::Terminated)
            || actual_states.contains(&ActualState::Terminated);
        let filter = WorkspaceFilter {
            desired_states,
            actual_states,
            agents: None,
            owner: self.owner.as_ref().map(|_| me),
            name_contains: self.name.clone().filter(|part| !part.is_empty()),
            living_only: !gone_too,
        };
        if self.name.as_ref().is_some_and(|part| part.len() > MAX_NAME_PART) {
            errors.push(FieldError::new("name", format!("must have at most {MAX_NAME_PART} characters")));
        }
        if self.owner.as_ref().is_some_and(|owner| owner != "me") {
            errors.push(FieldError::new("owner", "must be 'me'"));
        }
        let page = paging::request(self.limit.as_deref(), self.after.as_deref(), &mut errors);
        if errors.is_empty() { Ok((filter, page)) } else { Err(Error::Invalid(errors)) }
    }
}

fn states<S: FromStr<Err = UnknownState>>(
    list: Option<&str>,
    field: &str,
    errors: &mut Vec<FieldError>,
) -> Vec<S> {
    let mut states = Vec::new();
    for text in list.into_iter().flat_map(|list| list.split(',')) {
        match text.trim().parse::<S>() {
            Ok(state) => states.push(state),
            Err(error) => errors.push(FieldError::new(field, error.to_string())),
        }
    }
    states
}

/// A page of those that match and that whoever asks may look at.
pub async fn list(op: &Op<Member>, query: &ListQuery) -> Result<Paged<Workspace>, Error> {
    let (filter, page) = query.check(op.who.subject)?;
    let found = op
        .read("list_workspaces", async |conn| {
            load(conn, &op.who.authority, &filter, &page, query.agent.as_deref()).await
        })
        .await?;
    Ok(paging::page(found, &page, cursor, show))
}

/// Whose those of `ids` are that there are.
pub async fn owners(op: &Op<Member>, ids: &[WorkspaceId]) -> Result<HashMap<WorkspaceId, SubjectId>, Error> {
    let owners = op.read("list_owners", async |conn| {
        Ok::<_, Error>(conn.workspaces().owners(ids).await?.into_iter().collect())
    });
    owners.await
}

fn cursor(view: &WorkspaceView) -> Cursor {
    Cursor::new(view.workspace.created_at, view.workspace.id)
}

/// Whether whoever has that authority may look at a workspace, by its id and whose it is.
pub(crate) fn is_seen(authority: &Authority, id: WorkspaceId, owner: SubjectId) -> bool {
    let organization = authority.asker.organization;
    let workspace = Resource::new(ResourceKind::Workspace, id.to_string(), organization).owned_by(owner);
    authority.decide(Action::ReadWorkspace, &workspace).allowed
}

/// Those of the views that may be looked at, where rules name single workspaces.
async fn seen(
    conn: &OrganizationConn<'_>,
    authority: &Authority,
    views: Vec<WorkspaceView>,
) -> Result<Vec<WorkspaceView>, Error> {
    let ids: Vec<_> = views.iter().map(|view| view.workspace.id).collect();
    let owners: HashMap<_, _> = conn.workspaces().owners(&ids).await?.into_iter().collect();
    let is_seen = |view: &WorkspaceView| {
        let id = view.workspace.id;
        owners.get(&id).is_some_and(|owner| is_seen(authority, id, *owner))
    };
    Ok(views.into_iter().filter(is_seen).collect())
}

async fn load(
    conn: &OrganizationConn<'_>,
    authority: &Authority,
    filter: &WorkspaceFilter,
    page: &PageRequest,
    agent: Option<&str>,
) -> Result<Vec<WorkspaceView>, Error> {
    let agents = match agent.map(|agent| (agent.parse::<AgentId>(), AgentName::new(agent))) {
        None => None,
        Some((Ok(id), _)) => Some(vec![id]),
        // A list shows the name alone: that of an agent that was revoked means its workspaces, too.
        Some((_, Ok(name))) => match conn.agents().ids_of_name(&name, MAX_OF_A_NAME).await? {
            ids if ids.is_empty() => {
                return Err(Error::field("agent", "is not an agent of this organization"));
            }
            ids => Some(ids),
        },
        Some(_) => return Err(Error::field("agent", "must be an agent's name or id")),
    };
    let mut filter = WorkspaceFilter { agents, ..filter.clone() };
    match authority.reach(Action::ReadWorkspace) {
        Reach::Nothing => return Ok(Vec::new()),
        Reach::All => {}
        Reach::Own(subject) => filter.owner = Some(subject),
        Reach::Each => {
            let picked =
                pick!(page, |part| conn.workspaces().list(&filter, part).await?, cursor, |views| seen(
                    conn, authority, views
                )
                .await?);
            return Ok(picked);
        }
    }
    Ok(conn.workspaces().list(&filter, page).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_parameter_is_named() {
        let text = |text: &str| Some(text.to_owned());
        let query = ListQuery {
            desired_state: text("running,Broken"),
            actual_state: text("x"),
            name: text(&"a".repeat(64)),
            limit: text("0"),
            after: text("!"),
            agent: None,
            owner: text("you"),
        };
        let nobody = SubjectId::random();
        let Err(Error::Invalid(errors)) = query.check(nobody) else { panic!("it is wrong") };
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["desired_state", "actual_state", "name", "owner", "limit", "after"]);
    }

    #[test]
    fn several_states_are_separated_by_commas() {
        let query = ListQuery { actual_state: Some("failed, Error".to_owned()), ..ListQuery::default() };
        let (filter, page) = query.check(SubjectId::random()).expect("right");
        assert_eq!(filter.actual_states.len(), 2);
        assert_eq!(page.limit, 26);
    }
}
