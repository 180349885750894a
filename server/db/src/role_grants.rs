//! What people are at groups and projects.

use std::collections::HashMap;

use berth_schema::access::{Role, SubjectKind};
use berth_schema::{GroupId, ProjectId, SubjectId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::Parsed;
use crate::error::DbError;
use crate::page::{PageRequest, paged};
use crate::schema::{role_grants, subjects};
use crate::scope::OrganizationConn;

/// Where somebody may be something, beside the organisation itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spot {
    Group(GroupId),
    Project(ProjectId),
}

impl Spot {
    pub(crate) fn group(self) -> Option<Uuid> {
        match self {
            Self::Group(id) => Some(id.into()),
            Self::Project(_) => None,
        }
    }

    pub(crate) fn project(self) -> Option<Uuid> {
        match self {
            Self::Project(id) => Some(id.into()),
            Self::Group(_) => None,
        }
    }

    /// As a row has it, which names one of both.
    pub(crate) fn of(group: Option<Uuid>, project: Option<Uuid>) -> Option<Self> {
        group.map(|id| Self::Group(id.into())).or(project.map(|id| Self::Project(id.into())))
    }
}

/// Somebody who is something at a place, with what they are called.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct RoleGrantRow {
    pub id: Uuid,
    #[diesel(deserialize_as = String)]
    pub role: Role,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    #[diesel(deserialize_as = Uuid)]
    pub subject: SubjectId,
    #[diesel(deserialize_as = Parsed<SubjectKind>)]
    pub kind: SubjectKind,
    pub name: String,
}

/// Somebody who is something at one of several places, and in the organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderRow {
    pub spot: Spot,
    pub subject: SubjectId,
    pub name: String,
    pub role: Role,
    /// What they are in the organisation.
    pub everywhere: Role,
}

/// Keeps the rows of one place.
macro_rules! at {
    ($query:expr, $spot:expr) => {
        match $spot {
            Spot::Group(id) => $query.filter(role_grants::group_id.eq(Some(Uuid::from(id)))),
            Spot::Project(id) => $query.filter(role_grants::project_id.eq(Some(Uuid::from(id)))),
        }
    };
}

/// What people of the organisation are at its groups and projects.
#[derive(Debug)]
pub struct RoleGrants<'a>(pub(crate) &'a OrganizationConn<'a>);

