//! Workspaces as users see and change them. None of this touches a cluster.

mod change;
mod create;
mod extend;
mod form;
mod freeze;
mod idle;
mod limits;
mod look;
mod project;
mod repository;
mod timeline;
mod variables;
mod why;

pub use change::{change, change_variables, rebuild, renew_variables, resize};
pub use create::{check, create};
pub use extend::extend;
pub use form::{CreateForm, Given, NewSpec, spec_of};
pub use idle::set_idle_rule;
pub(crate) use idle::{rules_in_force, uses_of};
pub use look::{ListQuery, get, list, things};
pub(super) use project::PLAIN_HTTP;
pub use project::ProjectRules;
pub use timeline::{TimelineQuery, timeline};
pub use why::why;

use berth_db::{Hold, OrganizationConn, WorkspaceRow, WorkspaceView};
use berth_planner::idle::idle_stop;
use berth_planner::idle_rule::{in_force, over};
use berth_planner::lifecycle::deadline;
use berth_planner::{AgentConfig, ProxyConfig, shape};
use berth_schema::api::Workspace;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::configuration::LifecycleRules;
use berth_schema::{ActualState, AgentId, DesiredState, ResourceKind, WorkspaceId, WorkspaceName};
use jiff::Timestamp;

use crate::services::ports;
use crate::{Context, Error};
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

/// A workspace as the API shows it where it alone is meant: with what a lifecycle rule will do next, how large it is and where
/// browsers get to it. What this version cannot read of its agent's configuration it tells nothing of.
pub(super) async fn whole(
    conn: &OrganizationConn<'_>,
    view: WorkspaceView,
    context: &Context,
    now: Timestamp,
) -> Result<Workspace, Error> {
    let (row, defaults) = (&view.workspace, &*context.agent_defaults);
    let warnings = row.spec.warnings.clone();
    let storage = row.spec.storage.as_ref().map(|storage| storage.size.clone());
    let Ok(written) = conn.agents().configuration(row.agent_id, Hold::Nothing).await?.document() else {
        return Ok(Workspace { warnings, disk: storage, ..show(view, context, now) });
    };
    let config = AgentConfig::new(&written, defaults);
    let proxy = ProxyConfig::new(&written, defaults, None);
    let endpoints = if row.desired_state == DesiredState::Terminated {
        Vec::new()
    } else {
        let opened = ports::now_open(conn, row, now).await?;
        let opened: Vec<_> = opened.into_iter().map(|row| (row.name, row.port)).collect();
        shape::endpoints(&row.name, (&row.spec, &opened), &config, proxy.as_ref())
    };
    let sizes = shape::sizes(&row.spec, &config.default_resources);
    let (rules, lifetime) = (written.lifecycle_rules(), lifetime(row));
    let idle_rule = in_force(&idle::said(conn, row.id, (&view.agent, &rules)).await?);
    let rules = over(rules, idle_rule.as_ref());
    let lifecycle = deadline(&rules, &lifetime);
    let idle_stop = idle_stop(&rules, &lifetime, &idle::use_of(conn, row).await?.0, now);
    let disk = storage.or(Some(config.unsettled_storage.size));
    let idle_rule = idle_rule.filter(|_| row.desired_state != DesiredState::Terminated);
    Ok(Workspace {
        lifecycle,
        idle_stop,
        idle_rule,
        warnings,
        endpoints,
        sizes,
        disk,
        ..show(view, context, now)
    })
}

/// A workspace as a list shows it.
pub(crate) fn show(view: WorkspaceView, context: &Context, now: Timestamp) -> Workspace {
    let row = view.workspace;
    let silent_since = context.contacts.silent_since(row.agent_id, row.created_at, now);
    let is_over =
        (row.desired_state, row.actual_state) == (DesiredState::Terminated, ActualState::Terminated);
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
        found: row.spec.found.map(|found| *found),
        belongs_to: view.belongs_to,
        creator: view.creator,
        variables: view.variables,
        created_at: row.created_at,
        desired_state_changed_at: row.desired_state_changed_at,
        actual_state_changed_at: row.actual_state_changed_at,
        agent_silent_since: silent_since.filter(|_| !is_over),
        last_active_at: view.last_active_at,
        idle_stop: None,
        idle_rule: None,
        lifecycle: None,
        warnings: Vec::new(),
        endpoints: Vec::new(),
        sizes: Vec::new(),
        disk: None,
    }
}
