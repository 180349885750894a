//! Roles for a time: asked for by whoever shall have them, decided by somebody else, over by themselves.

mod ends;

pub(crate) use ends::Recorder;
pub use ends::record_ends;

use berth_db::{
    Changed, Cursor, DbError, ElevationRow, ElevationView, MemberRow, MembershipRow, NewElevation,
    OrganizationConn, OrganizationRow, PageRequest, Spot, stored_time,
};
use berth_planner::elevation::{Course, ends_at, may_give, unasked};
use berth_policy::{Asked, At, Elevation as Held, Resource};
use berth_schema::access::Role;
use berth_schema::api::Paged;
use berth_schema::audit::{self, Details, Event};
use berth_schema::elevations::{
    DEFAULT_SECONDS, Elevated, Elevation, ElevationState, MAX_OPEN, OPEN_HOURS, Place, RequestElevation,
};
use berth_schema::{Action, ElevationId, FieldError, GroupId, ResourceKind, SubjectId};
use jiff::{SignedDuration, Timestamp};
use tracing::info;

use super::paging::{self, pick};
use super::{permission, tree};
use crate::identity::{Member, Person};
use crate::{Error, Op};

/// Asks for a role where the request's path says.
pub async fn request(op: &Op<Member>, wanted: &RequestElevation) -> Result<Elevation, Error> {
    let seconds = wanted.seconds.unwrap_or(DEFAULT_SECONDS);
    let mine = tree::roles(op, op.resource.as_ref());
    let wrong = unasked(wanted.role, (&wanted.reason, seconds), &mine);
    if !wrong.is_empty() {
        let errors = wrong.into_iter().map(|why| FieldError::new(why.field(), why.to_string()));
        return Err(Error::Invalid(errors.collect()));
    }
    let spot = tree::spot(op.resource.as_ref());
    let open = SignedDuration::from_hours(OPEN_HOURS);
    let new = NewElevation {
        id: ElevationId::random(),
        subject: op.who.subject,
        role: wanted.role,
        spot,
        reason: wanted.reason.clone(),
        seconds: i32::try_from(seconds).map_err(Error::internal)?,
        decide_by: stored_time(op.now.saturating_add(open).unwrap_or(op.now)),
    };
    let view = op
        .change("request_elevation", async |conn| {
            conn.organizations().lock().await?;
            if conn.elevations().count_open(new.subject, op.now).await? >= MAX_OPEN {
                let full =
                    format!("you have or ask for {MAX_OPEN}, which is the most; end one of them first");
                return Err(Error::QuotaExceeded(vec![FieldError::new("elevations", full)]));
            }
            conn.elevations().insert(&new, op.now).await?;
            let (group, project) = match spot {
                Some(Spot::Group(id)) => (Some(id), None),
                Some(Spot::Project(id)) => (None, Some(id)),
                None => (None, None),
            };
            let reason = new.reason.clone();
            let details = Details::ElevationRequested { role: wanted.role, seconds, group, project, reason };
            Ok(Changed::So(
                found(conn, new.id).await?,
                Event::new(audit::Resource::elevation(new.id), details),
            ))
        })
        .await?;
    info!(elevation = %new.id, role = %new.role, by = %new.subject, "a role for a time is asked for");
    Ok(show(view, op.now))
}

/// Those that whoever asks may look at, the newest first.
pub async fn list(op: &Op<Member>, page: &PageRequest) -> Result<Paged<Elevation>, Error> {
    let cursor = |view: &ElevationView| Cursor::new(view.row.created_at, view.row.id);
    let rows = op.read("list_elevations", async |conn| {
        Ok::<_, Error>(pick!(page, |part| conn.elevations().list(None, part).await?, cursor, |views| {
            seen(conn, op, views).await?
        }))
    });
    Ok(paging::page(rows.await?, page, cursor, |view| show(view, op.now)))
}