impl RoleGrants<'_> {
    /// Everything that somebody is anywhere.
    pub async fn of_subject(&self, subject: SubjectId) -> Result<HashMap<Spot, Role>, DbError> {
        let query = role_grants::table
            .filter(role_grants::organization_id.eq(self.0.key()))
            .filter(role_grants::subject_id.eq(subject.as_uuid()))
            .select((role_grants::group_id, role_grants::project_id, role_grants::role));
        let rows: Vec<(Option<Uuid>, Option<Uuid>, String)> =
            self.0.run(query.load(&mut self.0.raw())).await?;
        let spots = rows.into_iter().filter_map(|(group, project, role)| {
            Spot::of(group, project).map(|spot| (spot, Role::from(role)))
        });
        Ok(spots.collect())
    }

    /// What somebody is at a place itself.
    pub async fn find(&self, spot: Spot, subject: SubjectId) -> Result<Option<Role>, DbError> {
        let query = role_grants::table
            .filter(role_grants::organization_id.eq(self.0.key()))
            .filter(role_grants::subject_id.eq(subject.as_uuid()))
            .select(role_grants::role)
            .into_boxed();
        let role: Option<String> =
            self.0.run_optional(at!(query, spot).get_result(&mut self.0.raw())).await?;
        Ok(role.map(Role::from))
    }

    /// How many are something at a place itself.
    pub async fn count(&self, spot: Spot) -> Result<i64, DbError> {
        let query =
            role_grants::table.filter(role_grants::organization_id.eq(self.0.key())).count().into_boxed();
        self.0.run(at!(query, spot).get_result(&mut self.0.raw())).await
    }

    /// Those who are something at a place itself, whoever came last first.
    pub async fn list(&self, spot: Spot, page: &PageRequest) -> Result<Vec<RoleGrantRow>, DbError> {
        let joined = subjects::table.on(subjects::organization_id
            .eq(role_grants::organization_id)
            .and(subjects::id.eq(role_grants::subject_id)));
        let query = role_grants::table
            .inner_join(joined)
            .filter(role_grants::organization_id.eq(self.0.key()))
            .select((
                role_grants::id,
                role_grants::role,
                role_grants::created_at,
                subjects::id,
                subjects::kind,
                subjects::name,
            ))
            .into_boxed();
        let query = paged!(at!(query, spot), role_grants, page);
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Those who are something at any of these places itself, in the order of their names.
    pub async fn holders(&self, spots: &[Spot]) -> Result<Vec<HolderRow>, DbError> {
        type Row = (Option<Uuid>, Option<Uuid>, Uuid, String, String, String);
        let groups: Vec<_> = spots.iter().filter_map(|spot| spot.group()).collect();
        let projects: Vec<_> = spots.iter().filter_map(|spot| spot.project()).collect();
        let joined = subjects::table.on(subjects::organization_id
            .eq(role_grants::organization_id)
            .and(subjects::id.eq(role_grants::subject_id)));
        let query = role_grants::table
            .inner_join(joined)
            .filter(role_grants::organization_id.eq(self.0.key()))
            .filter(role_grants::group_id.eq_any(groups).or(role_grants::project_id.eq_any(projects)))
            .order((subjects::name, subjects::id))
            .select((
                role_grants::group_id,
                role_grants::project_id,
                subjects::id,
                subjects::name,
                role_grants::role,
                subjects::role,
            ));
        let rows: Vec<Row> = self.0.run(query.load(&mut self.0.raw())).await?;
        let holders = rows.into_iter().filter_map(|(group, project, subject, name, role, everywhere)| {
            let spot = Spot::of(group, project)?;
            let (role, everywhere) = (Role::from(role), Role::from(everywhere));
            Some(HolderRow { spot, subject: subject.into(), name, role, everywhere })
        });
        Ok(holders.collect())
    }

    /// They are that there from now on.
    pub async fn set(
        &self,
        spot: Spot,
        subject: SubjectId,
        role: Role,
        now: Timestamp,
    ) -> Result<(), DbError> {
        if self.find(spot, subject).await?.is_none() {
            let statement = diesel::insert_into(role_grants::table).values((
                role_grants::organization_id.eq(self.0.key()),
                role_grants::id.eq(Uuid::new_v4()),
                role_grants::subject_id.eq(subject.as_uuid()),
                role_grants::group_id.eq(spot.group()),
                role_grants::project_id.eq(spot.project()),
                role_grants::role.eq(role.as_str()),
                role_grants::created_at.eq(jiff_diesel::Timestamp::from(now)),
            ));
            return self.0.run(statement.execute(&mut self.0.raw())).await.map(drop);
        }
        let statement = diesel::update(role_grants::table)
            .filter(role_grants::organization_id.eq(self.0.key()))
            .filter(role_grants::subject_id.eq(subject.as_uuid()))
            .filter(role_grants::group_id.is_not_distinct_from(spot.group()))
            .filter(role_grants::project_id.is_not_distinct_from(spot.project()))
            .set(role_grants::role.eq(role.as_str()));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// They are nothing there any more but what they are above it.
    pub async fn remove(&self, spot: Spot, subject: SubjectId) -> Result<(), DbError> {
        let statement = diesel::delete(role_grants::table)
            .filter(role_grants::organization_id.eq(self.0.key()))
            .filter(role_grants::subject_id.eq(subject.as_uuid()))
            .filter(role_grants::group_id.is_not_distinct_from(spot.group()))
            .filter(role_grants::project_id.is_not_distinct_from(spot.project()));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// They are nothing anywhere: who comes back begins anew.
    pub async fn remove_all(&self, subject: SubjectId) -> Result<(), DbError> {
        let statement = diesel::delete(role_grants::table)
            .filter(role_grants::organization_id.eq(self.0.key()))
            .filter(role_grants::subject_id.eq(subject.as_uuid()));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}
