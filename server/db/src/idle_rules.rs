//! What the organisation, its groups, projects and workspaces say of idleness.

use std::collections::HashMap;

use berth_schema::idle::{IdleAfter, IdleBy, IdleRule};
use berth_schema::scope::{Scope, ScopeId};
use berth_schema::{GroupId, ProjectId, WorkspaceId};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Integer, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::{DbError, DbErrorKind};
use crate::schema::idle_rules;
use crate::scope::OrganizationConn;

/// Who may say something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdlePlace {
    Organization,
    Group(GroupId),
    Project(ProjectId),
    Workspace(WorkspaceId),
}

impl IdlePlace {
    /// What of the scopes of variables has rules of idleness, too.
    pub const fn of(scope: ScopeId) -> Option<Self> {
        match scope {
            ScopeId::Organization => Some(Self::Organization),
            ScopeId::Group(id) => Some(Self::Group(id)),
            ScopeId::Project(id) => Some(Self::Project(id)),
            ScopeId::User(_) => None,
        }
    }

    const fn scope(self) -> &'static str {
        match self {
            Self::Organization => Scope::Organization.as_str(),
            Self::Group(_) => Scope::Group.as_str(),
            Self::Project(_) => Scope::Project.as_str(),
            Self::Workspace(_) => Scope::Workspace.as_str(),
        }
    }

    fn id(self, organization: Uuid) -> Uuid {
        match self {
            Self::Organization => organization,
            Self::Group(id) => id.into(),
            Self::Project(id) => id.into(),
            Self::Workspace(id) => id.into(),
        }
    }
}

/// A rule as it is stored.
#[derive(Clone, Copy, Debug, Queryable, Selectable)]
#[diesel(table_name = idle_rules)]
struct Stored {
    stop_after: Option<i32>,
    never: bool,
    max_minutes: Option<i32>,
}

impl From<Stored> for IdleRule {
    fn from(row: Stored) -> Self {
        rule(row.stop_after, row.never, row.max_minutes)
    }
}

fn rule(stop_after: Option<i32>, never: bool, max_minutes: Option<i32>) -> IdleRule {
    // The table has no number below one.
    let minutes = |stored: Option<i32>| stored.and_then(|minutes| u32::try_from(minutes).ok());
    let stop_after = if never { Some(IdleAfter::Never) } else { minutes(stop_after).map(IdleAfter::Minutes) };
    IdleRule { stop_after, max_minutes: minutes(max_minutes) }
}

/// A rule that is around a workspace.
#[derive(QueryableByName)]
struct Around {
    #[diesel(sql_type = SqlUuid)]
    workspace_id: Uuid,
    #[diesel(sql_type = Text)]
    scope: String,
    #[diesel(sql_type = Nullable<Text>)]
    path: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    stop_after: Option<i32>,
    #[diesel(sql_type = Bool)]
    never: bool,
    #[diesel(sql_type = Nullable<Integer>)]
    max_minutes: Option<i32>,
}

impl Around {
    fn by(&self) -> Result<IdleBy, DbError> {
        let path = || self.path.clone().unwrap_or_default();
        let wrong = |error| DbError::because(DbErrorKind::Internal, error);
        match self.scope.parse().map_err(|error| DbError::because(DbErrorKind::Internal, error))? {
            Scope::Group => path().parse().map(IdleBy::Group).map_err(wrong),
            Scope::Project => path().parse().map(IdleBy::Project).map_err(wrong),
            Scope::Workspace => Ok(IdleBy::Workspace),
            Scope::Organization | Scope::User => Ok(IdleBy::Organization),
        }
    }
}

