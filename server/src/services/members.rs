//! Who belongs to an organisation: listed, given another role, suspended, removed.

use berth_db::{Changed, ChangedBy, Cursor, DbError, Intent, MemberRow, OrganizationConn, PageRequest};
use berth_schema::access::Role;
use berth_schema::api::Paged;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::members::{ChangeMember, Member as Shown};
use berth_schema::{DesiredState, ResourceKind, SubjectId};
use jiff::Timestamp;
use tracing::info;

use super::access::LASTING;
use super::{paging, policy};
use crate::identity::Member;
use crate::{Error, Op};

pub async fn list(op: &Op<Member>, page: &PageRequest) -> Result<Paged<Shown>, Error> {
    let rows = op.read("list_members", async |conn| conn.subjects().list(page).await.map_err(Error::from));
    Ok(paging::page(rows.await?, page, |row| Cursor::new(row.created_at, row.id), show))
}

pub async fn get(op: &Op<Member>, which: &str) -> Result<Shown, Error> {
    op.read("get_member", async |conn| found(conn, which).await.map(show)).await
}

/// Gives somebody another role, or takes from them, or gives back, everything that they may do. It holds from the next request on,
/// on every server.
pub async fn change(op: &Op<Member>, which: &str, wanted: ChangeMember) -> Result<Shown, Error> {
    if wanted == ChangeMember::default() {
        return Err(Error::field("role", "must be given, or 'suspended'"));
    }
    let row = op
        .change("change_member", async |conn| {
            conn.organizations().lock().await?;
            let before = theirs_to_change(conn, op, which).await?;
            let role = wanted.role.unwrap_or(before.role);
            may_give(op, role)?;
            let suspended_at = match wanted.suspended {
                Some(true) => before.suspended_at.or(Some(op.now)),
                Some(false) => None,
                None => before.suspended_at,
            };
            if (role, suspended_at) == (before.role, before.suspended_at) {
                return Ok(Changed::Not(before));
            }
            if role != Role::Owner || suspended_at.is_some() {
                may_leave(conn, before.id, op.now).await?;
            }
            let row = conn.subjects().change(before.id, wanted.role, suspended_at).await?;
            rules_are_somebodys(conn, op, before.role).await?;
            let is_suspended = row.suspended_at.is_some();
            let details = Details::MemberChanged { before: before.role, role, is_suspended };
            Ok::<_, Error>(Changed::So(row, Event::new(Resource::user(before.id), details)))
        })
        .await?;
    info!(member = %row.id, role = %row.role, suspended = row.suspended_at.is_some(), by = %op.who.subject, "member changed");
    Ok(show(row))
}

/// Ends everything that somebody may do in the organisation, for good: their tokens are revoked, and what is theirs and runs is
/// stopped. What they did stays on record, and their workspaces stay until somebody deletes them.
pub async fn remove(op: &Op<Member>, which: &str) -> Result<Shown, Error> {
    let (row, stopped) = op
        .change("remove_member", async |conn| {
            conn.organizations().lock().await?;
            let row = theirs_to_change(conn, op, which).await?;
            may_leave(conn, row.id, op.now).await?;
            let stopped = stop_all(conn, op, row.id).await?;
            conn.role_grants().remove_all(row.id).await?;
            conn.subjects().remove(row.id, op.now).await?;
            if conn.sealed_scopes().forget_user(row.id).await? {
                // Their workspaces lose the Git credentials that were theirs.
                conn.git_credentials().change().await?;
            }
            rules_are_somebodys(conn, op, row.role).await?;
            let details = Details::MemberRemoved { role: row.role, stopped };
            let event = Event::new(Resource::user(row.id), details);
            Ok::<_, Error>(Changed::So((row, stopped), event))
        })
        .await?;
    info!(member = %row.id, stopped, by = %op.who.subject, "member removed");
    Ok(show(MemberRow { suspended_at: Some(op.now), ..row }))
}

