//! Whether somebody may connect: whose the workspace is, whom the port is shared with, and what the organisation's rules say.

use berth_db::{Basis, EndsOfSession, OrganizationConn, OrganizationSession, Owned, WorkspaceDoor};
use berth_planner::connected::Ended;
use berth_schema::audit::{By, Resource, What, Who};
use berth_schema::connection::{Decision, Grounds, Opened, Why};
use berth_schema::kubernetes::SSH_PORT;
use berth_schema::{Action, ConnectionId, ElevationId, SubjectId, WorkspaceId};
use jiff::Timestamp;

use super::tokens::Way;
use super::{Target, denied};
use crate::denials::{Denial, Whose};
use crate::identity::{ProxyIdentity, by_session};
use crate::issuer::Bearer;
use crate::services::places::Places;
use crate::services::ports::{Shared, There};
use crate::services::{elevations, permission, sessions};
use crate::{Error, Op};

/// Somebody who may.
pub(super) struct Allowed {
    pub(super) session: OrganizationSession,
    /// When the session ends, if it is not used; or what they are let in by.
    pub(super) until: Timestamp,
    /// When the session ends, however much it is used; or what they are let in by.
    pub(super) latest: Timestamp,
    /// The newest change that was seen.
    seen: i64,
    /// By which role for a time they may, where they may not without any.
    elevation: Option<ElevationId>,
    workspace: WorkspaceId,
    /// As it is told of, and ended.
    connection: ConnectionId,
    /// Who shares the port with them; `None`: the workspace is theirs.
    sharer: Option<SubjectId>,
    /// The port is there because it was opened: what closes it is about the workspace.
    is_opened: bool,
}

impl Allowed {
    pub(super) fn decision(&self) -> Decision {
        let (session, subject) = (self.session.session.id, self.session.membership.id);
        let grounds = Grounds {
            session: Some(session),
            subject: Some(subject),
            sharer: self.sharer,
            connection: Some(self.connection),
            seen: counted(self.seen),
        };
        Decision::Allowed { until: self.until, grounds: Some(grounds) }
    }

    pub(super) fn basis(&self) -> Basis {
        let (subject, By::Token(token)) = (self.session.membership.id, by_session(self.session.session.id));
        let Self { seen, elevation, workspace, .. } = *self;
        match self.sharer.or(self.is_opened.then_some(subject)) {
            Some(sharer) => Basis::Share { seen, subject, token, elevation, workspace, sharer },
            None => Basis::Rights { seen, subject, token, elevation },
        }
    }

    pub(super) fn who(&self) -> Who {
        Who::Subject { subject: self.session.membership.id, by: by_session(self.session.session.id) }
    }

    pub(super) const fn is_by_share(&self) -> bool {
        self.sharer.is_some()
    }
}

/// A record counts from 1.
const fn counted(seen: i64) -> u64 {
    seen.unsigned_abs()
}

/// Somebody who may not, and who that is, where it is known.
pub(super) struct Refusal {
    why: Why,
    who: Option<Who>,
}

impl Refusal {
    /// It is on record, without the proxy's waiting for that.
    pub(super) fn told(self, op: &Op<ProxyIdentity>, port: &Target) -> Opened {
        if let Some(who) = self.who {
            let denial = Denial {
                whose: Whose::Organization(op.organization()),
                who: who.into(),
                action: What::Action(port.action()),
                reason: self.why.as_str().into(),
                resource: Some(Resource::workspace(port.workspace)),
                origin: op.origin,
            };
            op.context.denials.note_aside(&op.context, denial, op.now);
        }
        denied(self.why)
    }
}

/// What was ended of a session's, to be decided by.
pub(super) const fn ended(ends: EndsOfSession) -> Ended {
    Ended { is_this: ends.is_this, by_another: ends.must_prove_since }
}

/// The workspace of a port, if it is this proxy's agent's and is called as its host says.
async fn door(
    conn: &OrganizationConn<'_>,
    proxy: ProxyIdentity,
    port: &Target,
) -> Result<Option<WorkspaceDoor>, Error> {
    let door = conn.workspaces().door(port.workspace).await?;
    Ok(door.filter(|door| door.agent == proxy.agent && door.is_called(&port.name)))
}

