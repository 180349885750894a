//! More time before a lifecycle rule acts.

use berth_db::{Changed, OrganizationConn, WorkspaceRow};
use berth_planner::lifecycle::{ExtensionError, Lifetime, extend as decide};
use berth_schema::api::Workspace;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::lifecycle::ExtendWorkspace;
use jiff::{SignedDuration, Timestamp};
use tracing::info;

use super::{find, rules_of, whole};
use crate::identity::Member;
use crate::{Context, Error, Op};

/// How often it is decided anew when somebody else was faster.
const ATTEMPTS: u32 = 5;

/// Adds hours to the current period. Hours are added each time it is asked.
pub async fn extend(op: &Op<Member>, name_or_id: &str, body: ExtendWorkspace) -> Result<Workspace, Error> {
    if body.hours == 0 {
        return Err(Error::field("hours", "must be at least 1"));
    }
    for _ in 0..ATTEMPTS {
        let stored = op
            .change("extend_workspace", async |conn| {
                once(conn, name_or_id, body.hours, (&op.context, op.now)).await
            })
            .await?;
        if let Some(workspace) = stored {
            info!(workspace = %workspace.id, hours = body.hours, "extended");
            return Ok(workspace);
        }
    }
    Err(Error::Unavailable("the workspace changes too fast to be extended".into()))
}

async fn once(
    conn: &OrganizationConn<'_>,
    name_or_id: &str,
    hours: u32,
    (context, now): (&Context, Timestamp),
) -> Result<Changed<Option<Workspace>>, Error> {
    let view = find(conn, name_or_id).await?;
    let row = &view.workspace;
    let rules = rules_of(conn, row.agent_id).await?.ok_or(Error::ConfigurationUnreadable)?;
    let total = decide(&rules, &lifetime(&view.workspace), hours).map_err(|error| match error {
        ExtensionError::Terminated => Error::WrongState(berth_planner::intent::TransitionError::Terminated),
        ExtensionError::TooMuch { .. } => Error::field("hours", error.to_string()),
    })?;
    let seen = (row.desired_state, row.desired_state_changed_at, row.extended_hours);
    let stored = i32::try_from(total).map_err(Error::internal)?;
    if !conn.workspaces().extend(row.id, seen, stored).await? {
        return Ok(Changed::Not(None));
    }
    // So long nobody stops it because nothing happens.
    let until = now.checked_add(SignedDuration::from_hours(i64::from(hours))).unwrap_or(Timestamp::MAX);
    conn.activity().keep(row.agent_id, row.id, until).await?;
    let event =
        Event::new(Resource::workspace(row.id), Details::Extended { added_hours: hours, hours: total });
    let view = find(conn, &row.id.to_string()).await?;
    Ok(Changed::So(Some(whole(conn, view, context, now).await?), event))
}

/// What the rules look at.
pub(super) fn lifetime(row: &WorkspaceRow) -> Lifetime {
    Lifetime {
        desired_state: row.desired_state,
        created_at: row.created_at,
        desired_state_changed_at: row.desired_state_changed_at,
        extended_hours: u32::try_from(row.extended_hours).unwrap_or(0),
    }
}
