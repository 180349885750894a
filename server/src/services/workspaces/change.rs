//! Changes of what a user wants. Each raises the generation; a repeated one changes nothing.

use berth_db::{Changed, ChangedBy, Intent, OrganizationConn, Owner, WorkspaceRow, WorkspaceView};
use berth_devfile::Options;
use berth_planner::config;
use berth_planner::inheritance::Link;
use berth_planner::intent::{Transition, TransitionError, Wish, transition};
use berth_planner::quota::{Change, Usage};
use berth_planner::resize::{self, Standing};
use berth_schema::api::{ChangeVariables, RebuildWorkspace, RenewVariables, ResizeWorkspace, Workspace};
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::prerequisites::StorageClass;
use berth_schema::{AgentConfiguration, DesiredState, Generation, ResourceKind, WorkspaceSpec};
use jiff::Timestamp;
use tracing::info;

use super::freeze::keeps_finals;
use super::variables::{self, Wanted};
use super::{Given, NewSpec, changed, find, limits, spec_of, whole};
use crate::identity::Member;
use crate::services::admission;
use crate::{Error, Op};

/// How often a change is decided anew when the workspace changed between looking and storing.
const ATTEMPTS: u32 = 5;

/// Starts, stops, restarts or terminates a workspace. With `seen`, only if it is still at that generation.
pub async fn change(
    op: &Op<Member>,
    name_or_id: &str,
    wish: Wish,
    seen: Option<Generation>,
) -> Result<Workspace, Error> {
    decide(op, name_or_id, wish, seen, Means::Nothing).await
}

/// Replaces what a workspace is made of.
pub async fn rebuild(
    op: &Op<Member>,
    name_or_id: &str,
    body: RebuildWorkspace,
    seen: Option<Generation>,
) -> Result<Workspace, Error> {
    let mut errors = Vec::new();
    let given = Given { devfile: body.devfile, devcontainer: body.devcontainer, image: body.image };
    let spec = spec_of(given, None, &Options::default(), &mut errors);
    let made_of = MadeOf::New(Box::new(spec.ok_or(Error::Invalid(errors))?));
    decide(op, name_or_id, Wish::Rebuild, seen, Means::Spec(&made_of)).await
}

/// Gives a workspace other resources.
pub async fn resize(
    op: &Op<Member>,
    name_or_id: &str,
    body: ResizeWorkspace,
    seen: Option<Generation>,
) -> Result<Workspace, Error> {
    let made_of = MadeOf::Resized(body);
    decide(op, name_or_id, Wish::Resize, seen, Means::Spec(&made_of)).await
}

/// Gives a workspace other variables of its own. One that runs goes on, unless it shall start anew.
pub async fn change_variables(
    op: &Op<Member>,
    name_or_id: &str,
    form: ChangeVariables,
    seen: Option<Generation>,
) -> Result<Workspace, Error> {
    let restart = form.restart;
    let means = Means::Variables { wanted: &Wanted::of(form)?, restart };
    decide(op, name_or_id, Wish::ChangeVariables, seen, means).await
}

/// Has a workspace take anew what is around it.
pub async fn renew_variables(
    op: &Op<Member>,
    name_or_id: &str,
    form: RenewVariables,
    seen: Option<Generation>,
) -> Result<Workspace, Error> {
    let means = Means::Variables { wanted: &Wanted::Renewed, restart: form.restart };
    decide(op, name_or_id, Wish::ChangeVariables, seen, means).await
}

/// What a workspace shall be made of.
enum MadeOf {
    New(Box<NewSpec>),
    /// What it was, with other resources.
    Resized(ResizeWorkspace),
}

