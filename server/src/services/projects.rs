//! Projects: made, listed, changed, moved, deleted.

use berth_db::{
    Changed, CreatedKind, Cursor, IdlePlace, NewProject, OrganizationConn, PageRequest, ProjectRow,
    constraints,
};
use berth_policy::Reach;
use berth_schema::api::Paged;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::projects::{
    ChangeProject, CreateProject, MAX_PROJECTS, Project, ProjectPath, ProjectSettings,
};
use berth_schema::{Action, AgentName, FieldError, ProjectId, ResourceKind};

use super::idempotency::{Creation, Idempotency, claim};
use super::paging::{self, pick};
use super::workspaces::{PLAIN_HTTP, ProjectRules};
use super::{admission, scopes, shift, tree};
use crate::identity::Member;
use crate::{Error, Op};

/// The field of a project's agent.
const AGENT: &str = "settings.agent";

/// Makes a project: in the group that the request names, or below the organisation itself.
pub async fn create(
    op: &Op<Member>,
    wanted: CreateProject,
    idempotency: Option<&Idempotency>,
) -> Result<Creation<Project>, Error> {
    check(&wanted.settings, op.context.projects)?;
    let id = ProjectId::random();
    op.change("create_project", async |conn| {
        if let Some(earlier) = claim(conn, op, idempotency, CreatedKind::Project, id.into()).await? {
            let row = found(conn, &earlier.to_string()).await?;
            return Ok(Changed::Not(Creation::Repeated(show(row))));
        }
        conn.organizations().lock().await?;
        let group = match op.action {
            Some(Action::CreateProjectInGroup) => Some(tree::parent(conn, op.target()).await?),
            _ => None,
        };
        demand_agent(conn, op, wanted.settings.agent.as_ref()).await?;
        if conn.projects().count().await? >= MAX_PROJECTS {
            let full = format!("the organization has {MAX_PROJECTS}, which is the most");
            return Err(Error::QuotaExceeded(vec![FieldError::new("projects", full)]));
        }
        let path = ProjectPath::within(group.as_ref().map(|group| &group.path), &wanted.name);
        let path = path.map_err(|error| Error::field("name", error.to_string()))?;
        let details = Details::ProjectCreated { group: group.as_ref().map(|group| group.id) };
        let (name, settings) = (wanted.name.clone(), wanted.settings.clone());
        let row = conn.projects().insert(&NewProject { id, name, group, settings }, op.now).await;
        let row = row.map_err(|error| taken(error, &path))?;
        Ok(Changed::So(Creation::New(show(row)), Event::new(Resource::project(id), details)))
    })
    .await
}

fn check(settings: &ProjectSettings, rules: ProjectRules) -> Result<(), Error> {
    let is_plain = settings.repository.as_ref().is_some_and(|project| project.url.is_plain_http());
    if is_plain && !rules.allow_http {
        return Err(Error::field("settings.repository.url", PLAIN_HTTP));
    }
    if settings.devfile_path.is_some() && settings.repository.is_none() {
        return Err(Error::field("settings.devfile_path", "is of no repository; give 'repository' with it"));
    }
    Ok(())
}

/// That a project says an agent which whoever asks knows of, and which is there.
async fn demand_agent(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    agent: Option<&AgentName>,
) -> Result<(), Error> {
    let Some(name) = agent else { return Ok(()) };
    let found = conn.agents().last_of_name(name).await?;
    match found.filter(|agent| admission::is_seen(op, agent.id)) {
        Some(agent) if agent.revoked_at.is_some() => {
            Err(Error::field(AGENT, format!("'{name}' was revoked: name another agent")))
        }
        Some(_) => Ok(()),
        None => Err(Error::field(
            AGENT,
            format!(
                "'{name}' is not an agent of this organization; `berth agents list` shows those there are"
            ),
        )),
    }
}

fn taken(error: berth_db::DbError, path: &ProjectPath) -> Error {
    if error.violates(constraints::PROJECT_PATH) {
        return Error::NameTaken { what: "a project", name: path.to_string() };
    }
    error.into()
}

