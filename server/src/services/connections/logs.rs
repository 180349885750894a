//! What a workspace's containers write, which its agent's proxy reads for whoever may. See decision 0083.

use berth_db::{Changed, Hold};
use berth_planner::{AgentConfig, Snapshot, logs, objects};
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::connection::{Credential, Why};
use berth_schema::logs::{LOGS, LogsOpened, ReadLogs};
use tracing::info;

use super::judge::judge;
use super::tokens::{self, Way};
use super::{Target, denied, goes_on, opened, stamp};
use crate::identity::ProxyIdentity;
use crate::services::reconcile::planned;
use crate::services::sessions;
use crate::{Error, Op};

/// Whether somebody may read what a workspace's containers write, and of which. Each time is on record.
///
/// # Errors
/// Where the database fails.
pub async fn read_logs(
    op: &Op<ProxyIdentity>,
    grant: Option<&Credential>,
    asked: &ReadLogs,
) -> Result<LogsOpened, Error> {
    let none = |opened| Ok(LogsOpened { opened, containers: Vec::new(), candidates: Vec::new() });
    let context = &op.context;
    let shown =
        grant.and_then(|grant| tokens::of_grant(&context.issuer, op.who, (grant, asked.workspace), op.now));
    // What one has begun by goes on; it begins nothing.
    let Some((bearer, way)) = shown.filter(|(_, way)| *way != Way::Program) else {
        return none(denied(Why::Session));
    };
    let port = Target { workspace: asked.workspace, name: asked.name.clone(), port: LOGS };
    let allowed = match judge(op, (bearer, way), &port).await? {
        Ok(allowed) => allowed,
        Err(refusal) => return none(refusal.told(op, &port)),
    };
    let session = &allowed.session.session;
    sessions::note_use_of(&context.database, bearer.account, session, op.now).await?;
    context.uses.note(op.organization(), (*session.id.as_uuid()).into(), op.now);
    let stamp = stamp(op, &allowed, port.action());
    let whose = (op.organization(), bearer.account);
    let found = context.database.change(whose, "read_logs", stamp, async |conn| {
        let Some(view) = conn.workspaces().find(asked.workspace).await? else {
            return Ok::<_, Error>(Changed::Not((Vec::new(), Vec::new())));
        };
        let written = conn.agents().configuration(op.who.agent, Hold::Nothing).await?.document()?;
        let config = AgentConfig::new(&written, &context.agent_defaults);
        let workspace = planned(view.workspace);
        let snapshot = Snapshot::new(op.organization(), op.who.agent, config, Vec::new());
        let containers = objects::containers(&snapshot, &workspace);
        let candidates = logs::candidates(&containers, asked.container.as_deref(), workspace.reason.as_ref());
        if candidates.is_empty() {
            return Ok(Changed::Not((containers, candidates)));
        }
        let details = Details::LogsRead {
            agent: op.who.agent,
            containers: candidates.clone(),
            previous: asked.previous,
            follow: asked.follow,
        };
        let event = Event::new(Resource::workspace(asked.workspace), details);
        Ok(Changed::So((containers, candidates), event))
    });
    let (containers, candidates) = found.await?;
    let mut opened = opened(allowed.decision());
    if way == Way::Begins {
        let (grant, until) = goes_on(op, (bearer, &allowed), &port)?;
        (opened.grant, opened.grant_until) = (Some(grant), Some(until));
    }
    info!(workspace = %asked.workspace, session = %bearer.session, follow = asked.follow, "somebody reads logs");
    Ok(LogsOpened { opened, containers, candidates })
}
