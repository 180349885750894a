//! An organisation's tree: what is found in it by a path or an id, where something is to be put, and who may see it.

use std::collections::HashMap;

use berth_db::{DbError, GroupRow, OrganizationConn, Parent, ProjectRow, Spot};
use berth_planner::groups::gains;
use berth_policy::Resource;
use berth_schema::access::Role;
use berth_schema::groups::GroupPath;
use berth_schema::policy::Given;
use berth_schema::projects::ProjectPath;
use berth_schema::{Action, GroupId, ProjectId, ResourceKind, SubjectId};

use super::permission::{self, Found, Named};
use crate::identity::{Authority, Member};
use crate::{Error, Op};

/// What somebody is at groups and projects.
pub(super) type Grants = HashMap<Spot, Role>;

/// What a path or an id names, with what whoever asks is there.
pub(crate) async fn group(
    conn: &OrganizationConn<'_>,
    which: &str,
    asker: SubjectId,
) -> Result<Option<Resource>, DbError> {
    let row = match (which.parse::<GroupId>(), GroupPath::new(which)) {
        (Ok(id), _) => conn.groups().find(id).await?,
        (_, Ok(path)) => conn.groups().find_by_path(&path).await?,
        _ => None,
    };
    match row {
        Some(row) => Ok(Some(group_resource(conn, &row, asker).await?)),
        None => Ok(None),
    }
}

/// The same of a project.
pub(crate) async fn project(
    conn: &OrganizationConn<'_>,
    which: &str,
    asker: SubjectId,
) -> Result<Option<Resource>, DbError> {
    let row = match (which.parse::<ProjectId>(), ProjectPath::new(which)) {
        (Ok(id), _) => conn.projects().find(id).await?,
        (_, Ok(path)) => conn.projects().find_by_path(&path).await?,
        _ => None,
    };
    let Some(row) = row else { return Ok(None) };
    let above = conn.groups().above(row.path.group().as_slice()).await?;
    let grants = conn.role_grants().of_subject(asker).await?;
    Ok(Some(project_of(conn, &row, (&above, &grants))))
}

/// A group as whoever asks would act on it.
pub(super) async fn group_resource(
    conn: &OrganizationConn<'_>,
    row: &GroupRow,
    asker: SubjectId,
) -> Result<Resource, DbError> {
    let above = conn.groups().above(row.path.parent().as_slice()).await?;
    let grants = conn.role_grants().of_subject(asker).await?;
    Ok(group_of(conn, row, (&above, &grants)))
}

fn group_of(conn: &OrganizationConn<'_>, row: &GroupRow, (above, grants): (&[Parent], &Grants)) -> Resource {
    let resource = Resource::new(ResourceKind::Group, row.id.to_string(), conn.organization());
    with_roles(resource.within(ids(row.path.parent().as_ref(), above)), grants)
}

fn project_of(
    conn: &OrganizationConn<'_>,
    row: &ProjectRow,
    (above, grants): (&[Parent], &Grants),
) -> Resource {
    let resource = Resource::new(ResourceKind::Project, row.id.to_string(), conn.organization());
    with_roles(resource.within(ids(row.path.group().as_ref(), above)), grants)
}

/// The group or project itself, as roles are given at it.
pub(super) fn spot(resource: Option<&Resource>) -> Option<Spot> {
    let resource = resource?;
    match resource.kind {
        ResourceKind::Group => resource.id.parse().ok().map(Spot::Group),
        ResourceKind::Project => resource.id.parse().ok().map(Spot::Project),
        _ => None,
    }
}

/// Itself, or what it belongs to, and the groups that it is in.
fn spots(resource: &Resource) -> impl Iterator<Item = Spot> {
    let itself = spot(Some(resource)).or(resource.project.map(Spot::Project));
    itself.into_iter().chain(resource.groups.iter().map(|group| Spot::Group(*group)))
}

fn with_roles(resource: Resource, grants: &Grants) -> Resource {
    let roles = spots(&resource).filter_map(|spot| grants.get(&spot).copied()).collect();
    resource.given(roles)
}

/// What somebody is there, and by which groups.
pub(super) async fn given(
    conn: &OrganizationConn<'_>,
    subject: SubjectId,
    resource: &Resource,
) -> Result<Vec<Given>, DbError> {
    let mut given = Vec::new();
    if resource.roles.is_empty() {
        return Ok(given);
    }
    let grants = conn.role_grants().of_subject(subject).await?;
    for (spot, role) in spots(resource).filter_map(|spot| Some((spot, *grants.get(&spot)?))) {
        let (at, path) = match spot {
            Spot::Group(id) => ("group", conn.groups().find(id).await?.map(|row| row.path.to_string())),
            Spot::Project(id) => ("project", conn.projects().find(id).await?.map(|row| row.path.to_string())),
        };
        given.extend(path.map(|path| Given { role, at: at.to_owned(), path }));
    }
    Ok(given)
}

