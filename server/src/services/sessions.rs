//! One's own sessions: looked at, and ended.

use berth_db::{
    AccountEvent, AccountRow, Acting, Basis, Changed, Database, DeviceRow, MembershipRow, OrganizationConn,
    OrganizationRow, OrganizationSession, SessionRow, Stamp,
};
use berth_schema::audit::{Details, Event, Internal as Kind, Outcome, Resource, What};
use berth_schema::{AccountId, Action, IdentityProviderId, ResourceKind, SessionId};
use jiff::{SignedDuration, Timestamp};
use tracing::info;
use uuid::Uuid;

use crate::error::{DenyReason, Unproven};
use crate::identity::{Origin, Person, by_session};
use crate::services::sign_in::SessionRules;
use crate::{Context, Error, Op};

/// So many are shown, the newest.
const MAX_SHOWN: i64 = 200;

/// How long ago somebody may have proven who they are who changes what lets them in.
const RECENT: SignedDuration = SignedDuration::from_mins(10);

/// A use is written down when the last one is so long ago.
const NOTED: SignedDuration = SignedDuration::from_secs(60);

/// Why a session opens nothing any more.
pub(crate) fn is_over(
    session: &SessionRow,
    account: &AccountRow,
    rules: &SessionRules,
    now: Timestamp,
) -> Option<Unproven> {
    if account.suspended_at.is_some() {
        Some(Unproven::Suspended)
    } else if session.ended_at.is_some() {
        Some(Unproven::Revoked)
    } else {
        (!goes_on(session, rules, now)).then_some(Unproven::Expired)
    }
}

/// Whoever finds an open browser does not make themselves at home there: what lets in is changed soon after they have proven who they are.
///
/// # Errors
/// [`Error::Forbidden`] where that is longer ago.
pub(crate) async fn demand_recent(
    conn: &OrganizationConn<'_>,
    op: &Op<Person>,
    action: Action,
) -> Result<(), Error> {
    let session = conn.sessions().find(op.who.session).await?;
    let is_recent = session.is_some_and(|(session, _)| op.now.duration_since(session.proven_at()) <= RECENT);
    let refused = Error::Forbidden { action, reason: DenyReason::NotRecent, rule: None };
    is_recent.then_some(()).ok_or(refused)
}

/// Whether it goes on, by what was said when it began and by what holds now, whichever is less.
pub(crate) fn goes_on(session: &SessionRow, rules: &SessionRules, now: Timestamp) -> bool {
    session.is_valid(now) && now < ends(session, rules).0
}

/// When it ends: as long as it is not used, and at the latest.
pub(crate) fn ends(session: &SessionRow, rules: &SessionRules) -> (Timestamp, Timestamp) {
    let (absolute, idle) = match session.client.as_str() {
        "browser" => (rules.absolute, rules.idle),
        _ => (rules.login, rules.login_idle),
    };
    let after = |time: Timestamp, life: SignedDuration| time.saturating_add(life).unwrap_or(Timestamp::MAX);
    let latest = session.expires_at.min(after(session.created_at, absolute));
    (latest.min(session.ends_at()).min(after(session.last_used_at, idle)), latest)
}

/// Keeps a session that is used from ending as an idle one.
pub(crate) async fn note_use(op: &Op<Person>, session: &SessionRow) -> Result<(), Error> {
    note_use_of(&op.context.database, op.who.account, session, op.now).await
}

/// The same of one that is used where its account is not at hand: at a workspace.
#[expect(clippy::disallowed_methods, reason = "that it is used changes nothing for anybody")]
pub(crate) async fn note_use_of(
    database: &Database,
    account: AccountId,
    session: &SessionRow,
    now: Timestamp,
) -> Result<(), Error> {
    if now.duration_since(session.last_used_at) < NOTED {
        return Ok(());
    }
    let noted = database.transaction(account, "note_session", async |conn| {
        conn.sessions().touch(session.id, now).await.map_err(Error::from)
    });
    noted.await
}