/// A page of those that whoever asks may look at.
pub async fn list(op: &Op<Member>, page: &PageRequest) -> Result<Paged<Project>, Error> {
    let authority = &op.who.authority;
    let cursor = |row: &ProjectRow| Cursor::new(row.created_at, row.id);
    let rows = op
        .read("list_projects", async |conn| {
            let grants = conn.role_grants().of_subject(op.who.subject).await?;
            Ok::<_, Error>(match authority.reach(Action::ReadProject) {
                Reach::All if grants.is_empty() => conn.projects().list(page).await?,
                Reach::Nothing if grants.is_empty() => Vec::new(),
                _ => {
                    pick!(page, |part| conn.projects().list(part).await?, cursor, |rows| {
                        tree::seen_projects(conn, (authority, &grants), rows).await?
                    })
                }
            })
        })
        .await?;
    Ok(paging::page(rows, page, cursor, show))
}

pub async fn get(op: &Op<Member>, id: &str) -> Result<Project, Error> {
    op.read("get_project", async |conn| found(conn, id).await.map(show)).await
}

/// Gives a project another path, other settings, or both; where `seen` says so, only if it is of that version still.
pub async fn change(
    op: &Op<Member>,
    id: &str,
    wanted: &ChangeProject,
    seen: Option<i64>,
) -> Result<Project, Error> {
    if *wanted == ChangeProject::default() {
        return Err(Error::field("path", "must be given, or 'settings'"));
    }
    if let Some(settings) = &wanted.settings {
        check(settings, op.context.projects)?;
    }
    op.change("change_project", async |conn| {
        conn.organizations().lock().await?;
        let before = found(conn, id).await?;
        if seen.is_some_and(|seen| seen != before.version) {
            return Err(Error::ProjectMismatch { current: before.version });
        }
        let to = wanted.path.as_ref().unwrap_or(&before.path);
        let is_same = wanted.settings.is_none() || wanted.settings == before.settings;
        if *to == before.path && is_same {
            return Ok(Changed::Not(show(before)));
        }
        let agent = wanted.settings.as_ref().and_then(|settings| settings.agent.as_ref());
        // What it said before may stay as it is: another setting can be changed beside it.
        if agent != before.settings.as_ref().and_then(|settings| settings.agent.as_ref()) {
            demand_agent(conn, op, agent).await?;
        }
        let stays = before.path.group() == to.group();
        let group = match (stays, before.group()) {
            (true, Some(group)) => Some(tree::parent(conn, &group.to_string()).await?),
            (true, None) => None,
            (false, _) => {
                let by = (Action::CreateProjectInGroup, Action::CreateProject);
                let group = tree::destination(conn, op, to.group(), by).await?;
                shift::of_move(conn, op, (before.path.group().as_ref(), to.group().as_ref())).await?;
                group
            }
        };
        let name = to.name();
        let details = Details::ProjectChanged {
            before: before.group(),
            group: group.as_ref().map(|group| group.id),
            renamed: before.path.name() != name,
            version: before.version + 1,
        };
        let place = (group.as_ref(), &name);
        let row = conn.projects().change(before.id, place, wanted.settings.as_ref(), op.now).await;
        let row = row.map_err(|error| taken(error, to))?;
        if !stays {
            scopes::moved(conn).await?;
            conn.workspaces().look_again_at(IdlePlace::Project(before.id), op.now).await?;
        }
        Ok(Changed::So(show(row), Event::new(Resource::project(before.id), details)))
    })
    .await
}

pub async fn delete(op: &Op<Member>, id: &str) -> Result<Project, Error> {
    op.change("delete_project", async |conn| {
        conn.organizations().lock().await?;
        let row = match id.parse() {
            Ok(id) => conn.projects().hold(id).await?,
            Err(_) => None,
        };
        let row = row.ok_or_else(|| Error::missing(ResourceKind::Project, id))?;
        if conn.workspaces().count_in(row.id).await? > 0 {
            return Err(Error::ProjectInUse);
        }
        shift::of_end(conn, op, row.path.group().as_ref()).await?;
        conn.projects().delete(row.id).await?;
        let event = Event::new(Resource::project(row.id), Details::Nothing);
        Ok::<_, Error>(Changed::So(show(row), event))
    })
    .await
}

async fn found(conn: &OrganizationConn<'_>, id: &str) -> Result<ProjectRow, Error> {
    let row = match id.parse() {
        Ok(id) => conn.projects().find(id).await?,
        Err(_) => None,
    };
    row.ok_or_else(|| Error::missing(ResourceKind::Project, id))
}

fn show(row: ProjectRow) -> Project {
    Project {
        id: row.id,
        group_id: row.group(),
        path: row.path,
        settings: row.settings.unwrap_or_default(),
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