/// Each part by an index. No name holds what LIKE takes for another sign.
const AROUND: &str = "
    WITH these AS (
        SELECT w.id, w.project_id, p.path FROM workspaces w
        LEFT JOIN projects p ON p.organization_id = w.organization_id AND p.id = w.project_id
        WHERE w.organization_id = $1 AND w.id = ANY ($2))
    SELECT * FROM (
        SELECT t.id AS workspace_id, 1 AS depth, r.scope, NULL::text AS path, r.stop_after, r.never, r.max_minutes
        FROM these t JOIN idle_rules r ON r.organization_id = $1 AND r.scope = 'organization'
        UNION ALL
        SELECT t.id, 2, r.scope, g.path, r.stop_after, r.never, r.max_minutes
        FROM idle_rules r JOIN groups g ON g.organization_id = r.organization_id AND g.id = r.group_id
        JOIN these t ON t.path LIKE g.path || '/%' WHERE r.organization_id = $1 AND r.scope = 'group'
        UNION ALL
        SELECT t.id, 3, r.scope, t.path, r.stop_after, r.never, r.max_minutes
        FROM these t JOIN idle_rules r ON r.organization_id = $1 AND r.scope = 'project' AND r.scope_id = t.project_id
        UNION ALL
        SELECT t.id, 4, r.scope, NULL::text, r.stop_after, r.never, r.max_minutes
        FROM these t JOIN idle_rules r ON r.organization_id = $1 AND r.scope = 'workspace' AND r.scope_id = t.id
    ) AS rules ORDER BY workspace_id, depth, length(path)";

/// The organisation's rules of idleness.
#[derive(Debug)]
pub struct IdleRules<'a>(pub(crate) &'a OrganizationConn<'a>);

impl IdleRules<'_> {
    /// Those around each of some workspaces, and their own: the outermost first. Of whom nothing is said there is none.
    pub async fn around(
        &self,
        workspaces: &[WorkspaceId],
    ) -> Result<HashMap<WorkspaceId, Vec<(IdleBy, IdleRule)>>, DbError> {
        let ids: Vec<Uuid> = workspaces.iter().map(|id| *id.as_uuid()).collect();
        let query = diesel::sql_query(AROUND).bind::<SqlUuid, _>(self.0.key()).bind::<Array<SqlUuid>, _>(ids);
        let rows: Vec<Around> = self.0.run(query.load(&mut self.0.raw())).await?;
        let mut all: HashMap<WorkspaceId, Vec<_>> = HashMap::new();
        for row in rows {
            let said = (row.by()?, rule(row.stop_after, row.never, row.max_minutes));
            all.entry(row.workspace_id.into()).or_default().push(said);
        }
        Ok(all)
    }

    /// What that place says; nothing where it says nothing.
    pub async fn find(&self, place: IdlePlace) -> Result<IdleRule, DbError> {
        let key = (self.0.key(), place.scope(), place.id(self.0.key()));
        let query = idle_rules::table.find(key).select(Stored::as_select());
        let found = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(found.map(IdleRule::from).unwrap_or_default())
    }

    /// From now on it says that, or nothing any more.
    pub async fn set(&self, place: IdlePlace, said: &IdleRule, now: Timestamp) -> Result<(), DbError> {
        let (organization, scope) = (self.0.key(), place.scope());
        if said.is_empty() {
            let gone = diesel::delete(idle_rules::table.find((organization, scope, place.id(organization))));
            return self.0.run(gone.execute(&mut self.0.raw())).await.map(drop);
        }
        let number = |minutes: Option<u32>| minutes.map(|minutes| i32::try_from(minutes).unwrap_or(i32::MAX));
        let values = (
            idle_rules::stop_after.eq(number(said.stop_after.and_then(IdleAfter::minutes))),
            idle_rules::never.eq(said.stop_after == Some(IdleAfter::Never)),
            idle_rules::max_minutes.eq(number(said.max_minutes)),
            idle_rules::updated_at.eq(jiff_diesel::Timestamp::from(now)),
        );
        let statement = diesel::insert_into(idle_rules::table)
            .values((
                idle_rules::organization_id.eq(organization),
                idle_rules::scope.eq(scope),
                idle_rules::scope_id.eq(place.id(organization)),
                values,
            ))
            .on_conflict((idle_rules::organization_id, idle_rules::scope, idle_rules::scope_id))
            .do_update()
            .set(values);
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}
