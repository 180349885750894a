//! Who is let into a workspace through its agent's proxy: by a browser (decision 0059), or by a program (0063).

mod activity;
mod changes;
mod connected;
mod judge;
mod lead;
mod logs;
mod plain_ssh;
mod programs;
mod tokens;

pub use activity::tell_activity;
pub use changes::changes;
pub(crate) use connected::Forgetter;
pub use connected::{end_connections, forget_silent_proxies, list_connected, tell_connected};
pub use lead::{AskedByProxy, lead_on};
pub use logs::read_logs;
pub use plain_ssh::{open_by_key, ssh_host_key};
pub use programs::connect;
pub(crate) use programs::is_cut;
pub(crate) use tokens::proxy_of;

use berth_db::{Changed, Stamp};
use berth_schema::audit::{Details, Event, Outcome, Resource, What};
use berth_schema::connection::{Credential, Decision, OpenConnection, Opened, ProxyToken, Why};
use berth_schema::logs::LOGS;
use berth_schema::{Action, WorkspaceId, WorkspaceName};
use jiff::Timestamp;
use tracing::info;

use super::sessions;
use crate::identity::{AgentIdentity, ProxyIdentity};
use crate::issuer::Bearer;
use crate::{Error, Op, reports};
use judge::{Allowed, judge, judge_nobody};
use tokens::{Shown, Way};

/// A port of a workspace, as its host names it; or, as [`LOGS`], what its containers write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub workspace: WorkspaceId,
    pub name: WorkspaceName,
    pub port: u16,
}

impl Target {
    const fn is_logs(&self) -> bool {
        self.port == LOGS
    }

    /// What is done by whoever is let in there.
    const fn action(&self) -> Action {
        if self.is_logs() { Action::ReadLogs } else { Action::OpenConnection }
    }
}

/// Another token for the agent's proxy. Those of before go on until they end.
///
/// # Errors
/// Where the database fails, or nothing can be signed.
pub async fn issue_proxy_token(op: &Op<AgentIdentity>) -> Result<ProxyToken, Error> {
    op.context.reports.admit(op.who.agent, reports::SECRET).await?;
    let proxy = ProxyIdentity { organization: op.organization(), agent: op.who.agent };
    let (token, expires_at) = tokens::for_proxy(&op.context.issuer, proxy, op.now)?;
    op.change("issue_proxy_token", async |_| {
        let event = Event::new(Resource::agent(op.who.agent), Details::ProxyTokenIssued { expires_at });
        Ok::<_, Error>(Changed::So((), event))
    })
    .await?;
    Ok(ProxyToken { token, expires_at })
}

/// A browser has brought a code to a workspace's host: whether it is let in, and by what it is known from now on.
///
/// # Errors
/// [`Error::Invalid`] where the code is none that this proxy may exchange; where the database fails.
pub async fn open(op: &Op<ProxyIdentity>, opening: &OpenConnection) -> Result<Opened, Error> {
    let wrong = || Error::field("code", "is wrong, was used, or is too old");
    let context = &op.context;
    let shown = tokens::of_code(&context.issuer, op.who, opening, op.now).ok_or_else(wrong)?;
    let port = Target { workspace: opening.workspace, name: opening.name.clone(), port: opening.port };
    // A host names a port.
    if port.is_logs() {
        return Ok(denied(Why::Port));
    }
    let allowed = match judge(op, (shown.bearer, Way::Comes), &port).await? {
        Ok(allowed) => allowed,
        Err(refusal) => return Ok(refusal.told(op, &port)),
    };
    if !allowed.session.is_brought() {
        sessions::bring(&context.database, &allowed.session, op.now).await?;
    }
    let Shown { bearer, until: code_until } = shown;
    let id = op.organization();
    let stamp = stamp(op, &allowed, Action::OpenConnection);
    let (until, shared) = (allowed.until, allowed.is_by_share());
    let details =
        Details::ConnectionOpened { agent: op.who.agent, port: port.port, until, shared, ssh_key: None };
    let opened = context.database.change((id, bearer.account), "open_connection", stamp, async |conn| {
        if !conn.spent_codes().spend(bearer.id, code_until, op.now).await? {
            return Err(wrong());
        }
        Ok(Changed::So((), Event::new(Resource::workspace(port.workspace), details.clone())))
    });
    opened.await?;
    let (grant, grant_until) = tokens::grant(&context.issuer, op.who, bearer, (op.now, allowed.latest))?;
    info!(workspace = %port.workspace, port = port.port, session = %bearer.session, "somebody is let in");
    let decision = allowed.decision();
    Ok(Opened { decision, grant: Some(grant), grant_until: Some(grant_until) })
}

/// Whether somebody who was let in is let in still; without a grant, whether nobody has to sign in. A program that begins is given what
/// it goes on by.
///
/// # Errors
/// Where the database fails.
pub async fn decide(
    op: &Op<ProxyIdentity>,
    grant: Option<&Credential>,
    port: &Target,
) -> Result<Opened, Error> {
    let Some(grant) = grant else { return judge_nobody(op, port).await.map(opened) };
    let shown = tokens::of_grant(&op.context.issuer, op.who, (grant, port.workspace), op.now);
    let Some((bearer, way)) = shown else { return Ok(denied(Why::Session)) };
    // To begin to read is on record: see `read_logs`.
    if port.is_logs() && way == Way::Begins {
        return Ok(denied(Why::Port));
    }
    let allowed = match judge(op, (bearer, way), port).await? {
        Ok(allowed) => allowed,
        Err(refusal) => return Ok(refusal.told(op, port)),
    };
    let session = &allowed.session.session;
    sessions::note_use_of(&op.context.database, bearer.account, session, op.now).await?;
    // What is open in a workspace is work in the organisation.
    op.context.uses.note(op.organization(), (*session.id.as_uuid()).into(), op.now);
    let mut opened = opened(allowed.decision());
    if way == Way::Begins {
        let (grant, until) = goes_on(op, (bearer, &allowed), port)?;
        info!(workspace = %port.workspace, port = port.port, session = %bearer.session, "a program is let in");
        (opened.grant, opened.grant_until) = (Some(grant), Some(until));
    }
    Ok(opened)
}

/// What is on record of what somebody does through a proxy who may.
fn stamp(op: &Op<ProxyIdentity>, allowed: &Allowed, action: Action) -> Stamp {
    Stamp {
        time: op.now,
        who: allowed.who().into(),
        action: Some(What::Action(action)),
        outcome: Outcome::Done,
        request: op.origin.request_id,
        peer: op.origin.peer,
        basis: allowed.basis(),
    }
}

/// What a program that has begun goes on by.
fn goes_on(
    op: &Op<ProxyIdentity>,
    (bearer, allowed): (Bearer, &Allowed),
    port: &Target,
) -> Result<(Credential, Timestamp), Error> {
    let times = (op.now, allowed.latest);
    tokens::program_grant(&op.context.issuer, op.who, port.workspace, bearer, times)
}

const fn opened(decision: Decision) -> Opened {
    Opened { decision, grant: None, grant_until: None }
}

const fn denied(why: Why) -> Opened {
    opened(Decision::Denied { why })
}
