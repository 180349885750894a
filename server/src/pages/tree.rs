//! Groups and projects: those there are, one of them, and who is what there.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use berth_policy::Resource;
use berth_schema::access::Role;
use berth_schema::elevations::{DEFAULT_SECONDS, MAX_SECONDS};
use berth_schema::groups::{CreateGroup, GiveRole, GivenRole, TakeRole};
use berth_schema::names::ProjectName;
use berth_schema::projects::{CreateProject, ProjectSettings};
use berth_schema::{Action, AgentName, GitReference, ProjectSpec, ProjectUrl, ResourceKind};
use serde::Deserialize;

use super::frame::{Frame, may, may_to};
use super::given::Given;
use super::page::{see, show};
use super::times::at;
use crate::handlers::ListQuery;
use crate::http::body::Form;
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::idempotency::Creation;
use crate::services::{grants, groups, projects};
use crate::{Error, Op};

#[derive(Template)]
#[template(path = "tree/list.html")]
struct List<'a> {
    frame: Frame<'a>,
    /// What is listed: `groups` or `projects`.
    kind: &'static str,
    rows: Vec<Row>,
    next: Option<String>,
    makes: bool,
}

struct Row {
    id: String,
    path: String,
    note: String,
}

/// The groups that whoever looks may see.
pub(crate) async fn all_groups(op: Op<Member>, query: Query<ListQuery>) -> Result<HttpResponse, Error> {
    let page = groups::list(&op, &query.0.page()?).await?;
    let rows = page.items.into_iter().map(|group| Row {
        id: group.id.to_string(),
        path: group.path.to_string(),
        note: format!("made {}", at(group.created_at)),
    });
    let (frame, makes) = (Frame::of(&op, "/groups"), may(&op, Action::CreateGroup));
    show(StatusCode::OK, &List { frame, kind: "groups", rows: rows.collect(), next: page.next, makes })
}

/// The same of projects.
pub(crate) async fn all_projects(op: Op<Member>, query: Query<ListQuery>) -> Result<HttpResponse, Error> {
    let page = projects::list(&op, &query.0.page()?).await?;
    let rows = page.items.into_iter().map(|project| Row {
        id: project.id.to_string(),
        path: project.path.to_string(),
        note: project.settings.repository.map(|repository| repository.url.to_string()).unwrap_or_default(),
    });
    let (frame, makes) = (Frame::of(&op, "/projects"), may(&op, Action::CreateProject));
    show(StatusCode::OK, &List { frame, kind: "projects", rows: rows.collect(), next: page.next, makes })
}

#[derive(Template)]
#[template(path = "tree/one.html")]
struct One<'a> {
    frame: Frame<'a>,
    /// What it is: `groups` or `projects`.
    kind: &'static str,
    /// Below which its own addresses are.
    base: String,
    path: String,
    facts: Vec<(&'static str, String)>,
    given: Given,
    /// `None`: not for whoever looks.
    members: Option<Vec<GivenRole>>,
    roles: [Role; 5],
    may: May,
    /// Of the form by which a role is asked for: how long that is at first and at most, in minutes.
    minutes: u32,
    most: u32,
    reason: &'static str,
}

/// What the page offers.
#[expect(clippy::struct_excessive_bools, reason = "each is a part of the page, whatever the others are")]
struct May {
    make_group: bool,
    make_project: bool,
    make_workspace: bool,
    give: bool,
    take: bool,
    delete: bool,
    ask: bool,
}

/// Whether somebody may do that to what the page is of.
fn does(op: &Op<Member>, action: Action) -> bool {
    op.resource.as_ref().is_some_and(|thing| thing.kind == action.resource() && may_to(op, action, thing))
}

/// The same, or once they have proven anew who they are.
fn asks(op: &Op<Member>, action: Action) -> bool {
    let would = |thing: &Resource| op.who.authority.would_step_up(action, thing);
    does(op, action)
        || op.resource.as_ref().is_some_and(|thing| thing.kind == action.resource() && would(thing))
}

impl May {
    /// A group is no project: of the actions of both, those of its own kind can be permitted.
    fn of(op: &Op<Member>) -> Self {
        Self {
            make_group: does(op, Action::CreateSubgroup),
            make_project: does(op, Action::CreateProjectInGroup),
            make_workspace: does(op, Action::CreateWorkspaceInProject),
            give: does(op, Action::GiveRoleInGroup) || does(op, Action::GiveRoleInProject),
            take: does(op, Action::TakeRoleInGroup) || does(op, Action::TakeRoleInProject),
            delete: does(op, Action::DeleteGroup) || does(op, Action::DeleteProject),
            ask: asks(op, Action::RequestElevationInGroup) || asks(op, Action::RequestElevationInProject),
        }
    }
}

/// Where the page is of what an operation is done to.
fn base(op: &Op<Member>) -> String {
    format!("/organizations/{}/{}/{}", op.who.organization_name, kind(op), op.target())
}

fn kind(op: &Op<Member>) -> &'static str {
    match op.resource.as_ref().map(|thing| thing.kind) {
        Some(ResourceKind::Project) => "projects",
        _ => "groups",
    }
}

