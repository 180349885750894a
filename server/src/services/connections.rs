//! Who is let into a workspace through its agent's proxy: by a browser (decision 0059), or by a program (0063).

mod activity;
mod changes;
mod lead;
mod programs;
mod tokens;

pub use activity::tell_activity;
pub use changes::changes;
pub use lead::{AskedByProxy, lead_on};
pub use programs::connect;
pub(crate) use tokens::proxy_of;

use berth_db::{Basis, Changed, OrganizationSession, Owned, Stamp};
use berth_schema::audit::{By, Details, Event, Outcome, Resource, What, Who};
use berth_schema::connection::{Credential, Decision, Grounds, OpenConnection, Opened, ProxyToken, Why};
use berth_schema::kubernetes::SSH_PORT;
use berth_schema::{Action, ElevationId, WorkspaceId, WorkspaceName};
use jiff::Timestamp;
use tracing::info;

use super::places::Places;
use super::{elevations, permission, sessions};
use crate::denials::{Denial, Whose};
use crate::identity::{AgentIdentity, ProxyIdentity, by_session};
use crate::issuer::Bearer;
use crate::{Error, Op, reports};
use tokens::{Shown, Way};

/// A port of a workspace, as its host names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub workspace: WorkspaceId,
    pub name: WorkspaceName,
    pub port: u16,
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
    let allowed = match judge(op, (shown.bearer, Way::Browser), &port).await? {
        Ok(allowed) => allowed,
        Err(refusal) => return Ok(refusal.told(op, &port)),
    };
    if !allowed.session.is_known {
        sessions::bring(&context.database, &allowed.session, op.now).await?;
    }
    let Shown { bearer, until: code_until } = shown;
    let (id, who) = (op.organization(), allowed.who());
    let stamp = Stamp {
        time: op.now,
        who: who.into(),
        action: Some(What::Action(Action::OpenConnection)),
        outcome: Outcome::Done,
        request: op.origin.request_id,
        peer: op.origin.peer,
        basis: allowed.basis(),
    };
    let details = Details::ConnectionOpened { agent: op.who.agent, port: port.port, until: allowed.until };
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

/// Whether somebody who was let in is let in still. A program that begins is given what it goes on by.
///
/// # Errors
/// Where the database fails.
pub async fn decide(op: &Op<ProxyIdentity>, grant: &Credential, port: &Target) -> Result<Opened, Error> {
    let shown = tokens::of_grant(&op.context.issuer, op.who, (grant, port.workspace), op.now);
    let Some((bearer, way)) = shown else { return Ok(denied(Why::Session)) };
    let allowed = match judge(op, (bearer, way), port).await? {
        Ok(allowed) => allowed,
        Err(refusal) => return Ok(refusal.told(op, port)),
    };
    sessions::note_use_of(&op.context.database, bearer.account, &allowed.session.session, op.now).await?;
    let mut opened = Opened { decision: allowed.decision(), grant: None, grant_until: None };
    if way == Way::Begins {
        let times = (op.now, allowed.latest);
        let (grant, until) =
            tokens::program_grant(&op.context.issuer, op.who, port.workspace, bearer, times)?;
        info!(workspace = %port.workspace, port = port.port, session = %bearer.session, "a program is let in");
        (opened.grant, opened.grant_until) = (Some(grant), Some(until));
    }
    Ok(opened)
}

const fn denied(why: Why) -> Opened {
    Opened { decision: Decision::Denied { why }, grant: None, grant_until: None }
}

/// Somebody who may.
struct Allowed {
    session: OrganizationSession,
    /// When the session ends, if it is not used.
    until: Timestamp,
    /// When the session ends, however much it is used.
    latest: Timestamp,
    /// The newest change that was seen.
    seen: i64,
    /// By which role for a time they may, where they may not without any.
    elevation: Option<ElevationId>,
}

impl Allowed {
    fn decision(&self) -> Decision {
        let (session, subject) = (self.session.session.id, self.session.membership.id);
        // A record counts from 1.
        let seen = self.seen.unsigned_abs();
        Decision::Allowed { until: self.until, grounds: Some(Grounds { session, subject, seen }) }
    }

