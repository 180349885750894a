//! What is around a workspace and gives it variables and Git credentials: the organisation, the groups and the project that it is made in, and whoever
//! makes it.

use std::collections::{BTreeSet, HashMap};

use berth_db::{OrganizationConn, Owned, Parent, ProjectRow};
use berth_planner::inheritance::{Given, Link, inherit};
use berth_schema::groups::GroupPath;
use berth_schema::scope::ScopeId;
use berth_schema::variables::VariableKind;
use berth_schema::{Action, ProjectId, ResourceKind, SubjectId, WorkspaceId};

use crate::identity::Member;
use crate::{Error, Op};

/// Whose variables or Git credentials an operation is about: those of the group or project that it was decided about, of whoever asks, or the
/// organisation's.
pub(super) fn asked(op: &Op<Member>) -> Result<ScopeId, Error> {
    let Some(action) = op.action else { return Ok(ScopeId::Organization) };
    let missing = || Error::missing(action.resource(), op.target());
    match (action, action.resource()) {
        (
            Action::ListOwnVariables
            | Action::SetOwnVariable
            | Action::DeleteOwnVariable
            | Action::ListOwnGitCredentials
            | Action::SetOwnGitCredential
            | Action::DeleteOwnGitCredential,
            _,
        ) => Ok(ScopeId::User(op.who.subject)),
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
    chain(conn, scope).await
}

/// The same as it is found, which may change at once.
pub(super) async fn chain(
    conn: &OrganizationConn<'_>,
    scope: ScopeId,
) -> Result<Vec<(ScopeId, Link)>, Error> {
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

/// What each of some workspaces is given Git credentials by beside the organisation, the outermost first, as the tree is now: without
/// what has none.
pub(super) async fn of_workspaces(
    conn: &OrganizationConn<'_>,
    workspaces: &[WorkspaceId],
) -> Result<HashMap<WorkspaceId, Vec<ScopeId>>, Error> {
    let owned = conn.workspaces().all_owned(workspaces).await?;
    let mut projects: Vec<ProjectId> = owned.iter().filter_map(Owned::project).collect();
    projects.sort_unstable();
    projects.dedup();
    let paths = conn.projects().paths(&projects).await?;
    let lowest: Vec<GroupPath> = paths.iter().filter_map(|(_, path)| path.group()).collect();
    let above = from_the_top(conn.groups().above(&lowest).await?);
    let groups_of: HashMap<ProjectId, Vec<ScopeId>> = paths
        .iter()
        .map(|(project, path)| {
            let lowest = path.group();
            let holds = |group: &&Parent| lowest.as_ref().is_some_and(|lowest| lowest.is_within(&group.path));
            (*project, above.iter().filter(holds).map(|group| ScopeId::Group(group.id)).collect())
        })
        .collect();
    let chains = owned.iter().map(|workspace| {
        let project = workspace.project();
        let groups = project.and_then(|project| groups_of.get(&project)).into_iter().flatten().copied();
        let nearer = project.map(ScopeId::Project).into_iter().chain([ScopeId::User(workspace.owner)]);
        (workspace.id, groups.chain(nearer).collect::<Vec<_>>())
    });
    let mut chains: HashMap<_, _> = chains.collect();
    let all: BTreeSet<ScopeId> = chains.values().flatten().copied().collect();
    let sealed = conn.sealed_scopes().among(&all.into_iter().collect::<Vec<_>>()).await?;
    for chain in chains.values_mut() {
        chain.retain(|scope| sealed.contains(scope));
    }
    Ok(chains)
}

/// Whatever is moved in the tree takes Git credentials elsewhere: workspaces ask for theirs again.
pub(super) async fn moved(conn: &OrganizationConn<'_>) -> Result<(), Error> {
    if conn.has_git_credentials_in_tree().await? {
        conn.git_credentials().change().await?;
    }
    Ok(())
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
    let above = from_the_top(conn.groups().above(lowest.as_slice()).await?);
    Ok(above.into_iter().map(|group| link(ScopeId::Group(group.id), Some(group.path.to_string()))).collect())
}

/// Of two groups of which one is in the other the outer one first.
fn from_the_top(mut groups: Vec<Parent>) -> Vec<Parent> {
    groups.sort_by_key(|group| group.path.as_str().len());
    groups
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
