//! The tree of an organisation's groups. Whatever is moved or renamed, the database has all below it come along.

use berth_schema::GroupId;
use berth_schema::groups::GroupPath;
use berth_schema::names::GroupName;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::Parsed;
use crate::error::DbError;
use crate::page::{PageRequest, paged};
use crate::schema::groups;
use crate::scope::OrganizationConn;

/// What something is put into: a group, as it was found. `None` beside it: the organisation itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    pub id: GroupId,
    pub path: GroupPath,
}

impl From<&GroupRow> for Parent {
    fn from(row: &GroupRow) -> Self {
        Self { id: row.id, path: row.path.clone() }
    }
}

/// What is stored of a new group.
#[derive(Clone, Debug)]
pub struct NewGroup {
    pub id: GroupId,
    pub name: GroupName,
    pub parent: Option<Parent>,
}

/// A row of `groups`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = groups)]
pub struct GroupRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: GroupId,
    pub parent_id: Option<Uuid>,
    #[diesel(deserialize_as = Parsed<GroupPath>)]
    pub path: GroupPath,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
}

/// The organisation's groups.
#[derive(Debug)]
pub struct Groups<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Groups<'_> {
    /// Fails with a violation of [`GROUP_PATH`](crate::constraints::GROUP_PATH) where there is one of that path.
    pub async fn insert(&self, new: &NewGroup, now: Timestamp) -> Result<GroupRow, DbError> {
        let statement = diesel::insert_into(groups::table)
            .values((
                groups::organization_id.eq(self.0.key()),
                groups::id.eq(new.id.as_uuid()),
                groups::name.eq(new.name.as_str()),
                groups::parent_id.eq(new.parent.as_ref().map(|parent| *parent.id.as_uuid())),
                groups::parent_path.eq(new.parent.as_ref().map(|parent| parent.path.as_str())),
                groups::created_at.eq(jiff_diesel::Timestamp::from(now)),
            ))
            .returning(GroupRow::as_returning());
        self.0.run(statement.get_result(&mut self.0.raw())).await
    }

    pub async fn count(&self) -> Result<i64, DbError> {
        let query = groups::table.filter(groups::organization_id.eq(self.0.key())).count();
        self.0.run(query.get_result(&mut self.0.raw())).await
    }

    pub async fn find(&self, id: GroupId) -> Result<Option<GroupRow>, DbError> {
        let query = groups::table.find((self.0.key(), id.as_uuid())).select(GroupRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    pub async fn find_by_path(&self, path: &GroupPath) -> Result<Option<GroupRow>, DbError> {
        let query = groups::table
            .filter(groups::organization_id.eq(self.0.key()))
            .filter(groups::path.eq(path.as_str()))
            .select(GroupRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// Those of the paths that there are, in the order of their paths.
    pub async fn find_by_paths(&self, paths: &[GroupPath]) -> Result<Vec<GroupRow>, DbError> {
        let paths: Vec<&str> = paths.iter().map(GroupPath::as_str).collect();
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let query = groups::table
            .filter(groups::organization_id.eq(self.0.key()))
            .filter(groups::path.eq_any(paths))
            .order(groups::path)
            .select(GroupRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// The groups of those paths and all that they are in.
    pub async fn above(&self, paths: &[GroupPath]) -> Result<Vec<Parent>, DbError> {
        let mut all: Vec<String> = paths.iter().flat_map(GroupPath::up).map(String::from).collect();
        all.sort_unstable();
        all.dedup();
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let query = groups::table
            .filter(groups::organization_id.eq(self.0.key()))
            .filter(groups::path.eq_any(all))
            .order(groups::path)
            .select(GroupRow::as_select());
        let rows: Vec<GroupRow> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.iter().map(Parent::from).collect())
    }

    /// The paths of all groups that are in that one, through others or not.
    pub async fn below(&self, path: &GroupPath) -> Result<Vec<GroupPath>, DbError> {
        // No name holds what LIKE takes for another sign.
        let query = groups::table
            .filter(groups::organization_id.eq(self.0.key()))
            .filter(groups::path.like(format!("{path}/%")))
            .order(groups::path)
            .select(GroupRow::as_select());
        let rows: Vec<GroupRow> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.into_iter().map(|row| row.path).collect())
    }

    /// The newest first.
    pub async fn list(&self, page: &PageRequest) -> Result<Vec<GroupRow>, DbError> {
        let query = groups::table
            .filter(groups::organization_id.eq(self.0.key()))
            .select(GroupRow::as_select())
            .into_boxed();
        let query = paged!(query, groups, page);
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Gives a group another name and place, with all that is in it.
    pub async fn place(
        &self,
        id: GroupId,
        parent: Option<&Parent>,
        name: &GroupName,
    ) -> Result<GroupRow, DbError> {
        let statement = diesel::update(groups::table.find((self.0.key(), id.as_uuid())))
            .set((
                groups::name.eq(name.as_str()),
                groups::parent_id.eq(parent.map(|parent| *parent.id.as_uuid())),
                groups::parent_path.eq(parent.map(|parent| parent.path.as_str())),
            ))
            .returning(GroupRow::as_returning());
        self.0.run(statement.get_result(&mut self.0.raw())).await
    }

    /// Refused by the database while something is in it.
    pub async fn delete(&self, id: GroupId) -> Result<(), DbError> {
        let statement = diesel::delete(groups::table.find((self.0.key(), id.as_uuid())));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}
