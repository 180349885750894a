//! Workspaces as users see and change them. None of this touches a cluster.

mod change;
mod create;
mod extend;
mod form;
mod freeze;
mod limits;
mod look;
mod project;
mod timeline;
mod why;

pub use change::{change, rebuild, resize};
pub use create::create;
pub use extend::extend;
pub use form::{CreateForm, Given, NewSpec, spec_of};
pub(crate) use look::is_seen;
pub use look::{ListQuery, get, list};
pub use project::ProjectRules;
pub use timeline::{TimelineQuery, timeline};
pub use why::why;

use berth_db::{Hold, OrganizationConn, WorkspaceRow, WorkspaceView};
use berth_planner::lifecycle::deadline;
use berth_schema::api::Workspace;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::configuration::LifecycleRules;
use berth_schema::lifecycle::Deadline;
use berth_schema::{AgentId, ResourceKind, WorkspaceId, WorkspaceName};

use crate::Error;
use extend::lifetime;

/// The workspace of that id, or the living (else the last) one of that name.
pub(super) async fn find(conn: &OrganizationConn<'_>, name_or_id: &str) -> Result<WorkspaceView, Error> {
    let found = match (name_or_id.parse::<WorkspaceId>(), WorkspaceName::new(name_or_id)) {
        (Ok(id), _) => conn.workspaces().find(id).await?,
        (_, Ok(name)) => conn.workspaces().find_by_name(&name).await?,
        _ => None,
    };
    found.ok_or_else(|| Error::missing(ResourceKind::Workspace, name_or_id))
}

/// What is on record of a change of what is wanted.
pub(super) fn changed(before: &WorkspaceRow, after: &WorkspaceRow) -> Event {
    let details = Details::IntentChanged {
        from: before.desired_state,
        to: after.desired_state,
        generation_before: before.generation,
        generation: after.generation,
    };
    Event::new(Resource::workspace(after.id), details)
}

/// The lifecycle rules that hold for an agent's workspaces; `None`: this version cannot read them, and does nothing by them.
pub(crate) async fn rules_of(
    conn: &OrganizationConn<'_>,
    agent: AgentId,
) -> Result<Option<LifecycleRules>, Error> {
    let written = conn.agents().configuration(agent, Hold::Nothing).await?.document();
    Ok(written.ok().map(|written| written.lifecycle_rules()))
}

/// A workspace as the API shows it where it alone is meant: with what a lifecycle rule will do next.
async fn whole(conn: &OrganizationConn<'_>, view: WorkspaceView) -> Result<Workspace, Error> {
    let rules = rules_of(conn, view.workspace.agent_id).await?;
    let lifecycle = rules.and_then(|rules| deadline(&rules, &lifetime(&view.workspace)));
    Ok(show_one(view, lifecycle))
}

/// A workspace where it alone is meant.
fn show_one(view: WorkspaceView, lifecycle: Option<Deadline>) -> Workspace {
    let warnings = view.workspace.spec.warnings.clone();
    Workspace { lifecycle, warnings, ..show(view) }
}

/// A workspace as a list shows it.
pub(crate) fn show(view: WorkspaceView) -> Workspace {
    let row = view.workspace;
    Workspace {
        id: row.id,
        name: row.name,
        agent_id: row.agent_id,
        agent: view.agent,
        namespace: row.namespace,
        desired_state: row.desired_state,
        actual_state: row.actual_state,
        reason: row.reason,
        generation: row.generation,
        applied_generation: row.applied_generation,
        image: row.spec.main().map(|main| main.image.clone()).unwrap_or_default(),
        project: row.spec.project,
        variables: view.variables,
        created_at: row.created_at,
        desired_state_changed_at: row.desired_state_changed_at,
        actual_state_changed_at: row.actual_state_changed_at,
        lifecycle: None,
        warnings: Vec::new(),
    }
}