/// Whether the account of a session may connect: to a workspace that it has made, or at a port that is shared with it, and the
/// organisation's rules permit it.
pub(super) async fn judge(
    op: &Op<ProxyIdentity>,
    (bearer, way): (Bearer, Way),
    port: &Target,
) -> Result<Result<Allowed, Refusal>, Error> {
    let (organization, now) = (op.organization(), op.now);
    let found = op.context.database.read((organization, bearer.account), "judge_connection", async |conn| {
        // Whatever is changed after it is told to the proxy; what was changed before is seen by what follows, which is of the same moment.
        let seen = conn.audit().head().await?;
        let session = conn.sessions().find_in(bearer.session, &organization.to_string()).await?;
        let door = door(conn, op.who, port).await?;
        let member = session.as_ref().map(|session| session.membership.id);
        let places = match (door.as_ref().and_then(|door| door.project), member) {
            (Some(project), Some(member)) => Places::for_one(conn, std::iter::once(project), member).await?,
            _ => Places::default(),
        };
        // Programs get in by what only its owner is given.
        let shared = match (&door, member) {
            (Some(door), Some(member))
                if door.creator != member && way.is_of_a_browser() && !port.is_logs() =>
            {
                Shared::of(conn, (port.workspace, port.port), door, (Some(member), now)).await?
            }
            _ => Shared::default(),
        };
        let there = match &door {
            Some(door) => There::of(conn, (port.workspace, port.port), door).await?,
            None => There::Not,
        };
        let elevated = conn.elevations().active(member.as_slice(), now).await?;
        let connection = Some(ConnectionId::from(bearer.id));
        let ends = conn.open_connections().ends_of(port.workspace, bearer.session, connection).await?;
        Ok::<_, Error>((seen, session, elevations::held(&elevated), (door, places, (shared, there), ends)))
    });
    let (seen, session, elevated, (door, places, (by_others, there), ends)) = found.await?;
    let refuse = |why, who| Ok(Err(Refusal { why, who }));
    let Some(session) = session else { return refuse(Why::Session, None) };
    if sessions::is_over(&session.session, &session.account, &op.context.sessions, now).is_some() {
        return refuse(Why::Session, None);
    }
    let me = session.membership.id;
    let who = Who::Subject { subject: me, by: by_session(session.session.id) };
    if session.membership.suspended_at.is_some() || session.is_revoked() || !session.is_good_here() {
        return refuse(Why::Membership, Some(who));
    }
    // What was ended proves nothing any more, as a session that has.
    if !ended(ends).lets(way.begins(), session.session.proven_at()) {
        return refuse(Why::Session, None);
    }
    let Some(door) = door else { return refuse(Why::Workspace, Some(who)) };
    let is_theirs = door.creator == me;
    let version = session.organization.policy_version;
    let by_share =
        if is_theirs { None } else { by_others.until(&op.context, organization, version, now).await? };
    let there_until = there.until(&op.context, organization, version, now).await?;
    if !is_theirs && (by_share.is_none() || there_until.is_none()) {
        return refuse(Why::Workspace, Some(who));
    }
    // Whose it is may open it: nothing is denied them.
    let Some(there_until) = there_until else { return refuse(Why::Port, None) };
    // No page of a workspace gets at sshd, whatever its browser shows.
    if port.port == SSH_PORT && way.is_of_a_browser() {
        return refuse(Why::Port, Some(who));
    }
    let thing = places.workspace(organization, &Owned::new(port.workspace, door.creator, door.project), me);
    let thing = if is_theirs { thing } else { thing.shared() };
    // Where the person asks from, only the proxy knows.
    let circumstances = permission::by_session(&session, &op.context.uses, None, now);
    let whose = (&session.organization, &session.membership);
    let authority = permission::authority(&op.context, whose, (circumstances, elevated)).await?;
    let by_key = session.session.is_of_an_ssh_key().then_some(Action::OpenConnectionByKey);
    if by_key.into_iter().chain([port.action()]).any(|action| !authority.decide(action, &thing).allowed) {
        return refuse(Why::Policy, Some(who));
    }
    let (mut until, mut latest) = sessions::ends(&session.session, &op.context.sessions);
    let elevation = authority.needed_elevation(port.action(), &thing);
    // By a role for a time nobody is let in for longer than that, nor by a share, nor at a port for longer than it is open.
    let elevated_until = elevation.and_then(|_| authority.asker.elevated_until());
    let share_until = by_share.map(|(end, _)| end);
    for end in [Some(there_until), elevated_until, share_until].into_iter().flatten() {
        (until, latest) = (until.min(end), latest.min(end));
    }
    let (workspace, sharer) = (port.workspace, by_share.map(|(_, sharer)| sharer));
    let connection = bearer.id.into();
    let is_opened = there.is_opened();
    Ok(Ok(Allowed { session, until, latest, seen, elevation, workspace, connection, sharer, is_opened }))
}

/// Whether a port lets in whoever has its address.
pub(super) async fn judge_nobody(op: &Op<ProxyIdentity>, port: &Target) -> Result<Decision, Error> {
    let (organization, now) = (op.organization(), op.now);
    let found = op.read("judge_connection_of_nobody", async |conn: &OrganizationConn<'_>| {
        let seen = conn.audit().head().await?;
        let version = conn.organizations().find().await?.and_then(|organization| organization.policy_version);
        let its = (port.workspace, port.port);
        let (shared, there) = match door(conn, op.who, port).await? {
            Some(door) => {
                (Shared::of(conn, its, &door, (None, now)).await?, There::of(conn, its, &door).await?)
            }
            None => (Shared::default(), There::Not),
        };
        Ok::<_, Error>((seen, version, shared, there))
    });
    let (seen, version, by_owner, there) = found.await?;
    let by_owner = by_owner.until(&op.context, organization, version, now).await?;
    Ok(match by_owner.zip(there.until(&op.context, organization, version, now).await?) {
        Some(((until, sharer), there_until)) => {
            let until = until.min(there_until);
            let grounds = Grounds {
                session: None,
                subject: None,
                sharer: Some(sharer),
                connection: None,
                seen: counted(seen),
            };
            Decision::Allowed { until, grounds: Some(grounds) }
        }
        None => Decision::Denied { why: Why::Session },
    })
}
