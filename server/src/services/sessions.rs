//! One's own sessions: looked at, and ended.

use berth_db::{AccountRow, MembershipRow, OrganizationRow, SessionRow};
use berth_schema::{ResourceKind, SessionId};
use jiff::{SignedDuration, Timestamp};
use tracing::info;

use crate::error::Unproven;
use crate::identity::Person;
use crate::{Error, Op};

/// So many are shown, the newest.
const MAX_SHOWN: i64 = 200;

/// A use is written down when the last one is so long ago.
const NOTED: SignedDuration = SignedDuration::from_secs(60);

/// Why a session opens nothing any more.
pub(crate) fn is_over(session: &SessionRow, account: &AccountRow, now: Timestamp) -> Option<Unproven> {
    if account.suspended_at.is_some() {
        Some(Unproven::Suspended)
    } else if session.ended_at.is_some() {
        Some(Unproven::Revoked)
    } else {
        (!session.is_valid(now)).then_some(Unproven::Expired)
    }
}

/// Keeps a session that is used from ending as an idle one.
pub(crate) async fn note_use(op: &Op<Person>, session: &SessionRow) -> Result<(), Error> {
    if op.now.duration_since(session.last_used_at) < NOTED {
        return Ok(());
    }
    op.transaction("note_session", async |conn| Ok(conn.sessions().touch(session.id, op.now).await?)).await
}

/// What one is in each of one's organisations.
pub async fn memberships(op: &Op<Person>) -> Result<Vec<(OrganizationRow, MembershipRow)>, Error> {
    op.read("list_memberships", async |conn| Ok(conn.accounts().memberships().await?)).await
}

/// Those that go on, the newest first.
pub async fn list(op: &Op<Person>) -> Result<Vec<SessionRow>, Error> {
    let all = op.read("list_sessions", async |conn| Ok::<_, Error>(conn.sessions().list(MAX_SHOWN).await?));
    Ok(all.await?.into_iter().filter(|session| session.is_valid(op.now)).collect())
}

/// Ends one. One that has ended already has ended.
pub async fn end(op: &Op<Person>, session: SessionId) -> Result<(), Error> {
    op.transaction("end_session", async |conn| {
        if conn.sessions().find(session).await?.is_none() {
            return Err(Error::missing(ResourceKind::Session, &session));
        }
        conn.sessions().end(&[session], op.now).await?;
        Ok(())
    })
    .await?;
    info!(account = %op.who.account, %session, by = %op.who.session, "a session was ended");
    Ok(())
}

/// Ends all but the one that asks. Answers with how many those were.
pub async fn end_others(op: &Op<Person>) -> Result<usize, Error> {
    let ended = op
        .transaction("end_other_sessions", async |conn| {
            let mut ended = 0;
            loop {
                let all = conn.sessions().list(MAX_SHOWN).await?;
                let others: Vec<_> =
                    all.iter().map(|session| session.id).filter(|id| *id != op.who.session).collect();
                if others.is_empty() {
                    return Ok::<_, Error>(ended);
                }
                ended += conn.sessions().end(&others, op.now).await?;
            }
        })
        .await?;
    info!(account = %op.who.account, ended, by = %op.who.session, "all other sessions were ended");
    Ok(ended)
}
