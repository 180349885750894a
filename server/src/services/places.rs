//! Where workspaces are in the organisation's tree, and what people are there.

use std::collections::HashMap;

use berth_db::{DbError, OrganizationConn, Owned, Spot};
use berth_policy::Resource;
use berth_schema::access::Role;
use berth_schema::{GroupId, OrganizationId, ProjectId, ResourceKind, SubjectId};

/// The projects of some workspaces, and who is what at them and at the groups that they are in. Of workspaces that belong to none
/// nothing is looked for.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The groups that each is in, through others or not.
    projects: HashMap<ProjectId, Vec<GroupId>>,
    holders: HashMap<Spot, Vec<(SubjectId, Role)>>,
}

impl Places {
    /// With what one person is there.
    pub(crate) async fn for_one(
        conn: &OrganizationConn<'_>,
        projects: impl Iterator<Item = ProjectId>,
        asker: SubjectId,
    ) -> Result<Self, DbError> {
        let projects = groups_of(conn, projects).await?;
        if projects.is_empty() {
            return Ok(Self::default());
        }
        let grants = conn.role_grants().of_subject(asker).await?;
        let holders = grants.into_iter().map(|(spot, role)| (spot, vec![(asker, role)])).collect();
        Ok(Self { projects, holders })
    }

    /// With what everybody is there.
    pub(crate) async fn for_all(
        conn: &OrganizationConn<'_>,
        projects: impl Iterator<Item = ProjectId>,
    ) -> Result<Self, DbError> {
        let projects = groups_of(conn, projects).await?;
        if projects.is_empty() {
            return Ok(Self::default());
        }
        let spots: Vec<_> = projects.iter().flat_map(|(project, groups)| spots(*project, groups)).collect();
        let mut holders: HashMap<Spot, Vec<(SubjectId, Role)>> = HashMap::new();
        for row in conn.role_grants().holders(&spots).await? {
            holders.entry(row.spot).or_default().push((row.subject, row.role));
        }
        Ok(Self { projects, holders })
    }

    /// A workspace as somebody would act on it.
    pub(crate) fn workspace(
        &self,
        organization: OrganizationId,
        workspace: &Owned,
        asker: SubjectId,
    ) -> Resource {
        let resource = Resource::new(ResourceKind::Workspace, workspace.id.to_string(), organization)
            .owned_by(workspace.owner);
        let place = workspace.project().and_then(|project| Some((project, self.projects.get(&project)?)));
        let Some((project, groups)) = place else { return resource };
        let held = spots(project, groups).filter_map(|spot| self.holders.get(&spot)).flatten();
        let roles = held.filter(|(who, _)| *who == asker).map(|(_, role)| *role).collect();
        resource.belonging_to(project).within(groups.clone()).given(roles)
    }
}

/// A project itself and the groups that it is in.
fn spots(project: ProjectId, groups: &[GroupId]) -> impl Iterator<Item = Spot> {
    std::iter::once(Spot::Project(project)).chain(groups.iter().copied().map(Spot::Group))
}

async fn groups_of(
    conn: &OrganizationConn<'_>,
    projects: impl Iterator<Item = ProjectId>,
) -> Result<HashMap<ProjectId, Vec<GroupId>>, DbError> {
    let mut ids: Vec<_> = projects.collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let paths = conn.projects().paths(&ids).await?;
    let groups: Vec<_> = paths.iter().filter_map(|(_, path)| path.group()).collect();
    let above = conn.groups().above(&groups).await?;
    let places = paths.into_iter().map(|(id, path)| {
        let group = path.group();
        let holds =
            above.iter().filter(|parent| group.as_ref().is_some_and(|group| group.is_within(&parent.path)));
        (id, holds.map(|parent| parent.id).collect())
    });
    Ok(places.collect())
}

/// One workspace as somebody would act on it.
pub(crate) async fn workspace(
    conn: &OrganizationConn<'_>,
    workspace: &Owned,
    asker: SubjectId,
) -> Result<Resource, DbError> {
    let places = Places::for_one(conn, workspace.project().into_iter(), asker).await?;
    Ok(places.workspace(conn.organization(), workspace, asker))
}