async fn stop_all(conn: &OrganizationConn<'_>, op: &Op<Member>, subject: SubjectId) -> Result<u64, DbError> {
    let by = ChangedBy::User(op.who.author());
    let running = conn.workspaces().running_of(subject).await?;
    for (workspace, agent) in &running {
        let stop = Intent::Desired(DesiredState::Stopped);
        conn.workspaces().change_intent(*workspace, None, &stop, by, op.now).await?;
        conn.notifications().notify_agent(*agent).await?;
    }
    Ok(u64::try_from(running.len()).unwrap_or(u64::MAX))
}

/// By id, or by a name that nobody else has.
async fn found(conn: &OrganizationConn<'_>, which: &str) -> Result<MemberRow, Error> {
    let missing = || Error::missing(ResourceKind::Member, &which);
    if let Ok(id) = which.parse() {
        let row = conn.subjects().find(id).await?;
        return row.filter(|row| row.removed_at.is_none()).ok_or_else(missing);
    }
    let mut rows = conn.subjects().named(which, 2).await?;
    if rows.len() > 1 {
        return Err(Error::field("member", "is the name of several; say whose id is meant"));
    }
    rows.pop().ok_or_else(missing)
}

/// Nobody changes what somebody is who may do more than they: whoever may change members could make themselves an owner else.
async fn theirs_to_change(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    which: &str,
) -> Result<MemberRow, Error> {
    let row = found(conn, which).await?;
    let mine = op.who.role;
    if row.id == op.who.subject || !is_above(row.role, mine) {
        return Ok(row);
    }
    let message = format!("is {}, which is more than that of whoever asks ({mine})", row.role);
    Err(Error::field("role", message))
}

/// Whether somebody of that role may do what somebody of another may not. A role of a later version is above all but owners.
pub(super) fn is_above(theirs: Role, mine: Role) -> bool {
    mine != Role::Owner && !mine.includes(theirs)
}

pub(super) fn may_give(op: &Op<Member>, role: Role) -> Result<(), Error> {
    let mine = op.who.role;
    if role == Role::Unknown {
        let known = Role::ALL.map(Role::as_str).join(", ");
        return Err(Error::field("role", format!("is not known; it must be one of {known}")));
    }
    if mine.includes(role) {
        return Ok(());
    }
    Err(Error::field("role", format!("must not be more than that of whoever asks, which is {mine}")))
}

/// Where the rules name people, those who are named are not the ones who leave: somebody who may set other rules stays.
async fn rules_are_somebodys(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    before: Role,
) -> Result<(), Error> {
    let policies = &op.who.authority.policies;
    if before != Role::Owner || policy::is_somebodys(conn, policies, op).await? {
        return Ok(());
    }
    Err(Error::LastOwner)
}

async fn may_leave(conn: &OrganizationConn<'_>, subject: SubjectId, now: Timestamp) -> Result<(), Error> {
    if is_last_owner(conn, subject, now).await? { Err(Error::LastOwner) } else { Ok(()) }
}

/// Somebody who may do everything stays. The organisation has to be locked.
pub(super) async fn is_last_owner(
    conn: &OrganizationConn<'_>,
    subject: SubjectId,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(able_owners(conn, now).await? == [subject])
}

/// Owners who are not suspended and sign in, or have a token that changes something and goes on for a while.
pub(super) async fn able_owners(
    conn: &OrganizationConn<'_>,
    now: Timestamp,
) -> Result<Vec<SubjectId>, DbError> {
    let soon = now.saturating_add(LASTING).unwrap_or(now);
    conn.subjects().able_owners(soon).await
}

fn show(row: MemberRow) -> Shown {
    Shown {
        id: row.id,
        name: row.name,
        kind: row.kind,
        role: row.role,
        signs_in: row.account_id.is_some(),
        created_at: row.created_at,
        suspended_at: row.suspended_at,
    }
}
