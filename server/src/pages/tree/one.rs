//! One group or one project, and who is what there.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use berth_schema::access::Role;
use berth_schema::elevations::{DEFAULT_SECONDS, MAX_SECONDS};
use berth_schema::groups::GivenRole;
use berth_schema::idle::{IdleAfter, IdleView, MAX_MINUTES, MINUTES};
use berth_schema::{Action, AgentName, ProjectSpec};

use super::{Again, Kind, Refused, asks, base, does};
use crate::handlers::ListQuery;
use crate::identity::Member;
use crate::pages::frame::Frame;
use crate::pages::given::Given;
use crate::pages::page::{refuse, show};
use crate::pages::times::at;
use crate::services::{grants, groups, idle_rules, projects};
use crate::{Error, Op};

#[derive(Template)]
#[template(path = "tree/one.html")]
struct One<'a> {
    frame: Frame<'a>,
    kind: &'static str,
    /// Below which its own addresses are.
    base: String,
    path: String,
    facts: Vec<(&'static str, String)>,
    given: Given,
    /// `None`: not for whoever looks.
    idle: Option<Idle>,
    /// `None`: not for whoever looks.
    members: Option<Vec<GivenRole>>,
    roles: [Role; 5],
    may: May,
    /// Of the form by which a role is asked for: how long that is at first and at most, in minutes.
    minutes: String,
    most: u32,
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
    set_idle: bool,
}

/// What is said of idleness there.
struct Idle {
    in_force: String,
    /// As the form has it: of what nothing is said, nothing.
    minutes: String,
    max_minutes: String,
}

impl Idle {
    async fn of(op: &Op<Member>, refused: &Refused) -> Result<Option<Self>, Error> {
        if !does(op, Action::ReadGroupIdleRule) && !does(op, Action::ReadProjectIdleRule) {
            return Ok(None);
        }
        let IdleView { rule, in_force } = idle_rules::get(op).await?;
        let minutes = match rule.stop_after {
            Some(IdleAfter::Minutes(minutes)) => minutes.to_string(),
            Some(IdleAfter::Never) => IdleAfter::Never.to_string(),
            None => String::new(),
        };
        let most = rule.max_minutes.map(|most| most.to_string()).unwrap_or_default();
        let typed = |field, otherwise: &str| refused.typed_or("idle", field, otherwise).to_owned();
        Ok(Some(Self {
            in_force: in_force.map_or_else(|| NOBODY.to_owned(), |rule| rule.to_string()),
            minutes: typed(MINUTES, &minutes),
            max_minutes: typed(MAX_MINUTES, &most),
        }))
    }
}

const NOBODY: &str = "as the configuration of their agent says";

impl May {
    fn of(op: &Op<Member>) -> Self {
        Self {
            make_group: does(op, Action::CreateSubgroup),
            make_project: does(op, Action::CreateProjectInGroup),
            make_workspace: does(op, Action::CreateWorkspaceInProject),
            give: does(op, Action::GiveRoleInGroup) || does(op, Action::GiveRoleInProject),
            take: does(op, Action::TakeRoleInGroup) || does(op, Action::TakeRoleInProject),
            delete: does(op, Action::DeleteGroup) || does(op, Action::DeleteProject),
            set_idle: does(op, Action::SetGroupIdleRule) || does(op, Action::SetProjectIdleRule),
            ask: asks(op, Action::RequestElevationInGroup) || asks(op, Action::RequestElevationInProject),
        }
    }
}

pub(crate) async fn group(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    show(StatusCode::OK, &page(&op, Refused::default()).await?)
}

pub(crate) async fn project(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    show(StatusCode::OK, &page(&op, Refused::default()).await?)
}

pub(super) async fn again(op: &Op<Member>, (error, refused): Again) -> Result<HttpResponse, Error> {
    refuse(error, &page(op, refused).await?)
}

async fn page(op: &Op<Member>, refused: Refused) -> Result<One<'_>, Error> {
    let kind = Kind::of(op);
    let (path, facts) = match kind {
        Kind::Groups => of_group(op).await?,
        Kind::Projects => of_project(op).await?,
    };
    let members = if does(op, Action::ListGroupMembers) || does(op, Action::ListProjectMembers) {
        Some(grants::list(op, &ListQuery::most()).await?.items)
    } else {
        None
    };
    let minutes = refused.typed_or("elevation", "minutes", &(DEFAULT_SECONDS / 60).to_string()).to_owned();
    let idle = Idle::of(op, &refused).await?;
    let given = Given::of_tree(op, base(op), refused).await?;
    Ok(One {
        frame: Frame::of(op, if kind == Kind::Groups { "/groups" } else { "/projects" }),
        kind: kind.as_str(),
        base: base(op),
        path,
        facts,
        given,
        idle,
        members,
        roles: Role::ALL,
        may: May::of(op),
        minutes,
        most: MAX_SECONDS / 60,
    })
}

type Facts = Vec<(&'static str, String)>;

async fn of_group(op: &Op<Member>) -> Result<(String, Facts), Error> {
    let group = groups::get(op, op.target()).await?;
    let agents = group.agents.filter(|agents| !agents.is_empty());
    let agents = agents.map(|agents| agents.iter().map(AgentName::as_str).collect::<Vec<_>>().join(", "));
    let mut facts: Vec<_> = agents.map(|agents| ("Agents", agents)).into_iter().collect();
    facts.extend([("Made", at(group.created_at)), ("Id", group.id.to_string())]);
    Ok((group.path.to_string(), facts))
}

async fn of_project(op: &Op<Member>) -> Result<(String, Facts), Error> {
    let project = projects::get(op, op.target()).await?;
    let mut facts = Vec::new();
    if let Some(ProjectSpec { url, reference }) = project.settings.repository {
        facts.push(("Repository", url.to_string()));
        facts.extend(reference.map(|reference| ("Branch, tag or commit", String::from(reference))));
    }
    let path = project.settings.devfile_path;
    facts.extend(path.map(|path| ("File in the repository", path.to_string())));
    facts.extend(project.settings.agent.map(|agent| ("Agent", agent.to_string())));
    facts.extend([("Made", at(project.created_at)), ("Id", project.id.to_string())]);
    Ok((project.path.to_string(), facts))
}
