//! Whom ports of workspaces are shared with, and until when.

use berth_schema::groups::GroupPath;
use berth_schema::ports::{Audience, MAX_PUBLIC, PublicPort};
use berth_schema::{AgentId, SubjectId, WorkspaceId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::DbError;
use crate::schema::{groups, port_shares, projects, role_grants, subjects, workspaces};
use crate::scope::OrganizationConn;

/// What is stored of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPortShare {
    pub workspace: WorkspaceId,
    pub port: u16,
    pub with: Audience,
    pub expires_at: Timestamp,
}

/// A share, with what whom it names is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortShareRow {
    pub port: u16,
    pub with: Audience,
    /// Of the group that it is with, as it is now.
    pub group: Option<GroupPath>,
    /// Of the person that it is with.
    pub name: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Where somebody is something, beside the organisation itself: the group, or the project's group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPlace {
    pub group: GroupPath,
    /// Not at the group itself, but at a project in it.
    pub is_project: bool,
}

#[derive(Queryable)]
struct Raw {
    port: i32,
    audience: String,
    subject_id: Option<Uuid>,
    group_id: Option<Uuid>,
    path: Option<String>,
    name: Option<String>,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    created_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    expires_at: Timestamp,
}

impl Raw {
    /// `None`: it is with somebody whom this version does not know, and so with nobody.
    fn read(self) -> Option<PortShareRow> {
        let with = match (self.audience.as_str(), self.subject_id, self.group_id) {
            ("user", Some(id), None) => Audience::User(id.into()),
            ("group", None, Some(id)) => Audience::Group(id.into()),
            ("organization", None, None) => Audience::Organization,
            ("public", None, None) => Audience::Public,
            _ => return None,
        };
        Some(PortShareRow {
            port: u16::try_from(self.port).ok()?,
            with,
            group: self.path.and_then(|path| GroupPath::new(path).ok()),
            name: self.name,
            created_at: self.created_at,
            expires_at: self.expires_at,
        })
    }
}

/// Word, person and group, as columns have them.
fn columns(with: Audience) -> (&'static str, Option<Uuid>, Option<Uuid>) {
    match with {
        Audience::User(id) => ("user", Some(id.into()), None),
        Audience::Group(id) => ("group", None, Some(id.into())),
        Audience::Organization => ("organization", None, None),
        Audience::Public => ("public", None, None),
    }
}

/// The shares of the organisation's workspaces. Whoever changes them locks the organisation first, so that no two count at once.
#[derive(Debug)]
pub struct PortShares<'a>(pub(crate) &'a OrganizationConn<'a>);

