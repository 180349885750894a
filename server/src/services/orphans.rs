//! What agents have and the server does not know: looked at, and given up.

use berth_db::{Changed, OrphanRow};
use berth_planner::OrphanRule;
use berth_schema::api::{Orphan, Orphans};
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::{ResourceKind, WorkspaceId};
use tracing::info;

use super::agents::find;
use crate::identity::Member;
use crate::{Error, Op};

pub async fn list(op: &Op<Member>, name_or_id: &str) -> Result<Orphans, Error> {
    let rows = op
        .read("list_orphans", async |conn| {
            let agent = find(conn, name_or_id).await?.row;
            Ok::<_, Error>(conn.orphans().of_agent(agent.id).await?)
        })
        .await?;
    Ok(Orphans { items: rows.into_iter().map(|row| show(row, op.context.protocol.orphans)).collect() })
}

/// Allows an orphan's removal. It is carried out when its grace is over, at the agent's next full report, which is asked
/// for.
pub async fn remove(op: &Op<Member>, name_or_id: &str, orphan: WorkspaceId) -> Result<Orphan, Error> {
    let now = op.now;
    let row = op
        .change("remove_orphan", async |conn| {
            let agent = find(conn, name_or_id).await?.row;
            let standing = conn.agents().standing(agent.id).await?;
            let row = conn.orphans().allow_removal(agent.id, orphan, op.who.token, now).await?;
            let row = row.ok_or_else(|| Error::missing(ResourceKind::Orphan, &orphan))?;
            // Allowing it twice keeps the first time.
            let allowed = row.removal_allowed_at == Some(now);
            let due = op.context.protocol.orphans.kept_until(row.first_seen_at) <= now;
            let asks = due && !standing.full_wanted;
            if asks {
                let standing = berth_db::Standing { full_wanted: true, ..standing };
                conn.agents().set_standing(agent.id, &standing).await?;
                conn.notifications().notify_agent(agent.id).await?;
            }
            let event = Event::new(Resource::orphan(agent.id, orphan), Details::Nothing);
            Ok::<_, Error>(if allowed || asks { Changed::So(row, event) } else { Changed::Not(row) })
        })
        .await?;
    info!(workspace = %row.workspace_id, by = %op.who.token, "an orphan's removal was allowed");
    Ok(show(row, op.context.protocol.orphans))
}

/// Takes back that an orphan may be removed. What the agent was told already is done.
pub async fn keep(op: &Op<Member>, name_or_id: &str, orphan: WorkspaceId) -> Result<Orphan, Error> {
    let row = op
        .change("keep_orphan", async |conn| {
            let agent = find(conn, name_or_id).await?.row;
            // A round of the agent comes before or after this, not between.
            conn.agents().lock(agent.id).await?;
            let missing = || Error::missing(ResourceKind::Orphan, &orphan);
            let before = conn.orphans().find(agent.id, orphan).await?.ok_or_else(missing)?;
            if before.removal_allowed_at.is_none() {
                return Ok(Changed::Not(before));
            }
            let row = conn.orphans().forbid_removal(agent.id, orphan).await?.ok_or_else(missing)?;
            let event = Event::new(Resource::orphan(agent.id, orphan), Details::Nothing);
            Ok::<_, Error>(Changed::So(row, event))
        })
        .await?;
    info!(workspace = %row.workspace_id, by = %op.who.token, "an orphan is kept");
    Ok(show(row, op.context.protocol.orphans))
}

fn show(row: OrphanRow, rule: OrphanRule) -> Orphan {
    Orphan {
        kept_until: rule.kept_until(row.first_seen_at),
        removal_allowed: rule.remove_all || row.removal_allowed_at.is_some(),
        workspace_id: row.workspace_id,
        name: row.name,
        namespace: row.namespace,
        first_seen_at: row.first_seen_at,
    }
}