/// Makes a session one of its user's tokens in an organisation, where it is used for the first time, or anew after it was taken away.
#[expect(
    clippy::disallowed_methods,
    reason = "that it was begun, or proven anew, is on record there already"
)]
pub(crate) async fn bring(
    database: &Database,
    found: &OrganizationSession,
    now: Timestamp,
) -> Result<(), Error> {
    let subject = found.membership.id;
    let brought = database.transaction(found.organization.id, "bring_session", async |conn| {
        conn.tokens().bring_session(&found.session, subject, now).await.map_err(Error::from)
    });
    brought.await
}

/// Who begins or ends a session that no operation of an account does: by that session.
pub(crate) fn stamp(session: SessionId, kind: Kind, (origin, now): (Origin, Timestamp)) -> Stamp {
    Stamp {
        time: now,
        who: Acting::Account(by_session(session)),
        action: Some(What::Internal(kind)),
        outcome: Outcome::Done,
        request: origin.request_id,
        peer: origin.peer,
        basis: Basis::Itself,
    }
}

/// Ends a session that is given up, or that two seem to have.
pub(crate) async fn end_by_itself(
    context: &Context,
    (account, session): (AccountId, SessionId),
    at: (Origin, Timestamp),
) -> Result<(), Error> {
    let (_, now) = at;
    let stamp = stamp(session, Kind::EndSession, at);
    let ended = context.database.change_of_account(account, "end_session_by_itself", stamp, async |conn| {
        if conn.sessions().end(&[session], now).await? == 0 {
            return Ok::<_, Error>(Changed::Not(()));
        }
        Ok(Changed::So((), Event::new(Resource::session(session), Details::Nothing).into()))
    });
    ended.await
}

/// What one is in each of one's organisations.
pub async fn memberships(op: &Op<Person>) -> Result<Vec<(OrganizationRow, MembershipRow)>, Error> {
    op.read("list_memberships", async |conn| Ok(conn.accounts().memberships().await?)).await
}

/// What somebody sees of where they are signed in.
#[derive(Debug)]
pub struct Overview {
    /// Those that go on, the newest first.
    pub sessions: Vec<SessionRow>,
    /// The sessions by which those devices came that are not known as theirs, ended or not, the newest first.
    pub new_devices: Vec<SessionRow>,
    /// The device of whoever looks is a known one: what they say of others counts.
    pub is_known: bool,
    pub account: AccountRow,
}

pub async fn overview(op: &Op<Person>) -> Result<Overview, Error> {
    op.read("list_sessions", async |conn| {
        let (sessions, devices) = (conn.sessions(), conn.devices().list().await?);
        let (own, account) = own(conn, op).await?;
        let mut new_devices = Vec::new();
        for device in devices.iter().filter(|device| !device.is_known(op.now)) {
            new_devices.extend(sessions.find(device.session_id).await?.map(|(session, _)| session));
        }
        let mut going_on = sessions.list(MAX_SHOWN).await?;
        going_on.retain(|session| goes_on(session, &op.context.sessions, op.now));
        let is_known = is_known(&devices, own.device_id, op.now);
        Ok::<_, Error>(Overview { sessions: going_on, new_devices, is_known, account })
    })
    .await
}

/// The session that asks, and whose it is.
async fn own(conn: &OrganizationConn<'_>, op: &Op<Person>) -> Result<(SessionRow, AccountRow), Error> {
    let own = conn.sessions().find(op.who.session).await?;
    own.ok_or(Error::Unauthenticated(Unproven::NoSession))
}

fn new(devices: &[DeviceRow], now: Timestamp) -> impl Iterator<Item = &DeviceRow> {
    devices.iter().filter(move |device| !device.is_known(now))
}

/// Whether what is said there of other devices counts. Of a device that is not stored nothing is known.
fn is_known(devices: &[DeviceRow], id: Option<Uuid>, now: Timestamp) -> bool {
    id.is_none_or(|id| devices.iter().any(|device| device.id == id && device.is_known(now)))
}

