//! What people are at a group or a project, and so at all below it.

use berth_db::{Changed, Cursor, OrganizationConn, PageRequest, RoleGrantRow, Spot};
use berth_schema::access::Role;
use berth_schema::api::Paged;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::groups::{GiveRole, GivenRole, MAX_GIVEN, TakeRole};
use berth_schema::{Action, FieldError, SubjectId};
use tracing::info;

use super::paging;
use super::tree;
use crate::identity::Member;
use crate::{Error, Op};

/// The group or project that the operation is done to.
fn spot(op: &Op<Member>) -> Result<Spot, Error> {
    tree::spot(op.resource.as_ref()).ok_or_else(|| Error::internal("the request names no group or project"))
}

fn resource(spot: Spot) -> Resource {
    match spot {
        Spot::Group(id) => Resource::group(id),
        Spot::Project(id) => Resource::project(id),
    }
}

/// Those who are something there itself. What they are above it is listed there.
pub async fn list(op: &Op<Member>, page: &PageRequest) -> Result<Paged<GivenRole>, Error> {
    let spot = spot(op)?;
    let rows = op.read("list_given_roles", async |conn| {
        conn.role_grants().list(spot, page).await.map_err(Error::from)
    });
    Ok(paging::page(rows.await?, page, |row| Cursor::new(row.created_at, row.id), show))
}

/// Gives somebody a role there, in place of the one that they had.
pub async fn give(op: &Op<Member>, wanted: &GiveRole) -> Result<GivenRole, Error> {
    let spot = spot(op)?;
    may(op, "role", wanted.role)?;
    let (name, kind, subject) = op
        .change("give_role", async |conn| {
            conn.organizations().lock().await?;
            let (subject, before) = theirs(conn, op, spot, &wanted.member).await?;
            let told = (subject.name.clone(), subject.kind, subject.id);
            if before == Some(wanted.role) {
                return Ok(Changed::Not(told));
            }
            if before.is_none() && conn.role_grants().count(spot).await? >= MAX_GIVEN {
                let full = format!(
                    "{MAX_GIVEN} people are something here, which is the most; give roles to a group above it"
                );
                return Err(Error::QuotaExceeded(vec![FieldError::new("members", full)]));
            }
            conn.role_grants().set(spot, subject.id, wanted.role, op.now).await?;
            let details = Details::RoleGiven { subject: subject.id, before, role: Some(wanted.role) };
            Ok::<_, Error>(Changed::So(told, Event::new(resource(spot), details)))
        })
        .await?;
    info!(member = %subject, role = %wanted.role, by = %op.who.subject, "role given");
    Ok(GivenRole { member: subject, name, kind, role: wanted.role })
}

/// Takes it back. What they are above it, they stay.
pub async fn take(op: &Op<Member>, wanted: &TakeRole) -> Result<GivenRole, Error> {
    let spot = spot(op)?;
    let taken = op
        .change("take_role", async |conn| {
            conn.organizations().lock().await?;
            let (subject, before) = theirs(conn, op, spot, &wanted.member).await?;
            let Some(role) = before else {
                return Err(Error::field(
                    "member",
                    "is nothing here itself; what they are above it is taken there",
                ));
            };
            conn.role_grants().remove(spot, subject.id).await?;
            let details = Details::RoleGiven { subject: subject.id, before, role: None };
            let taken = GivenRole { member: subject.id, name: subject.name, kind: subject.kind, role };
            Ok(Changed::So(taken, Event::new(resource(spot), details)))
        })
        .await?;
    info!(member = %taken.member, role = %taken.role, by = %op.who.subject, "role taken");
    Ok(taken)
}

/// A member and what they are there, where whoever asks may change that: nobody takes anything from somebody who is more.
async fn theirs(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    spot: Spot,
    which: &str,
) -> Result<(berth_db::MemberRow, Option<Role>), Error> {
    let row = somebody(conn, op, ("member", which)).await?;
    let before = conn.role_grants().find(spot, row.id).await?;
    if let Some(role) = before.filter(|_| row.id != op.who.subject) {
        may(op, "member", role)?;
    }
    Ok((row, before))
}

/// Somebody of the organisation, by their id or name, as a field of a request says it.
pub(super) async fn somebody(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    (field, which): (&'static str, &str),
) -> Result<berth_db::MemberRow, Error> {
    let row = match which.parse::<SubjectId>() {
        Ok(id) => conn.subjects().find(id).await?.filter(|row| row.removed_at.is_none()),
        Err(_) => by_name(conn, op, (field, which)).await?,
    };
    row.ok_or_else(|| Error::field(field, "is nobody of the organization"))
}

/// Names are for those who may look at the organisation's members; others are told an id by whoever it is.
async fn by_name(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    (field, name): (&'static str, &str),
) -> Result<Option<berth_db::MemberRow>, Error> {
    let organization = berth_policy::Resource::organization(op.organization());
    if !op.who.authority.decide(Action::ListMembers, &organization).allowed {
        let message = "must be an id, which `berth whoami` shows whoever it is: you may not look at the organization's members, and so not \
             look for names";
        return Err(Error::field(field, message));
    }
    let mut rows = conn.subjects().named(name, 2).await?;
    if rows.len() > 1 {
        return Err(Error::field(field, "is the name of several; say whose id is meant"));
    }
    Ok(rows.pop())
}

/// Nobody deals with a role that lets somebody do what they may not do there themselves.
fn may(op: &Op<Member>, field: &'static str, role: Role) -> Result<(), Error> {
    if role == Role::Unknown && field == "role" {
        let known = Role::ALL.map(Role::as_str).join(", ");
        return Err(Error::field(field, format!("is not known; it must be one of {known}")));
    }
    let mine = tree::roles(op, op.resource.as_ref());
    if mine.iter().any(|mine| mine.includes(role) || *mine == Role::Owner) {
        return Ok(());
    }
    let mine: Vec<_> = mine.into_iter().map(Role::as_str).collect();
    let is = if field == "role" { "must not be" } else { "is" };
    Err(Error::field(field, format!("{is} more than whoever asks is here ({})", mine.join(", "))))
}

fn show(row: RoleGrantRow) -> GivenRole {
    GivenRole { member: row.subject, name: row.name, kind: row.kind, role: row.role }
}
