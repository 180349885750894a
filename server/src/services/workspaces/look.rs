//! Looking at workspaces: one, or a page of those that match.

use std::collections::HashMap;
use std::str::FromStr;

use berth_db::{Cursor, DbError, OrganizationConn, Owned, PageRequest, WorkspaceFilter, WorkspaceView};
use berth_policy::{Reach, Resource};
use berth_schema::api::{Paged, Workspace};
use berth_schema::state::UnknownState;
use berth_schema::{
    Action, ActualState, AgentId, AgentName, DesiredState, FieldError, ProjectId, SubjectId, WorkspaceId,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{find, show, whole};
use crate::identity::Member;
use crate::services::paging::{self, Limit, pick};
use crate::services::places::Places;
use crate::services::tree;
use crate::{Error, Op};

/// The longest part of a name to look for: no name is longer.
const MAX_NAME_PART: usize = 63;
/// How many agents of one name are looked at, all but one of them revoked.
const MAX_OF_A_NAME: i64 = 100;

pub async fn get(op: &Op<Member>, name_or_id: &str) -> Result<Workspace, Error> {
    op.read("get_workspace", async |conn| {
        let view = find(conn, name_or_id).await?;
        whole(conn, view, &op.context, op.now).await
    })
    .await
}

/// The query of a list, as it came.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// States with commas between.
    pub(crate) desired_state: Option<String>,
    /// States with commas between.
    pub(crate) actual_state: Option<String>,
    /// An agent's id or name.
    pub(crate) agent: Option<String>,
    /// A project's id or path.
    pub(crate) project: Option<String>,
    /// A part of the name.
    pub(crate) name: Option<String>,
    /// `me`: those of whoever asks.
    pub(crate) owner: Option<String>,
    #[schemars(with = "Option<Limit>")]
    pub(crate) limit: Option<String>,
    /// The `next` of an earlier page.
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
            project: None,
            own_and_of: None,
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
            let of = (query.agent.as_deref(), query.project.as_deref());
            load(conn, &op.who, &filter, &page, of).await
        })
        .await?;
    Ok(paging::page(found, &page, cursor, |view| show(view, &op.context, op.now)))
}

/// Those of `ids` that there are, as whoever asks would act on them.
pub async fn things(op: &Op<Member>, ids: &[WorkspaceId]) -> Result<HashMap<WorkspaceId, Resource>, Error> {
    let things =
        op.read("list_things", async |conn| of_asker(conn, ids, op.who.subject).await.map_err(Error::from));
    things.await
}

async fn of_asker(
    conn: &OrganizationConn<'_>,
    ids: &[WorkspaceId],
    asker: SubjectId,
) -> Result<HashMap<WorkspaceId, Resource>, DbError> {
    let owned = conn.workspaces().all_owned(ids).await?;
    let places = Places::for_one(conn, owned.iter().filter_map(Owned::project), asker).await?;
    let thing = |owned: &Owned| (owned.id, places.workspace(conn.organization(), owned, asker));
    Ok(owned.iter().map(thing).collect())
}

fn cursor(view: &WorkspaceView) -> Cursor {
    Cursor::new(view.workspace.created_at, view.workspace.id)
}

/// Those of the views that may be looked at, where rules name single workspaces or somebody is more at places.
async fn seen(
    conn: &OrganizationConn<'_>,
    who: &Member,
    views: Vec<WorkspaceView>,
) -> Result<Vec<WorkspaceView>, Error> {
    let ids: Vec<_> = views.iter().map(|view| view.workspace.id).collect();
    let things = of_asker(conn, &ids, who.subject).await?;
    let is_seen = |view: &WorkspaceView| {
        let thing = things.get(&view.workspace.id);
        thing.is_some_and(|thing| who.authority.decide(Action::ReadWorkspace, thing).allowed)
    };
    Ok(views.into_iter().filter(is_seen).collect())
}

/// The project that a list is of, which whoever asks has to see.
async fn project_of(
    conn: &OrganizationConn<'_>,
    who: &Member,
    project: Option<&str>,
) -> Result<Option<ProjectId>, Error> {
    let Some(project) = project else { return Ok(None) };
    let found = tree::project(conn, project, who.subject).await?;
    let seen = found.filter(|found| who.authority.decide(Action::ReadProject, found).allowed);
    let id = seen.and_then(|project| project.id.parse().ok());
    id.map(Some).ok_or_else(|| Error::field("project", "is not a project that you may see"))
}

async fn load(
    conn: &OrganizationConn<'_>,
    who: &Member,
    filter: &WorkspaceFilter,
    page: &PageRequest,
    (agent, project): (Option<&str>, Option<&str>),
) -> Result<Vec<WorkspaceView>, Error> {
    let project = project_of(conn, who, project).await?;
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
    let mut filter = WorkspaceFilter { agents, project, ..filter.clone() };
    let grants = conn.role_grants().of_subject(who.subject).await?;
    let reach = who.authority.reach(Action::ReadWorkspace);
    if grants.is_empty() {
        match reach {
            Reach::Nothing => return Ok(Vec::new()),
            Reach::Own(subject) => filter.owner = Some(subject),
            Reach::All | Reach::Each => {}
        }
        if reach != Reach::Each {
            return Ok(conn.workspaces().list(&filter, page).await?);
        }
    }
    // What somebody is at places adds to what they see and, by rules, can take from it.
    let own = match reach {
        Reach::Nothing => Some(None),
        Reach::Own(subject) => Some(Some(subject)),
        Reach::All | Reach::Each => None,
    };
    if let Some(own) = own {
        let spots: Vec<_> = grants.keys().copied().collect();
        filter.own_and_of = Some((own, conn.projects().at(&spots).await?));
    }
    Ok(pick!(page, |part| conn.workspaces().list(&filter, part).await?, cursor, |views| {
        seen(conn, who, views).await?
    }))
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
            project: None,
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