async fn one(
    op: &Op<Member>,
    path: String,
    facts: Vec<(&'static str, String)>,
) -> Result<HttpResponse, Error> {
    let members = if does(op, Action::ListGroupMembers) || does(op, Action::ListProjectMembers) {
        Some(grants::list(op, &ListQuery::most()).await?.items)
    } else {
        None
    };
    let sees = (
        does(op, Action::ListGroupVariables) || does(op, Action::ListProjectVariables),
        does(op, Action::ListGroupGitCredentials) || does(op, Action::ListProjectGitCredentials),
    );
    let given = Given::of(op, sees).await?;
    let (kind, base) = (kind(op), base(op));
    let frame = Frame::of(op, if kind == "groups" { "/groups" } else { "/projects" });
    let (roles, may) = (Role::ALL, May::of(op));
    let (minutes, most, reason) = (DEFAULT_SECONDS / 60, MAX_SECONDS / 60, "");
    let page = One { frame, kind, base, path, facts, given, members, roles, may, minutes, most, reason };
    show(StatusCode::OK, &page)
}

pub(crate) async fn group(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    let group = groups::get(&op, op.target()).await?;
    let agents = group.agents.filter(|agents| !agents.is_empty());
    let agents = agents.map(|agents| agents.iter().map(AgentName::as_str).collect::<Vec<_>>().join(", "));
    let mut facts: Vec<_> = agents.map(|agents| ("Agents", agents)).into_iter().collect();
    facts.extend([("Made", at(group.created_at)), ("Id", group.id.to_string())]);
    one(&op, group.path.to_string(), facts).await
}

pub(crate) async fn project(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    let project = projects::get(&op, op.target()).await?;
    let mut facts = Vec::new();
    if let Some(ProjectSpec { url, reference }) = project.settings.repository {
        facts.push(("Repository", url.to_string()));
        facts.extend(reference.map(|reference| ("Branch, tag or commit", String::from(reference))));
    }
    facts.extend(project.settings.agent.map(|agent| ("Agent", agent.to_string())));
    facts.extend([("Made", at(project.created_at)), ("Id", project.id.to_string())]);
    one(&op, project.path.to_string(), facts).await
}

/// In the group that the page is of, or below the organisation.
pub(crate) async fn make_group(op: Op<Member>, form: Form<CreateGroup>) -> Result<HttpResponse, Error> {
    let (Creation::New(group) | Creation::Repeated(group)) = groups::create(&op, form.0, None).await?;
    Ok(see(&format!("/organizations/{}/groups/{}", op.who.organization_name, group.id)))
}

/// What the form of a project sends: every field, empty where nothing was written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProject {
    name: ProjectName,
    #[serde(default)]
    repository: String,
    #[serde(default, rename = "ref")]
    reference: String,
    #[serde(default)]
    agent: String,
}

impl NewProject {
    fn wanted(self) -> Result<CreateProject, Error> {
        fn read<T, E: ToString>(
            field: &'static str,
            text: &str,
            read: impl Fn(&str) -> Result<T, E>,
        ) -> Result<Option<T>, Error> {
            let given = Some(text.trim()).filter(|text| !text.is_empty()).map(read).transpose();
            given.map_err(|error| Error::field(field, error.to_string()))
        }
        let url = read("repository", &self.repository, ProjectUrl::new)?;
        let reference = read("ref", &self.reference, |text| GitReference::new(text))?;
        if url.is_none() && reference.is_some() {
            return Err(Error::field("repository", "is needed where a branch, tag or commit is given"));
        }
        let agent = read("agent", &self.agent, |text| AgentName::new(text))?;
        let repository = url.map(|url| ProjectSpec { url, reference });
        Ok(CreateProject { name: self.name, settings: ProjectSettings { repository, agent } })
    }
}

/// In the group that the page is of, or below the organisation.
pub(crate) async fn make_project(op: Op<Member>, form: Form<NewProject>) -> Result<HttpResponse, Error> {
    let (Creation::New(project) | Creation::Repeated(project)) =
        projects::create(&op, form.0.wanted()?, None).await?;
    Ok(see(&format!("/organizations/{}/projects/{}", op.who.organization_name, project.id)))
}

pub(crate) async fn give_role(op: Op<Member>, form: Form<GiveRole>) -> Result<HttpResponse, Error> {
    grants::give(&op, &form.0).await?;
    Ok(see(&base(&op)))
}

pub(crate) async fn take_role(op: Op<Member>, form: Form<TakeRole>) -> Result<HttpResponse, Error> {
    grants::take(&op, &form.0).await?;
    Ok(see(&base(&op)))
}

pub(crate) async fn delete_group(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    groups::delete(&op, op.target()).await?;
    Ok(see(&format!("/organizations/{}/groups", op.who.organization_name)))
}

pub(crate) async fn delete_project(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    projects::delete(&op, op.target()).await?;
    Ok(see(&format!("/organizations/{}/projects", op.who.organization_name)))
}
