//! What agents have and the server does not know: looked at, and given up.

use berth_db::OrphanRow;
use berth_planner::OrphanRule;
use berth_schema::api::{Orphan, Orphans};
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
        .transaction("remove_orphan", async |conn| {
            let agent = find(conn, name_or_id).await?.row;
            let standing = conn.agents().standing(agent.id).await?;
            let row = conn.orphans().allow_removal(agent.id, orphan, op.who.token, now).await?;
            let row = row.ok_or_else(|| Error::missing(ResourceKind::Orphan, &orphan))?;
            let due = op.context.protocol.orphans.kept_until(row.first_seen_at) <= now;
            if due && !standing.full_wanted {
                let standing = berth_db::Standing { full_wanted: true, ..standing };
                conn.agents().set_standing(agent.id, &standing).await?;
                conn.notifications().notify_agent(agent.id).await?;
            }
            Ok::<_, Error>(row)
        })
        .await?;
    info!(workspace = %row.workspace_id, by = %op.who.token, "an orphan's removal was allowed");
    Ok(show(row, op.context.protocol.orphans))
}

/// Takes back that an orphan may be removed. What the agent was told already is done.
pub async fn keep(op: &Op<Member>, name_or_id: &str, orphan: WorkspaceId) -> Result<Orphan, Error> {
    let row = op
        .transaction("keep_orphan", async |conn| {
            let agent = find(conn, name_or_id).await?.row;
            // A round of the agent comes before or after this, not between.
            conn.agents().lock(agent.id).await?;
            let row = conn.orphans().forbid_removal(agent.id, orphan).await?;
            row.ok_or_else(|| Error::missing(ResourceKind::Orphan, &orphan))
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
