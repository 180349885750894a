//! What is known of how workspaces are used: what the rule of idleness looks at.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use berth_db::{ActivityRow, LifecycleRow, OrganizationConn, ProxyContact, WorkspaceRow};
use berth_planner::idle::{Heard, Use};
use berth_schema::WorkspaceId;
use jiff::Timestamp;

use crate::Error;

/// Of each of these.
pub(crate) async fn uses_of(
    conn: &OrganizationConn<'_>,
    rows: &[LifecycleRow],
) -> Result<HashMap<WorkspaceId, Use>, Error> {
    let mut known = BTreeMap::new();
    for agent in rows.iter().map(|row| row.agent_id).collect::<BTreeSet<_>>() {
        let ids: Vec<_> = rows.iter().filter(|row| row.agent_id == agent).map(|row| row.id).collect();
        known.insert(agent, (conn.activity().contact(agent).await?, conn.activity().of(agent, &ids).await?));
    }
    let uses = rows.iter().map(|row| {
        let (contact, activity) = &known[&row.agent_id];
        let activity = activity.get(&row.id).copied().unwrap_or_default();
        let runs = (row.actual_state_changed_at, row.ran_at);
        (row.id, used(&activity, *contact, runs))
    });
    Ok(uses.collect())
}

/// Of one, with what is stored of it.
pub(super) async fn use_of(
    conn: &OrganizationConn<'_>,
    row: &WorkspaceRow,
) -> Result<(Use, ActivityRow), Error> {
    let contact = conn.activity().contact(row.agent_id).await?;
    let activity = conn.activity().of(row.agent_id, &[row.id]).await?.remove(&row.id).unwrap_or_default();
    Ok((used(&activity, contact, (row.actual_state_changed_at, row.ran_at)), activity))
}

fn used(
    activity: &ActivityRow,
    contact: Option<ProxyContact>,
    (actual_state_changed_at, ran_at): (Timestamp, Option<Timestamp>),
) -> Use {
    Use {
        last_active_at: activity.last_active_at,
        kept_until: activity.kept_until,
        actual_state_changed_at,
        ran_at,
        heard: contact.map(|contact| Heard { at: contact.heard_at, since: contact.heard_since }),
    }
}

/// For how many minutes nothing had happened, where it is stopped because of that.
pub(super) fn idled(row: &WorkspaceRow, activity: &ActivityRow) -> Option<u32> {
    let is_so = activity.stopped_at == Some(row.desired_state_changed_at);
    activity.stopped_after.filter(|_| is_so).and_then(|minutes| u32::try_from(minutes).ok())
}