    fn basis(&self) -> Basis {
        let (subject, By::Token(token)) = (self.session.membership.id, by_session(self.session.session.id));
        Basis::Rights { seen: self.seen, subject, token, elevation: self.elevation }
    }

    fn who(&self) -> Who {
        Who::Subject { subject: self.session.membership.id, by: by_session(self.session.session.id) }
    }
}

/// Somebody who may not, and who that is, where it is known.
struct Refusal {
    why: Why,
    who: Option<Who>,
}

impl Refusal {
    /// It is on record, without the proxy's waiting for that.
    fn told(self, op: &Op<ProxyIdentity>, port: &Target) -> Opened {
        if let Some(who) = self.who {
            let denial = Denial {
                whose: Whose::Organization(op.organization()),
                who: who.into(),
                action: What::Action(Action::OpenConnection),
                reason: self.why.as_str().into(),
                resource: Some(Resource::workspace(port.workspace)),
                origin: op.origin,
            };
            op.context.denials.note_aside(&op.context, denial, op.now);
        }
        denied(self.why)
    }
}

/// Whether the account of a session may connect: it is the creator of a workspace of this proxy's agent, which is called so, and the
/// organisation's rules permit it.
async fn judge(
    op: &Op<ProxyIdentity>,
    (bearer, way): (Bearer, Way),
    port: &Target,
) -> Result<Result<Allowed, Refusal>, Error> {
    let organization = op.organization();
    let found = op.context.database.read((organization, bearer.account), "judge_connection", async |conn| {
        // Whatever is changed after it is told to the proxy; what was changed before is seen by what follows, which is of the same moment.
        let seen = conn.audit().head().await?;
        let session = conn.sessions().find_in(bearer.session, &organization.to_string()).await?;
        let door = conn.workspaces().door(port.workspace).await?;
        let member = session.as_ref().map(|session| session.membership.id);
        let places = match (door.as_ref().and_then(|door| door.project), member) {
            (Some(project), Some(member)) => Places::for_one(conn, std::iter::once(project), member).await?,
            _ => Places::default(),
        };
        let elevated = conn.elevations().active(member.as_slice(), op.now).await?;
        Ok::<_, Error>((seen, session, elevations::held(&elevated), (door, places)))
    });
    let (seen, session, elevated, (door, places)) = found.await?;
    let refuse = |why, who| Ok(Err(Refusal { why, who }));
    let Some(session) = session else { return refuse(Why::Session, None) };
    if sessions::is_over(&session.session, &session.account, &op.context.sessions, op.now).is_some() {
        return refuse(Why::Session, None);
    }
    let who = Who::Subject { subject: session.membership.id, by: by_session(session.session.id) };
    if session.membership.suspended_at.is_some() || session.is_revoked || !session.is_good_here() {
        return refuse(Why::Membership, Some(who));
    }
    let theirs = door.filter(|door| {
        door.agent == op.who.agent && door.is_called(&port.name) && door.creator == session.membership.id
    });
    let Some(door) = theirs else { return refuse(Why::Workspace, Some(who)) };
    // No page of a workspace gets at sshd, whatever its browser shows.
    if port.port == SSH_PORT && way == Way::Browser {
        return refuse(Why::Port, Some(who));
    }
    let theirs = Owned::new(port.workspace, door.creator, door.project);
    let theirs = places.workspace(organization, &theirs, session.membership.id);
    // Where the person asks from, only the proxy knows.
    let circumstances = permission::by_session(&session, None, op.now);
    let whose = (&session.organization, &session.membership);
    let authority = permission::authority(&op.context, whose, (circumstances, elevated)).await?;
    if !authority.decide(Action::OpenConnection, &theirs).allowed {
        return refuse(Why::Policy, Some(who));
    }
    let (mut until, mut latest) = sessions::ends(&session.session, &op.context.sessions);
    let elevation = authority.needed_elevation(Action::OpenConnection, &theirs);
    // By a role for a time nobody is let in for longer than that.
    if elevation.is_some()
        && let Some(end) = authority.asker.elevated_until()
    {
        (until, latest) = (until.min(end), latest.min(end));
    }
    Ok(Ok(Allowed { session, until, latest, seen, elevation }))
}