/// What comes with a wish.
#[derive(Clone, Copy)]
enum Means<'a> {
    Nothing,
    Spec(&'a MadeOf),
    Variables { wanted: &'a Wanted, restart: bool },
}

async fn decide(
    op: &Op<Member>,
    name_or_id: &str,
    wish: Wish,
    seen: Option<Generation>,
    means: Means<'_>,
) -> Result<Workspace, Error> {
    let asked = Asked {
        name_or_id,
        wish,
        seen,
        means,
        by: ChangedBy::User(op.who.author()),
        op,
        now: op.now,
        defaults: &op.context.agent_defaults,
    };
    for _ in 0..ATTEMPTS {
        let attempt = op
            .change(operation(wish), async |conn| {
                Ok(match once(conn, &asked).await? {
                    Changed::So(view, event) => {
                        Changed::So(whole(conn, view, &op.context, asked.now).await?, event)
                    }
                    Changed::Not(view) => Changed::Not(whole(conn, view, &op.context, asked.now).await?),
                })
            })
            .await;
        match attempt {
            // Somebody else was faster; without a generation to insist on, their change is looked at first.
            Err(Error::GenerationMismatch { .. }) if seen.is_none() => {}
            result => {
                let workspace = result?;
                info!(workspace = %workspace.id, wish = wish.as_str(), generation = %workspace.generation, "wish");
                return Ok(workspace);
            }
        }
    }
    Err(Error::Unavailable("the workspace changes too fast to be changed".into()))
}

const fn operation(wish: Wish) -> &'static str {
    match wish {
        Wish::Start => "start_workspace",
        Wish::Stop => "stop_workspace",
        Wish::Restart => "restart_workspace",
        Wish::Rebuild => "rebuild_workspace",
        Wish::Resize => "resize_workspace",
        Wish::ChangeVariables => "change_variables",
        Wish::Terminate => "terminate_workspace",
    }
}

/// What is asked of which workspace.
struct Asked<'a> {
    name_or_id: &'a str,
    wish: Wish,
    seen: Option<Generation>,
    means: Means<'a>,
    by: ChangedBy,
    op: &'a Op<Member>,
    now: Timestamp,
    defaults: &'a AgentConfiguration,
}

async fn once(conn: &OrganizationConn<'_>, asked: &Asked<'_>) -> Result<Changed<WorkspaceView>, Error> {
    let view = find(conn, asked.name_or_id).await?;
    let row = &view.workspace;
    if asked.seen.is_some_and(|seen| seen != row.generation) {
        return Err(Error::GenerationMismatch { current: row.generation });
    }
    if row.unreadable && asked.wish != Wish::Terminate {
        return Err(TransitionError::Unreadable.into());
    }
    let agent = conn
        .agents()
        .find(row.agent_id)
        .await?
        .ok_or_else(|| Error::missing(ResourceKind::Agent, &row.agent_id))?;
    if agent.revoked_at.is_some() && row.state().is_living() {
        return Err(Error::WorkspaceStranded(agent.name));
    }
    let desired = match transition(row.desired_state, row.actual_state, asked.wish)? {
        Transition::AlreadySo => return Ok(Changed::Not(view)),
        Transition::Change(desired) => desired,
    };
    let made_of = match asked.means {
        Means::Variables { wanted, restart } => return given(conn, asked, &view, (wanted, restart)).await,
        Means::Spec(made_of) => Some(made_of),
        Means::Nothing => None,
    };
    let intent = allowed(conn, asked, &view, (desired, made_of)).await?;
    let seen = Some(row.generation);
    let after = conn.workspaces().change_intent(row.id, seen, &intent, asked.by, asked.now).await?;
    conn.notifications().notify_agent(row.agent_id).await?;
    let event = changed(row, &after.workspace);
    Ok(Changed::So(after, event))
}

/// Other variables, and another start where that is wanted. Nothing is rendered anew.
async fn given(
    conn: &OrganizationConn<'_>,
    asked: &Asked<'_>,
    view: &WorkspaceView,
    (wanted, restart): (&Wanted, bool),
) -> Result<Changed<WorkspaceView>, Error> {
    let row = &view.workspace;
    let prepared = variables::prepare(conn, asked.op, view, wanted).await?;
    let starts_anew = restart && row.desired_state == DesiredState::Running;
    if prepared.is_nothing() && !starts_anew {
        return Ok(Changed::Not(view.clone()));
    }
    if starts_anew {
        let project = view.belongs_to.as_ref().map(|project| &project.path);
        admission::demand(conn, asked.op, (row.agent_id, &view.agent), project).await?;
    }
    let intent = Intent::Variables { restart: starts_anew.then_some(DesiredState::RestartRequested) };
    // From here on nobody else changes it.
    let seen = Some(row.generation);
    let after = conn.workspaces().change_intent(row.id, seen, &intent, asked.by, asked.now).await?;
    if !prepared.is_nothing() {
        prepared.store(conn, asked.op).await?;
    }
    conn.notifications().notify_agent(row.agent_id).await?;
    let (set, removed) = prepared.changes();
    let details = Details::VariablesChanged { generation: after.workspace.generation, set, removed };
    let event = Event::new(Resource::workspace(row.id), details);
    Ok(Changed::So(find(conn, &row.id.to_string()).await?, event))
}

