//! Changes of what a user wants. Each raises the generation; a repeated one changes nothing.

use berth_db::{ChangedBy, Hold, Intent, OrganizationConn, WorkspaceView};
use berth_planner::config::keep_storage;
use berth_planner::intent::{Transition, Wish, transition};
use berth_schema::api::{RebuildWorkspace, Workspace};
use berth_schema::{AgentConfiguration, Generation};
use tracing::info;

use super::{NewSpec, find, show, spec_of};
use crate::http::identity::Administrator;
use crate::{Context, Error, clock};

/// How often a change is decided anew when the workspace changed between looking and storing.
const ATTEMPTS: u32 = 5;

/// Starts, stops, restarts or terminates a workspace. With `seen`, only if it is still at that generation.
pub async fn change(
    context: &Context,
    administrator: &Administrator,
    name_or_id: &str,
    wish: Wish,
    seen: Option<Generation>,
) -> Result<Workspace, Error> {
    decide(context, administrator, name_or_id, wish, seen, None).await
}

/// Replaces what a workspace is made of.
pub async fn rebuild(
    context: &Context,
    administrator: &Administrator,
    name_or_id: &str,
    body: RebuildWorkspace,
    seen: Option<Generation>,
) -> Result<Workspace, Error> {
    let mut errors = Vec::new();
    let spec = spec_of(body.devfile, body.image, &mut errors).ok_or(Error::Invalid(errors))?;
    decide(context, administrator, name_or_id, Wish::Rebuild, seen, Some(&spec)).await
}

async fn decide(
    context: &Context,
    administrator: &Administrator,
    name_or_id: &str,
    wish: Wish,
    seen: Option<Generation>,
    spec: Option<&NewSpec>,
) -> Result<Workspace, Error> {
    for _ in 0..ATTEMPTS {
        let attempt = context
            .database
            .transaction(administrator.organization, operation(wish), async |conn| {
                let by = ChangedBy::User(administrator.token);
                once(conn, &context.agent_defaults, name_or_id, wish, seen, spec, by).await
            })
            .await;
        match attempt {
            // Somebody else was faster; without a generation to insist on, their change is looked at first.
            Err(Error::GenerationMismatch { .. }) if seen.is_none() => {}
            result => {
                let view = result?;
                info!(workspace = %view.workspace.id, wish = wish.as_str(), generation = %view.workspace.generation, "wish");
                return Ok(show(view));
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
        Wish::Terminate => "terminate_workspace",
    }
}

async fn once(
    conn: &OrganizationConn<'_>,
    defaults: &AgentConfiguration,
    name_or_id: &str,
    wish: Wish,
    seen: Option<Generation>,
    spec: Option<&NewSpec>,
    by: ChangedBy,
) -> Result<WorkspaceView, Error> {
    let view = find(conn, name_or_id).await?;
    let row = &view.workspace;
    if seen.is_some_and(|seen| seen != row.generation) {
        return Err(Error::GenerationMismatch { current: row.generation });
    }
    let intent = match (transition(row.desired_state, row.actual_state, wish)?, spec) {
        (Transition::AlreadySo, _) => return Ok(view),
        (Transition::Change(_), Some(NewSpec { spec, devfile })) => {
            let written = conn.agents().configuration(row.agent_id, Hold::Nothing).await?.document();
            let mut spec = spec.clone();
            keep_storage(&mut spec, &row.spec, &written, defaults);
            Intent::Rebuild { spec, devfile: devfile.clone() }
        }
        (Transition::Change(desired), None) => Intent::Desired(desired),
    };
    let changed =
        conn.workspaces().change_intent(row.id, Some(row.generation), &intent, by, clock::now()).await?;
    conn.notifications().notify_agent(row.agent_id).await?;
    Ok(changed)
}
