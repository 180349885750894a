//! Who belongs to an organisation: listed, given another role, suspended, removed.

use berth_db::{Changed, ChangedBy, Cursor, DbError, Intent, MemberRow, OrganizationConn, PageRequest};
use berth_schema::access::Role;
use berth_schema::api::Paged;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::members::{ChangeMember, Member as Shown};
use berth_schema::{Action, DesiredState, ResourceKind, SubjectId};
use jiff::Timestamp;
use tracing::info;

use super::access::LASTING;
use super::{elevations, paging, permission, policy};
use crate::identity::Member;
use crate::{Error, Op};

pub async fn list(op: &Op<Member>, page: &PageRequest) -> Result<Paged<Shown>, Error> {
    let rows = op.read("list_members", async |conn| {
        let rows = conn.subjects().list(page).await?;
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let elevated = conn.elevations().active(&ids, op.now).await?;
        Ok::<_, Error>((rows, elevated))
    });
    let (rows, elevated) = rows.await?;
    let show = |row: MemberRow| {
        let theirs = elevated.iter().filter(|view| view.row.subject == row.id);
        Shown { elevations: theirs.filter_map(elevations::elevated).collect(), ..show(row) }
    };
    Ok(paging::page(rows, page, |row| Cursor::new(row.created_at, row.id), show))
}

pub async fn get(op: &Op<Member>, which: &str) -> Result<Shown, Error> {
    op.read("get_member", async |conn| {
        let row = found(conn, which).await?;
        let elevated = conn.elevations().active(&[row.id], op.now).await?;
        let elevations = elevated.iter().filter_map(elevations::elevated).collect();
        Ok(Shown { elevations, ..show(row) })
    })
    .await
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
            if wanted.role.is_some() {
                gives_for_good(op)?;
            }
            let row = conn.subjects().change(before.id, wanted.role, suspended_at).await?;
            rules_are_somebodys(conn, op, before.role).await?;
            let is_suspended = row.suspended_at.is_some();
            // Whoever is made another is that from now on, and nothing beside it.
            let ends = is_suspended || row.role != before.role;
            let elevations = if ends { end_elevations(conn, op, row.id).await? } else { None };
            let details = Details::MemberChanged { before: before.role, role, is_suspended, elevations };
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
            conn.port_shares().forget_user(row.id).await?;
            conn.subjects().remove(row.id, op.now).await?;
            if conn.sealed_scopes().forget_user(row.id).await? {
                // Their workspaces lose the Git credentials that were theirs.
                conn.git_credentials().change().await?;
            }
            rules_are_somebodys(conn, op, row.role).await?;
            let elevations = end_elevations(conn, op, row.id).await?;
            let details = Details::MemberRemoved { role: row.role, stopped, elevations };
            let event = Event::new(Resource::user(row.id), details);
            Ok::<_, Error>(Changed::So((row, stopped), event))
        })
        .await?;
    info!(member = %row.id, stopped, by = %op.who.subject, "member removed");
    Ok(show(MemberRow { suspended_at: Some(op.now), ..row }))
}

/// What they have or ask for, for a time, ends with what they may; `None`: nothing.
async fn end_elevations(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    subject: SubjectId,
) -> Result<Option<u64>, DbError> {
    let ended = conn.elevations().end_all(subject, op.who.subject, op.now).await?;
    Ok(Some(ended).filter(|ended| *ended > 0))
}

/// A role that is given outlasts what whoever gives it is for a time.
fn gives_for_good(op: &Op<Member>) -> Result<(), Error> {
    let Some(member) = &op.resource else { return Ok(()) };
    let decision = op.who.authority.lasting().decide(Action::ChangeMember, member);
    if decision.allowed { Ok(()) } else { Err(permission::denied(Action::ChangeMember, decision)) }
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
    let message =
        format!("of theirs is {}, which permits what that of whoever asks ({mine}) does not", row.role);
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
        elevations: Vec::new(),
    }
}
