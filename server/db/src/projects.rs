//! Projects, below a group or the organisation itself.

use berth_schema::groups::GroupPath;
use berth_schema::names::ProjectName;
use berth_schema::projects::{ProjectPath, ProjectSettings};
use berth_schema::{GroupId, ProjectId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{Json, Parsed, Tried};
use crate::error::{DbError, DbErrorKind};
use crate::groups::Parent;
use crate::page::{PageRequest, paged};
use crate::role_grants::Spot;
use crate::schema::{groups, projects};
use crate::scope::OrganizationConn;

/// What is stored of a new project.
#[derive(Clone, Debug)]
pub struct NewProject {
    pub id: ProjectId,
    pub name: ProjectName,
    pub group: Option<Parent>,
    pub settings: ProjectSettings,
}

/// A row of `projects`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = projects)]
pub struct ProjectRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: ProjectId,
    pub group_id: Option<Uuid>,
    #[diesel(deserialize_as = Parsed<ProjectPath>)]
    pub path: ProjectPath,
    /// `None`: a later version has stored what this one cannot read.
    #[diesel(deserialize_as = Tried<Json<ProjectSettings>>)]
    pub settings: Option<ProjectSettings>,
    pub version: i64,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub updated_at: Timestamp,
}

impl ProjectRow {
    pub fn group(&self) -> Option<GroupId> {
        self.group_id.map(GroupId::from)
    }
}

/// The organisation's projects.
#[derive(Debug)]
pub struct Projects<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Projects<'_> {
    /// Fails with a violation of [`PROJECT_PATH`](crate::constraints::PROJECT_PATH) where there is one of that path.
    pub async fn insert(&self, new: &NewProject, now: Timestamp) -> Result<ProjectRow, DbError> {
        let now = jiff_diesel::Timestamp::from(now);
        let statement = diesel::insert_into(projects::table)
            .values((
                projects::organization_id.eq(self.0.key()),
                projects::id.eq(new.id.as_uuid()),
                projects::name.eq(new.name.as_str()),
                projects::group_id.eq(new.group.as_ref().map(|group| *group.id.as_uuid())),
                projects::group_path.eq(new.group.as_ref().map(|group| group.path.as_str())),
                projects::settings.eq(json(&new.settings)?),
                projects::version.eq(1),
                projects::created_at.eq(now),
                projects::updated_at.eq(now),
            ))
            .returning(ProjectRow::as_returning());
        self.0.run(statement.get_result(&mut self.0.raw())).await
    }

    pub async fn count(&self) -> Result<i64, DbError> {
        let query = projects::table.filter(projects::organization_id.eq(self.0.key())).count();
        self.0.run(query.get_result(&mut self.0.raw())).await
    }

    pub async fn find(&self, id: ProjectId) -> Result<Option<ProjectRow>, DbError> {
        let query = projects::table.find((self.0.key(), id.as_uuid())).select(ProjectRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The same, held so that nothing can be made for it until the transaction ends.
    pub async fn hold(&self, id: ProjectId) -> Result<Option<ProjectRow>, DbError> {
        let query =
            projects::table.find((self.0.key(), id.as_uuid())).select(ProjectRow::as_select()).for_update();
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The paths of those of `ids` that there are.
    pub async fn paths(&self, ids: &[ProjectId]) -> Result<Vec<(ProjectId, ProjectPath)>, DbError> {
        let query = projects::table
            .filter(projects::organization_id.eq(self.0.key()))
            .filter(projects::id.eq_any(ids.iter().map(|id| Uuid::from(*id)).collect::<Vec<_>>()))
            .select(ProjectRow::as_select());
        let rows: Vec<ProjectRow> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.into_iter().map(|row| (row.id, row.path)).collect())
    }

    /// Those that are one of these places, or in a group that is.
    pub async fn at(&self, spots: &[Spot]) -> Result<Vec<ProjectId>, DbError> {
        let in_groups: Vec<Uuid> = spots.iter().filter_map(|spot| spot.group()).collect();
        let themselves: Vec<Uuid> = spots.iter().filter_map(|spot| spot.project()).collect();
        // No name holds what LIKE takes for another sign.
        let holds = groups::table
            .filter(groups::organization_id.eq(projects::organization_id))
            .filter(groups::id.eq_any(in_groups))
            .filter(projects::path.like(groups::path.concat("/%")));
        let query = projects::table
            .filter(projects::organization_id.eq(self.0.key()))
            .filter(projects::id.eq_any(themselves).or(diesel::dsl::exists(holds)))
            .order(projects::id)
            .select(projects::id);
        let found: Vec<Uuid> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(found.into_iter().map(ProjectId::from).collect())
    }

    pub async fn find_by_path(&self, path: &ProjectPath) -> Result<Option<ProjectRow>, DbError> {
        let query = projects::table
            .filter(projects::organization_id.eq(self.0.key()))
            .filter(projects::path.eq(path.as_str()))
            .select(ProjectRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// Whether there is one in that group or in one below it.
    pub async fn is_any_in(&self, group: &GroupPath) -> Result<bool, DbError> {
        // No name holds what LIKE takes for another sign.
        let query = projects::table
            .filter(projects::organization_id.eq(self.0.key()))
            .filter(projects::path.like(format!("{group}/%")));
        let query = diesel::select(diesel::dsl::exists(query));
        self.0.run(query.get_result(&mut self.0.raw())).await
    }

    /// The newest first.
    pub async fn list(&self, page: &PageRequest) -> Result<Vec<ProjectRow>, DbError> {
        let query = projects::table
            .filter(projects::organization_id.eq(self.0.key()))
            .select(ProjectRow::as_select())
            .into_boxed();
        let query = paged!(query, projects, page);
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Gives a project another name and place, other settings, and its next version. `settings`: `None`: those of before.
    pub async fn change(
        &self,
        id: ProjectId,
        (group, name): (Option<&Parent>, &ProjectName),
        settings: Option<&ProjectSettings>,
        now: Timestamp,
    ) -> Result<ProjectRow, DbError> {
        let settings = settings.map(json).transpose()?;
        let statement = diesel::update(projects::table.find((self.0.key(), id.as_uuid())))
            .set((
                projects::name.eq(name.as_str()),
                projects::group_id.eq(group.map(|group| *group.id.as_uuid())),
                projects::group_path.eq(group.map(|group| group.path.as_str())),
                settings.map(|settings| projects::settings.eq(settings)),
                projects::version.eq(projects::version + 1),
                projects::updated_at.eq(jiff_diesel::Timestamp::from(now)),
            ))
            .returning(ProjectRow::as_returning());
        self.0.run(statement.get_result(&mut self.0.raw())).await
    }

    pub async fn delete(&self, id: ProjectId) -> Result<(), DbError> {
        let statement = diesel::delete(projects::table.find((self.0.key(), id.as_uuid())));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}

fn json(settings: &ProjectSettings) -> Result<serde_json::Value, DbError> {
    serde_json::to_value(settings).map_err(|error| DbError::because(DbErrorKind::Internal, error))
}
