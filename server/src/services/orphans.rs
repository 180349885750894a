//! What agents have and the server does not know: looked at, and given up.

use berth_db::OrphanRow;
use berth_planner::OrphanRule;
use berth_schema::WorkspaceId;
use berth_schema::api::{Orphan, Orphans};
use tracing::info;

use super::agents::find;
use crate::http::identity::Administrator;
use crate::{Context, Error, clock};

pub async fn list(
    context: &Context,
    administrator: &Administrator,
    name_or_id: &str,
) -> Result<Orphans, Error> {
    let rows = context
        .database
        .read(administrator.organization, "list_orphans", async |conn| {
            let agent = find(conn, name_or_id).await?.row;
            Ok::<_, Error>(conn.orphans().of_agent(agent.id).await?)
        })
        .await?;
    Ok(Orphans { items: rows.into_iter().map(|row| show(row, context.protocol.orphans)).collect() })
}

/// Allows an orphan's removal. It is carried out when its grace is over, at the agent's next full report, which is asked
/// for.
pub async fn remove(
    context: &Context,
    administrator: &Administrator,
    name_or_id: &str,
    orphan: WorkspaceId,
) -> Result<Orphan, Error> {
    let now = clock::now();
    let row = context
        .database
        .transaction(administrator.organization, "remove_orphan", async |conn| {
            let agent = find(conn, name_or_id).await?.row;
            let standing = conn.agents().standing(agent.id).await?;
            let row = conn.orphans().allow_removal(agent.id, orphan, administrator.token, now).await?;
            let row = row.ok_or(Error::NotFound("orphan"))?;
            let due = context.protocol.orphans.kept_until(row.first_seen_at) <= now;
            if due && !standing.full_wanted {
                let standing = berth_db::Standing { full_wanted: true, ..standing };
                conn.agents().set_standing(agent.id, &standing).await?;
                conn.notifications().notify_agent(agent.id).await?;
            }
            Ok::<_, Error>(row)
        })
        .await?;
    info!(workspace = %row.workspace_id, by = %administrator.token, "an orphan's removal was allowed");
    Ok(show(row, context.protocol.orphans))
}

/// Takes back that an orphan may be removed. What the agent was told already is done.
pub async fn keep(
    context: &Context,
    administrator: &Administrator,
    name_or_id: &str,
    orphan: WorkspaceId,
) -> Result<Orphan, Error> {
    let row = context
        .database
        .transaction(administrator.organization, "keep_orphan", async |conn| {
            let agent = find(conn, name_or_id).await?.row;
            // A round of the agent comes before or after this, not between.
            conn.agents().lock(agent.id).await?;
            let row = conn.orphans().forbid_removal(agent.id, orphan).await?;
            row.ok_or(Error::NotFound("orphan"))
        })
        .await?;
    info!(workspace = %row.workspace_id, by = %administrator.token, "an orphan is kept");
    Ok(show(row, context.protocol.orphans))
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