/// Says that the device on which a session began is one's own. It takes a device that is known: whoever has come in by what they have
/// stolen does not vouch for themselves.
pub async fn know_device(op: &Op<Person>, session: SessionId) -> Result<(), Error> {
    op.change("know_device", async |conn| {
        let found = conn.sessions().find(session).await?;
        let (theirs, _) = found.ok_or_else(|| Error::missing(ResourceKind::Session, &session))?;
        let devices = conn.devices().list().await?;
        let is_new = |id: Option<Uuid>| new(&devices, op.now).any(|device| Some(device.id) == id);
        let Some(device) = theirs.device_id.filter(|id| is_new(Some(*id))) else {
            return Ok(Changed::Not(()));
        };
        if !is_known(&devices, own(conn, op).await?.0.device_id, op.now) {
            let why = "is on a device that is new: say it where you were signed in before";
            return Err(Error::field("session", why));
        }
        conn.devices().know(device, op.now).await?;
        Ok::<_, Error>(Changed::So((), Event::new(Resource::session(session), Details::Nothing).into()))
    })
    .await
}

/// By whose word the session that asks was begun.
pub async fn provider(op: &Op<Person>) -> Result<Option<IdentityProviderId>, Error> {
    let found = op.read("find_proof_of_session", async |conn| {
        Ok::<_, Error>(conn.session_proofs().of_session(op.who.session).await?)
    });
    Ok(found.await?.map(|(_, provider)| provider))
}

/// Ends one. One that has ended already has ended. Of a device that is new, where a known one asks: all that are on it, and it is
/// forgotten, so that whoever signs in there again is told of again.
pub async fn end(op: &Op<Person>, session: SessionId) -> Result<(), Error> {
    op.change("end_session", async |conn| {
        let found = conn.sessions().find(session).await?;
        let (theirs, _) = found.ok_or_else(|| Error::missing(ResourceKind::Session, &session))?;
        let (mut ends, forgotten) =
            (vec![session], forget(conn, op, |device| Some(device) == theirs.device_id).await?);
        ends.extend(conn.sessions().on(&forgotten).await?);
        if conn.sessions().end(&ends, op.now).await? == 0 && forgotten.is_empty() {
            return Ok(Changed::Not(()));
        }
        Ok::<_, Error>(Changed::So((), Event::new(Resource::session(session), Details::Nothing).into()))
    })
    .await?;
    info!(account = %op.who.account, %session, by = %op.who.session, "a session was ended");
    Ok(())
}

/// Forgets those of the devices that are new, where a known one asks: which those were.
async fn forget(
    conn: &OrganizationConn<'_>,
    op: &Op<Person>,
    which: impl Fn(Uuid) -> bool,
) -> Result<Vec<Uuid>, Error> {
    let (devices, own) = (conn.devices().list().await?, own(conn, op).await?.0.device_id);
    if !is_known(&devices, own, op.now) {
        return Ok(Vec::new());
    }
    let named: Vec<_> = new(&devices, op.now).map(|device| device.id).filter(|id| which(*id)).collect();
    if !named.is_empty() {
        conn.devices().forget(&named, op.now).await?;
    }
    Ok(named)
}

/// Ends all but the one that asks. Answers with how many those were.
pub async fn end_others(op: &Op<Person>) -> Result<usize, Error> {
    let ended = op
        .change("end_other_sessions", async |conn| {
            let (mut ended, forgotten) = (0, forget(conn, op, |_| true).await?);
            loop {
                let all = conn.sessions().list(MAX_SHOWN).await?;
                let others: Vec<_> =
                    all.iter().map(|session| session.id).filter(|id| *id != op.who.session).collect();
                if others.is_empty() {
                    break;
                }
                ended += conn.sessions().end(&others, op.now).await?;
            }
            if ended == 0 && forgotten.is_empty() {
                return Ok::<_, Error>(Changed::Not(ended));
            }
            let details = Details::SessionsEnded { count: ended as u64 };
            let event = AccountEvent::of(move |subject| Event::new(Resource::user(subject), details.clone()));
            Ok(Changed::So(ended, event))
        })
        .await?;
    info!(account = %op.who.account, ended, by = %op.who.session, "all other sessions were ended");
    Ok(ended)
}