/// Of those groups the ones that a thing in `group` is in.
fn ids(group: Option<&GroupPath>, above: &[Parent]) -> Vec<GroupId> {
    let holds = |parent: &&Parent| group.is_some_and(|group| group.is_within(&parent.path));
    above.iter().filter(holds).map(|parent| parent.id).collect()
}

/// Those groups that may be looked at, where rules name single ones or somebody is more at some.
pub(super) async fn seen_groups(
    conn: &OrganizationConn<'_>,
    (authority, grants): (&Authority, &Grants),
    rows: Vec<GroupRow>,
) -> Result<Vec<GroupRow>, DbError> {
    let parents: Vec<_> = rows.iter().filter_map(|row| row.path.parent()).collect();
    let above = conn.groups().above(&parents).await?;
    let may =
        |row: &GroupRow| authority.decide(Action::ReadGroup, &group_of(conn, row, (&above, grants))).allowed;
    Ok(rows.into_iter().filter(may).collect())
}

/// The same of projects.
pub(super) async fn seen_projects(
    conn: &OrganizationConn<'_>,
    (authority, grants): (&Authority, &Grants),
    rows: Vec<ProjectRow>,
) -> Result<Vec<ProjectRow>, DbError> {
    let groups: Vec<_> = rows.iter().filter_map(|row| row.path.group()).collect();
    let above = conn.groups().above(&groups).await?;
    let may = |row: &ProjectRow| {
        authority.decide(Action::ReadProject, &project_of(conn, row, (&above, grants))).allowed
    };
    Ok(rows.into_iter().filter(may).collect())
}

/// Where something goes that is moved to a path. Whoever moves it may put something there, by `actions` (into a group, and below the
/// organisation itself), and is no more of it afterwards than before, neither by all that they are nor by what they are for good:
/// nobody moves things to where they are theirs, or will be when a role for a time has ended.
pub(super) async fn destination(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    parent: Option<GroupPath>,
    (in_group, at_the_top): (Action, Action),
) -> Result<Option<Parent>, Error> {
    let authority = &op.who.authority;
    let Some(path) = parent else {
        let organization = Resource::organization(conn.organization());
        let decision = authority.decide(at_the_top, &organization);
        return if decision.allowed { Ok(None) } else { Err(permission::denied(at_the_top, decision)) };
    };
    let missing = || {
        Error::field(
            "path",
            format!("names no group that you see: '{path}'; `berth groups list` shows those there are"),
        )
    };
    let row = conn.groups().find_by_path(&path).await?.ok_or_else(missing)?;
    let named = Named::of(ResourceKind::Group, |_| Some(path.as_str()));
    let found = Found::One(group_resource(conn, &row, op.who.subject).await?);
    let thing = op.resource.as_ref();
    let more = |place: &Resource| {
        gains(&roles(op, thing), &roles(op, Some(place)))
            || gains(&all_roles(op, thing), &all_roles(op, Some(place)))
    };
    match permission::permit(authority, in_group, &named, found) {
        Ok(place) if more(&place) => {
            let message =
                "is where you are more than you are of what you move; ask somebody who is so of both";
            Err(Error::field("path", message))
        }
        Ok(_) => Ok(Some(Parent::from(&row))),
        Err(refusal) if refusal.hidden.is_some() => Err(missing()),
        Err(refusal) => Err(refusal.error),
    }
}

/// All that whoever asks is there, for a time or not.
fn all_roles(op: &Op<Member>, resource: Option<&Resource>) -> Vec<Role> {
    let asker = &op.who.authority.asker;
    let for_a_time = resource.into_iter().flat_map(|resource| asker.elevated_at(resource));
    roles(op, resource).into_iter().chain(for_a_time.map(|elevation| elevation.role)).collect()
}

/// All that whoever asks is there, but for a time: what they may give and take.
pub(super) fn roles(op: &Op<Member>, resource: Option<&Resource>) -> Vec<Role> {
    let there = resource.map_or(&[][..], |resource| &resource.roles);
    there.iter().copied().chain([op.who.role]).collect()
}

/// The group that a request names in its path, as the transaction finds it.
pub(super) async fn parent(conn: &OrganizationConn<'_>, id: &str) -> Result<Parent, Error> {
    let row = match id.parse::<GroupId>() {
        Ok(id) => conn.groups().find(id).await?,
        Err(_) => None,
    };
    row.as_ref().map(Parent::from).ok_or_else(|| Error::missing(ResourceKind::Group, id))
}
