//! What is around a workspace and gives it variables: the organisation, the groups and the project that it is made in, and whoever
//! makes it.

use berth_db::{OrganizationConn, ProjectRow};
use berth_planner::inheritance::{Given, Link, inherit};
use berth_schema::groups::GroupPath;
use berth_schema::scope::ScopeId;
use berth_schema::variables::VariableKind;
use berth_schema::{Action, ResourceKind, SubjectId};

use crate::identity::Member;
use crate::{Error, Op};

/// Whose variables an operation is about: those of the group or project that it was decided about, of whoever asks, or the
/// organisation's.
pub(super) fn asked(op: &Op<Member>) -> Result<ScopeId, Error> {
    let Some(action) = op.action else { return Ok(ScopeId::Organization) };
    let missing = || Error::missing(action.resource(), op.target());
    match (action, action.resource()) {
        (Action::ListOwnVariables | Action::SetOwnVariable | Action::DeleteOwnVariable, _) => {
            Ok(ScopeId::User(op.who.subject))
        }
        (_, ResourceKind::Group) => op.target().parse().map(ScopeId::Group).map_err(|_| missing()),
        (_, ResourceKind::Project) => op.target().parse().map(ScopeId::Project).map_err(|_| missing()),
        _ => Ok(ScopeId::Organization),
    }
}

/// The scopes around `scope`, the outermost first and itself last, held as they are where `scope` can go away.
pub(super) async fn around(
    conn: &OrganizationConn<'_>,
    scope: ScopeId,
) -> Result<Vec<(ScopeId, Link)>, Error> {
    if !scope.is_organization() {
        // Whoever deletes or moves it, or removes a member, waits.
        conn.organizations().lock().await?;
    }
    let mut chain = vec![link(ScopeId::Organization, None)];
    match scope {
        ScopeId::Organization => {}
        ScopeId::User(_) => chain.push(link(scope, None)),
        ScopeId::Group(id) => {
            let row = conn.groups().find(id).await?;
            let row = row.ok_or_else(|| Error::missing(ResourceKind::Group, &id))?;
            chain.extend(groups(conn, Some(row.path)).await?);
        }
        ScopeId::Project(id) => {
            let row = conn.projects().find(id).await?;
            let row = row.ok_or_else(|| Error::missing(ResourceKind::Project, &id))?;
            chain.extend(of_project(conn, &row).await?);
        }
    }
    Ok(chain)
}

/// All that a new workspace gets variables from, the outermost first: without what has none.
pub(super) async fn of_workspace(
    conn: &OrganizationConn<'_>,
    project: Option<&ProjectRow>,
    user: SubjectId,
) -> Result<Vec<(ScopeId, Link)>, Error> {
    let mut chain = vec![link(ScopeId::Organization, None)];
    if let Some(project) = project {
        chain.extend(of_project(conn, project).await?);
    }
    chain.push(link(ScopeId::User(user), None));
    with_something(conn, chain).await
}

/// Those of a chain that ever had anything sealed. The organisation is looked at in any case.
async fn with_something(
    conn: &OrganizationConn<'_>,
    chain: Vec<(ScopeId, Link)>,
) -> Result<Vec<(ScopeId, Link)>, Error> {
    let ids: Vec<ScopeId> = chain.iter().map(|(scope, _)| *scope).collect();
    let sealed = conn.sealed_scopes().among(&ids).await?;
    let is_kept = |scope: &ScopeId| scope.is_organization() || sealed.contains(scope);
    Ok(chain.into_iter().filter(|(scope, _)| is_kept(scope)).collect())
}

async fn of_project(
    conn: &OrganizationConn<'_>,
    project: &ProjectRow,
) -> Result<Vec<(ScopeId, Link)>, Error> {
    let mut chain = groups(conn, project.path.group()).await?;
    chain.push(link(ScopeId::Project(project.id), Some(project.path.to_string())));
    Ok(chain)
}

/// A group and those that it is in, from the top down.
async fn groups(
    conn: &OrganizationConn<'_>,
    lowest: Option<GroupPath>,
) -> Result<Vec<(ScopeId, Link)>, Error> {
    let mut above = conn.groups().above(lowest.as_slice()).await?;
    above.sort_by_key(|group| group.path.as_str().len());
    Ok(above.into_iter().map(|group| link(ScopeId::Group(group.id), Some(group.path.to_string()))).collect())
}

fn link(scope: ScopeId, path: Option<String>) -> (ScopeId, Link) {
    (scope, Link::new(scope, path))
}

/// Refuses a variable that something around the last of a chain has made final. A creation would refuse it, too; whoever sets it
/// is told at once.
pub(super) async fn may_set(
    conn: &OrganizationConn<'_>,
    chain: Vec<(ScopeId, Link)>,
    kind: VariableKind,
    name: &str,
) -> Result<(), Error> {
    let Some((last, itself)) = chain.last().cloned() else { return Ok(()) };
    let given = |is_final| Given { name: name.to_owned(), kind, is_final, value: () };
    let mut known = Vec::new();
    for (scope, link) in with_something(conn, chain).await? {
        if scope == last {
            continue;
        }
        let rows = conn.scope_variables(scope).list().await?;
        let there = rows.iter().find(|row| (row.kind, row.name.as_str()) == (kind, name));
        known.push((link, there.map(|row| given(row.is_final)).into_iter().collect()));
    }
    known.push((itself.clone(), vec![given(false)]));
    let Err(errors) = inherit(known) else { return Ok(()) };
    match errors.into_iter().find(|error| error.link == itself) {
        Some(error) => Err(Error::field("name", error.to_string())),
        None => Ok(()),
    }
}