async fn seen(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    views: Vec<ElevationView>,
) -> Result<Vec<ElevationView>, DbError> {
    let mut seen = Vec::with_capacity(views.len());
    for view in views {
        let thing = resource(conn, &view.row, op.who.subject).await?;
        if op.who.authority.decide(Action::ReadElevation, &thing).allowed {
            seen.push(view);
        }
    }
    Ok(seen)
}

pub async fn get(op: &Op<Member>, id: &str) -> Result<Elevation, Error> {
    let view = op.read("get_elevation", async |conn| found(conn, parse(id)?).await).await?;
    Ok(show(view, op.now))
}

/// What whoever asks may do about one, for pages, which offer nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct May {
    pub(crate) decide: bool,
    pub(crate) end: bool,
}

/// As [`approve`] and [`end`] would say.
pub(crate) async fn may(op: &Op<Member>, shown: &Elevation) -> Result<May, Error> {
    let is_pending = shown.state == ElevationState::Pending;
    if !is_pending && shown.state != ElevationState::Active {
        return Ok(May::default());
    }
    op.read("may_decide_elevation", async |conn| {
        let Some(view) = conn.elevations().find(shown.id).await? else { return Ok(May::default()) };
        let thing = resource(conn, &view.row, op.who.subject).await?;
        let authority = &op.who.authority;
        let end = authority.decide(Action::EndElevation, &thing).allowed;
        if shown.member == op.who.subject {
            return Ok(May { decide: false, end });
        }
        let could = could_give(op, &view.row, &thing).is_ok();
        let approve = authority.decide(Action::ApproveElevation, &thing).allowed
            || authority.would_step_up(Action::ApproveElevation, &thing);
        Ok::<_, Error>(May { decide: is_pending && approve && could, end: end && could })
    })
    .await
}

/// Gives the role, from now on. Whoever approves is somebody else, who could give it for good, and is so for good themselves.
pub async fn approve(op: &Op<Member>, id: &str) -> Result<Elevation, Error> {
    let id = parse(id)?;
    let (view, gave) = op
        .change("approve_elevation", async |conn| {
            // Whoever is suspended or removed is so before it, or loses it by that.
            conn.organizations().lock().await?;
            let row = locked(conn, id).await?;
            match course(&row).state(op.now) {
                ElevationState::Pending => {}
                ElevationState::Active if row.decided_by == Some(op.who.subject.into()) => {
                    return Ok(Changed::Not((found(conn, id).await?, false)));
                }
                over => return Err(Error::ElevationOver(over)),
            }
            let thing = resource(conn, &row, op.who.subject).await?;
            could_give(op, &row, &thing)?;
            is_still_somebody(conn, row.subject).await?;
            let ends_at = stored_time(ends_at(op.now, row.seconds.unsigned_abs()));
            conn.elevations().decide(id, op.who.subject, Some(ends_at), op.now).await?;
            let details = Details::ElevationApproved { subject: row.subject, role: row.role, ends_at };
            let event = Event::new(audit::Resource::elevation(id), details);
            Ok(Changed::So((found(conn, id).await?, true), event))
        })
        .await?;
    if gave {
        info!(elevation = %id, role = %view.row.role, member = %view.row.subject, by = %op.who.subject, "a role is given for a time");
    }
    Ok(show(view, op.now))
}

/// Says no, as whoever could have said yes may.
pub async fn refuse(op: &Op<Member>, id: &str) -> Result<Elevation, Error> {
    let id = parse(id)?;
    let view = op
        .change("refuse_elevation", async |conn| {
            conn.organizations().lock().await?;
            let row = locked(conn, id).await?;
            match course(&row).state(op.now) {
                ElevationState::Pending => {}
                ElevationState::Refused => return Ok(Changed::Not(found(conn, id).await?)),
                over => return Err(Error::ElevationOver(over)),
            }
            could_give(op, &row, &resource(conn, &row, op.who.subject).await?)?;
            conn.elevations().decide(id, op.who.subject, None, op.now).await?;
            let details = Details::ElevationRefused { subject: row.subject };
            let event = Event::new(audit::Resource::elevation(id), details);
            Ok(Changed::So(found(conn, id).await?, event))
        })
        .await?;
    info!(elevation = %id, by = %op.who.subject, "a role for a time is refused");
    Ok(show(view, op.now))
}