/// What is stored, if the agent's configuration has room for it. What only takes less is not looked at any further: it
/// must always be possible, and holds nobody up.
async fn allowed(
    conn: &OrganizationConn<'_>,
    asked: &Asked<'_>,
    view: &WorkspaceView,
    (desired, made_of): (DesiredState, Option<&MadeOf>),
) -> Result<Intent, Error> {
    let row = &view.workspace;
    if matches!(desired, DesiredState::Stopped | DesiredState::Terminated) && made_of.is_none() {
        return Ok(Intent::Desired(desired));
    }
    let configuration = limits::configuration(conn, row.agent_id, asked.defaults).await?;
    if matches!(desired, DesiredState::Running | DesiredState::RestartRequested) {
        // Its pod would begin anew. The agent's row is held from here: nobody takes its allowance meanwhile.
        let project = view.belongs_to.as_ref().map(|project| &project.path);
        admission::demand(conn, asked.op, (row.agent_id, &view.agent), project).await?;
    }
    let usage =
        |desired, spec: &WorkspaceSpec| Usage::of(desired, &spec.demand(), &configuration.default_resources);
    let (intent, after) = match made_of {
        None => (Intent::Desired(desired), usage(desired, &row.spec)),
        Some(MadeOf::New(new)) => {
            let errors = limits::size(new, &configuration);
            if !errors.is_empty() {
                return Err(Error::Invalid(errors));
            }
            let origins = conn.variables().origins(row.agent_id, row.id).await?;
            let finals = origins.iter().filter(|origin| origin.source_final).map(|origin| {
                let (scope, id, path) = (origin.source, origin.source_id, origin.source_path.clone());
                (origin.kind, origin.name.as_str(), Link { scope, id, path })
            });
            keeps_finals(&new.spec, finals).map_err(Error::Invalid)?;
            let mut spec = new.spec.clone();
            let classes = classes(conn, row).await?;
            let misfits = config::keep(&mut spec, &row.spec, &configuration, asked.defaults, &classes);
            if !misfits.is_empty() {
                return Err(Error::Invalid(misfits));
            }
            spec.git_user.clone_from(&row.spec.git_user);
            // The project is not part of the devfile, and the volume that it was cloned into stays.
            spec.project.clone_from(&row.spec.project);
            let after = usage(desired, &spec);
            (Intent::Rebuild { spec, devfile: new.devfile.clone() }, after)
        }
        Some(MadeOf::Resized(wish)) => {
            let standing = Standing {
                generation: row.generation,
                applied_generation: row.applied_generation,
                classes: &classes(conn, row).await?,
            };
            let spec = resize::resize(&row.spec, wish, standing, &configuration, asked.defaults)
                .map_err(Error::Invalid)?;
            let after = usage(desired, &spec);
            (Intent::Resize { spec }, after)
        }
    };
    let change = Change { before: usage(row.desired_state, &row.spec), after };
    limits::quotas(conn, row.agent_id, Owner::Of(row.id), &configuration, change).await?;
    Ok(intent)
}

/// The storage classes that the agent's cluster has told of, if the workspace's volumes are in it already.
async fn classes(conn: &OrganizationConn<'_>, row: &WorkspaceRow) -> Result<Vec<StorageClass>, Error> {
    if row.applied_generation == Generation::default() {
        return Ok(Vec::new());
    }
    let said = conn.agent_prerequisites().find(row.agent_id).await?;
    Ok(said.map(|said| said.storage_classes).unwrap_or_default())
}