impl PortShares<'_> {
    /// Those of a workspace that are not over, in the order of their ports.
    pub async fn of_workspace(
        &self,
        workspace: WorkspaceId,
        now: Timestamp,
    ) -> Result<Vec<PortShareRow>, DbError> {
        let named_group = groups::table.on(groups::organization_id
            .eq(port_shares::organization_id)
            .and(groups::id.nullable().eq(port_shares::group_id)));
        let named_subject = subjects::table.on(subjects::organization_id
            .eq(port_shares::organization_id)
            .and(subjects::id.nullable().eq(port_shares::subject_id)));
        let query = port_shares::table
            .left_join(named_group)
            .left_join(named_subject)
            .filter(port_shares::organization_id.eq(self.0.key()))
            .filter(port_shares::workspace_id.eq(workspace.as_uuid()))
            .filter(port_shares::expires_at.gt(jiff_diesel::Timestamp::from(now)))
            .order((port_shares::port, port_shares::created_at, port_shares::id))
            .select((
                port_shares::port,
                port_shares::audience,
                port_shares::subject_id,
                port_shares::group_id,
                groups::path.nullable(),
                subjects::name.nullable(),
                port_shares::created_at,
                port_shares::expires_at,
            ));
        let rows: Vec<Raw> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.into_iter().filter_map(Raw::read).collect())
    }

    /// Shares a port, or shares it until then in place of until when it was.
    pub async fn put(&self, share: NewPortShare, now: Timestamp) -> Result<(), DbError> {
        self.remove(share.workspace, share.port, share.with).await?;
        let (audience, subject, group) = columns(share.with);
        let statement = diesel::insert_into(port_shares::table).values((
            port_shares::organization_id.eq(self.0.key()),
            port_shares::id.eq(Uuid::new_v4()),
            port_shares::workspace_id.eq(share.workspace.as_uuid()),
            port_shares::port.eq(i32::from(share.port)),
            port_shares::audience.eq(audience),
            port_shares::subject_id.eq(subject),
            port_shares::group_id.eq(group),
            port_shares::created_at.eq(jiff_diesel::Timestamp::from(now)),
            port_shares::expires_at.eq(jiff_diesel::Timestamp::from(share.expires_at)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Whether there was such a one, over or not.
    pub async fn remove(&self, workspace: WorkspaceId, port: u16, with: Audience) -> Result<bool, DbError> {
        let (audience, subject, group) = columns(with);
        let statement = diesel::delete(port_shares::table)
            .filter(port_shares::organization_id.eq(self.0.key()))
            .filter(port_shares::workspace_id.eq(workspace.as_uuid()))
            .filter(port_shares::port.eq(i32::from(port)))
            .filter(port_shares::audience.eq(audience))
            .filter(port_shares::subject_id.is_not_distinct_from(subject))
            .filter(port_shares::group_id.is_not_distinct_from(group));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }

    /// All of a port.
    pub async fn remove_port(&self, workspace: WorkspaceId, port: u16) -> Result<(), DbError> {
        let statement = diesel::delete(port_shares::table)
            .filter(port_shares::organization_id.eq(self.0.key()))
            .filter(port_shares::workspace_id.eq(workspace.as_uuid()))
            .filter(port_shares::port.eq(i32::from(port)));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Forgets those of a workspace's that are of other ports.
    pub async fn keep(&self, workspace: WorkspaceId, ports: &[u16]) -> Result<(), DbError> {
        let kept: Vec<i32> = ports.iter().map(|port| i32::from(*port)).collect();
        let statement = diesel::delete(port_shares::table)
            .filter(port_shares::organization_id.eq(self.0.key()))
            .filter(port_shares::workspace_id.eq(workspace.as_uuid()))
            .filter(port_shares::port.ne_all(kept));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Forgets what is over of a workspace's.
    pub async fn forget_past(&self, workspace: WorkspaceId, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::delete(port_shares::table)
            .filter(port_shares::organization_id.eq(self.0.key()))
            .filter(port_shares::workspace_id.eq(workspace.as_uuid()))
            .filter(port_shares::expires_at.le(jiff_diesel::Timestamp::from(now)));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Forgets what is shared with somebody: who comes back begins anew.
    pub async fn forget_user(&self, subject: SubjectId) -> Result<(), DbError> {
        let statement = diesel::delete(port_shares::table)
            .filter(port_shares::organization_id.eq(self.0.key()))
            .filter(port_shares::subject_id.eq(Some(*subject.as_uuid())));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// What is public of an agent's workspaces, at most [`MAX_PUBLIC`].
    pub async fn public_at(&self, agent: AgentId, now: Timestamp) -> Result<Vec<PublicPort>, DbError> {
        let of = workspaces::table.on(workspaces::organization_id
            .eq(port_shares::organization_id)
            .and(workspaces::id.eq(port_shares::workspace_id)));
        let query = port_shares::table
            .inner_join(of)
            .filter(port_shares::organization_id.eq(self.0.key()))
            .filter(port_shares::audience.eq("public"))
            .filter(port_shares::expires_at.gt(jiff_diesel::Timestamp::from(now)))
            .filter(workspaces::agent_id.eq(agent.as_uuid()))
            .filter(workspaces::living)
            .order((port_shares::created_at, port_shares::id))
            .limit(i64::try_from(MAX_PUBLIC).unwrap_or(i64::MAX))
            .select((port_shares::workspace_id, port_shares::port));
        let rows: Vec<(Uuid, i32)> = self.0.run(query.load(&mut self.0.raw())).await?;
        let read = |(workspace, port): (Uuid, i32)| {
            Some(PublicPort { workspace: workspace.into(), port: u16::try_from(port).ok()? })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Where somebody is something for good.
    pub async fn held_by(&self, subject: SubjectId) -> Result<Vec<HeldPlace>, DbError> {
        let at_group = groups::table.on(groups::organization_id
            .eq(role_grants::organization_id)
            .and(groups::id.nullable().eq(role_grants::group_id)));
        let at_project = projects::table.on(projects::organization_id
            .eq(role_grants::organization_id)
            .and(projects::id.nullable().eq(role_grants::project_id)));
        let query = role_grants::table
            .left_join(at_group)
            .left_join(at_project)
            .filter(role_grants::organization_id.eq(self.0.key()))
            .filter(role_grants::subject_id.eq(subject.as_uuid()))
            .select((groups::path.nullable(), projects::group_path.nullable()));
        let rows: Vec<(Option<String>, Option<String>)> = self.0.run(query.load(&mut self.0.raw())).await?;
        let read = |(group, of_project): (Option<String>, Option<String>)| {
            let is_project = group.is_none();
            let group = GroupPath::new(group.or(of_project)?).ok()?;
            Some(HeldPlace { group, is_project })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}