/// Ends one before its time, or takes a wish back: one's own, or one that one could have given.
pub async fn end(op: &Op<Member>, id: &str) -> Result<Elevation, Error> {
    let id = parse(id)?;
    let view = op
        .change("end_elevation", async |conn| {
            let row = locked(conn, id).await?;
            let was_approved = match course(&row).state(op.now) {
                ElevationState::Pending => false,
                ElevationState::Active => true,
                ElevationState::Ended | ElevationState::Withdrawn => {
                    return Ok(Changed::Not(found(conn, id).await?));
                }
                over => return Err(Error::ElevationOver(over)),
            };
            if row.subject != op.who.subject {
                could_give(op, &row, &resource(conn, &row, op.who.subject).await?)?;
            }
            conn.elevations().end(id, op.who.subject, op.now).await?;
            let details = Details::ElevationEnded { subject: row.subject, role: row.role, was_approved };
            let event = Event::new(audit::Resource::elevation(id), details);
            Ok(Changed::So(found(conn, id).await?, event))
        })
        .await?;
    info!(elevation = %id, by = %op.who.subject, "a role for a time is ended");
    Ok(show(view, op.now))
}

/// Whether whoever decides could give that role there for good, by what they are for good: else two who are something for a time would
/// go on for ever.
fn could_give(op: &Op<Member>, row: &ElevationRow, thing: &Resource) -> Result<(), Error> {
    let organization = op.organization();
    // Nothing is in itself.
    let above = |itself: Option<GroupId>| {
        thing.groups.iter().copied().filter(|group| Some(*group) != itself).collect()
    };
    let place = |kind, id: String, itself| {
        Resource::new(kind, id, organization).within(above(itself)).given(thing.roles.clone())
    };
    let (action, giving) = match row.spot() {
        None => {
            (Action::ChangeMember, Resource::new(ResourceKind::Member, row.subject.to_string(), organization))
        }
        Some(Spot::Group(id)) => {
            (Action::GiveRoleInGroup, place(ResourceKind::Group, id.to_string(), Some(id)))
        }
        Some(Spot::Project(id)) => {
            (Action::GiveRoleInProject, place(ResourceKind::Project, id.to_string(), None))
        }
    };
    let decision = op.who.authority.lasting().decide(action, &giving);
    if !decision.allowed {
        return Err(permission::denied(action, decision));
    }
    let mine = tree::roles(op, Some(thing));
    if may_give(&mine, row.role) {
        return Ok(());
    }
    let mine: Vec<_> = mine.into_iter().map(Role::as_str).collect();
    let message =
        format!("is more than whoever decides is there ({}), beside any role for a time", mine.join(", "));
    Err(Error::field("role", message))
}

async fn is_still_somebody(conn: &OrganizationConn<'_>, subject: SubjectId) -> Result<(), Error> {
    let belongs = |row: &MemberRow| row.removed_at.is_none() && row.suspended_at.is_none();
    let asker = conn.subjects().find(subject).await?;
    if asker.as_ref().is_some_and(belongs) { Ok(()) } else { Err(Error::ElevationOfNobody) }
}

fn missing(id: &(impl ToString + ?Sized)) -> Error {
    Error::missing(ResourceKind::Elevation, &id.to_string())
}

fn parse(id: &str) -> Result<ElevationId, Error> {
    id.parse().map_err(|_| missing(id))
}

async fn found(conn: &OrganizationConn<'_>, id: ElevationId) -> Result<ElevationView, Error> {
    conn.elevations().find(id).await?.ok_or_else(|| missing(&id))
}

async fn locked(conn: &OrganizationConn<'_>, id: ElevationId) -> Result<ElevationRow, Error> {
    conn.elevations().find_locked(id).await?.ok_or_else(|| missing(&id))
}

const fn course(row: &ElevationRow) -> Course {
    let ElevationRow { decide_by, is_approved, ends_at, ended_at, .. } = *row;
    Course { decide_by, is_approved, ends_at, has_ended: ended_at.is_some() }
}

fn at(row: &ElevationRow) -> At {
    match row.spot() {
        None => At::Organization,
        Some(Spot::Group(id)) => At::Group(id),
        Some(Spot::Project(id)) => At::Project(id),
    }
}

/// What an id names, with what whoever asks is there.
pub(crate) async fn named(
    conn: &OrganizationConn<'_>,
    id: &str,
    asker: SubjectId,
) -> Result<Option<Resource>, DbError> {
    let Ok(id) = id.parse() else { return Ok(None) };
    match conn.elevations().find(id).await? {
        Some(view) => Ok(Some(resource(conn, &view.row, asker).await?)),
        None => Ok(None),
    }
}

/// One as somebody would act on it: it is in the place where the role holds.
async fn resource(
    conn: &OrganizationConn<'_>,
    row: &ElevationRow,
    asker: SubjectId,
) -> Result<Resource, DbError> {
    let wish = Asked { role: row.role, seconds: row.seconds.unsigned_abs(), at: at(row) };
    let resource = Resource::new(ResourceKind::Elevation, row.id.to_string(), conn.organization());
    let resource = resource.owned_by(row.subject).asking(wish);
    let place = match row.spot() {
        None => None,
        Some(Spot::Group(id)) => tree::group(conn, &id.to_string(), asker).await?,
        Some(Spot::Project(id)) => tree::project(conn, &id.to_string(), asker).await?,
    };
    let Some(place) = place else { return Ok(resource) };
    let resource = resource.given(place.roles);
    Ok(match row.spot() {
        Some(Spot::Group(id)) => resource.within(place.groups.into_iter().chain([id]).collect()),
        Some(Spot::Project(id)) => resource.within(place.groups).belonging_to(id),
        None => resource,
    })
}

/// What somebody is by those that hold, for decisions.
pub(crate) fn held(views: &[ElevationView]) -> Vec<Held> {
    let held = views.iter().filter_map(|view| {
        let row = &view.row;
        Some(Held { id: row.id, role: row.role, at: at(row), ends_at: row.ends_at? })
    });
    held.collect()
}

/// The same for whoever is told of it.
pub(crate) fn elevated(view: &ElevationView) -> Option<Elevated> {
    let row = &view.row;
    Some(Elevated { id: row.id, role: row.role, place: place(view), ends_at: row.ends_at? })
}

/// What a person is in each of their organisations, and what they are there for a time.
pub(crate) async fn memberships(
    op: &Op<Person>,
) -> Result<Vec<(OrganizationRow, MembershipRow, Vec<Elevated>)>, Error> {
    op.read("list_memberships", async |conn| {
        let mut all = Vec::new();
        for (organization, membership) in conn.accounts().memberships().await? {
            let there = conn.moved_to(organization.id).await?;
            let views = there.elevations().active(&[membership.id], op.now).await?;
            all.push((organization, membership, views.iter().filter_map(elevated).collect()));
        }
        Ok::<_, Error>(all)
    })
    .await
}

fn place(view: &ElevationView) -> Place {
    Place { group: view.group.clone(), project: view.project.clone() }
}

fn show(view: ElevationView, now: Timestamp) -> Elevation {
    let (place, state) = (place(&view), course(&view.row).state(now));
    let row = view.row;
    Elevation {
        id: row.id,
        member: row.subject,
        name: view.name,
        role: row.role,
        place,
        reason: row.reason,
        seconds: row.seconds.unsigned_abs(),
        state,
        created_at: row.created_at,
        decide_by: row.decide_by,
        decided_at: row.decided_at,
        decided_by: row.decided_by.map(SubjectId::from),
        decided_by_name: view.decided_by,
        ends_at: row.ends_at,
        ended_at: row.ended_at,
    }
}
