//! Roles for a time.

use berth_schema::access::Role;
use berth_schema::{ElevationId, SubjectId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::DbError;
use crate::page::{PageRequest, paged};
use crate::role_grants::Spot;
use crate::schema::{elevations, groups, projects, subjects};
use crate::scope::OrganizationConn;

diesel::alias!(subjects as deciders: Deciders);

/// What is stored of one that is asked for.
#[derive(Clone, Debug)]
pub struct NewElevation {
    pub id: ElevationId,
    pub subject: SubjectId,
    pub role: Role,
    /// `None`: in the organisation.
    pub spot: Option<Spot>,
    pub reason: String,
    pub seconds: i32,
    pub decide_by: Timestamp,
}

/// A row of `elevations`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = elevations)]
pub struct ElevationRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: ElevationId,
    #[diesel(deserialize_as = Uuid, column_name = subject_id)]
    pub subject: SubjectId,
    #[diesel(deserialize_as = String)]
    pub role: Role,
    pub group_id: Option<Uuid>,
    pub project_id: Option<Uuid>,
    pub reason: String,
    pub seconds: i32,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub decide_by: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub decided_at: Option<Timestamp>,
    pub decided_by: Option<Uuid>,
    pub is_approved: Option<bool>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub ends_at: Option<Timestamp>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub ended_at: Option<Timestamp>,
}

impl ElevationRow {
    /// Where it holds; `None`: in the organisation.
    pub fn spot(&self) -> Option<Spot> {
        Spot::of(self.group_id, self.project_id)
    }
}

/// One with what people call whoever and whatever it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElevationView {
    pub row: ElevationRow,
    /// Of whoever asks.
    pub name: String,
    /// Of the group that it holds at.
    pub group: Option<String>,
    pub project: Option<String>,
    /// Of whoever has decided.
    pub decided_by: Option<String>,
}

/// The roles for a time of the organisation's people.
#[derive(Debug)]
pub struct Elevations<'a>(pub(crate) &'a OrganizationConn<'a>);

/// The rows with their words, of which one more condition may say which.
macro_rules! views {
    ($self:expr) => {
        elevations::table
            .inner_join(
                subjects::table.on(subjects::organization_id
                    .eq(elevations::organization_id)
                    .and(subjects::id.eq(elevations::subject_id))),
            )
            .left_join(
                groups::table.on(groups::organization_id
                    .eq(elevations::organization_id)
                    .and(groups::id.nullable().eq(elevations::group_id))),
            )
            .left_join(
                projects::table.on(projects::organization_id
                    .eq(elevations::organization_id)
                    .and(projects::id.nullable().eq(elevations::project_id))),
            )
            .left_join(
                deciders.on(deciders
                    .field(subjects::organization_id)
                    .eq(elevations::organization_id)
                    .and(deciders.field(subjects::id).nullable().eq(elevations::decided_by))),
            )
            .filter(elevations::organization_id.eq($self.0.key()))
            .select((
                ElevationRow::as_select(),
                subjects::name,
                groups::path.nullable(),
                projects::path.nullable(),
                deciders.field(subjects::name).nullable(),
            ))
    };
}

type Raw = (ElevationRow, String, Option<String>, Option<String>, Option<String>);

fn view((row, name, group, project, decided_by): Raw) -> ElevationView {
    ElevationView { row, name, group, project, decided_by }
}

impl Elevations<'_> {
    pub async fn insert(&self, new: &NewElevation, now: Timestamp) -> Result<(), DbError> {
        let decide_by = jiff_diesel::Timestamp::from(new.decide_by);
        let statement = diesel::insert_into(elevations::table).values((
            elevations::organization_id.eq(self.0.key()),
            elevations::id.eq(new.id.as_uuid()),
            elevations::subject_id.eq(new.subject.as_uuid()),
            elevations::role.eq(new.role.as_str()),
            elevations::group_id.eq(new.spot.and_then(Spot::group)),
            elevations::project_id.eq(new.spot.and_then(Spot::project)),
            elevations::reason.eq(&new.reason),
            elevations::seconds.eq(new.seconds),
            elevations::created_at.eq(jiff_diesel::Timestamp::from(now)),
            elevations::decide_by.eq(decide_by),
            elevations::due_at.eq(decide_by),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// How many somebody has, or asks for.
    pub async fn count_open(&self, subject: SubjectId, now: Timestamp) -> Result<i64, DbError> {
        let query = elevations::table
            .filter(elevations::organization_id.eq(self.0.key()))
            .filter(elevations::subject_id.eq(subject.as_uuid()))
            .filter(elevations::due_at.gt(jiff_diesel::Timestamp::from(now)))
            .count();
        self.0.run(query.get_result(&mut self.0.raw())).await
    }

    pub async fn find(&self, id: ElevationId) -> Result<Option<ElevationView>, DbError> {
        let query = views!(self).filter(elevations::id.eq(id.as_uuid()));
        let row: Option<Raw> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(row.map(view))
    }

    /// Whichever has that id, locked until the transaction ends.
    pub async fn find_locked(&self, id: ElevationId) -> Result<Option<ElevationRow>, DbError> {
        let query = elevations::table
            .find((self.0.key(), id.as_uuid()))
            .select(ElevationRow::as_select())
            .for_no_key_update();
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The newest first, however they ended. `of`: one person's alone.
    pub async fn list(
        &self,
        of: Option<SubjectId>,
        page: &PageRequest,
    ) -> Result<Vec<ElevationView>, DbError> {
        let mut query = views!(self).into_boxed();
        if let Some(subject) = of {
            query = query.filter(elevations::subject_id.eq(Uuid::from(subject)));
        }
        let query = paged!(query, elevations, page);
        let rows: Vec<Raw> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.into_iter().map(view).collect())
    }

    /// Those that hold for any of these people.
    pub async fn active(
        &self,
        subjects: &[SubjectId],
        now: Timestamp,
    ) -> Result<Vec<ElevationView>, DbError> {
        let subjects: Vec<Uuid> = subjects.iter().map(|subject| Uuid::from(*subject)).collect();
        let query = views!(self)
            .filter(elevations::subject_id.eq_any(subjects))
            .filter(elevations::is_approved)
            .filter(elevations::due_at.gt(jiff_diesel::Timestamp::from(now)))
            .order((elevations::due_at, elevations::id));
        let rows: Vec<Raw> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.into_iter().map(view).collect())
    }

    /// Somebody has decided. `ends_at`: it is approved, until then.
    pub async fn decide(
        &self,
        id: ElevationId,
        by: SubjectId,
        ends_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let ends_at = ends_at.map(jiff_diesel::Timestamp::from);
        let statement = diesel::update(elevations::table.find((self.0.key(), id.as_uuid()))).set((
            elevations::decided_at.eq(jiff_diesel::Timestamp::from(now)),
            elevations::decided_by.eq(by.as_uuid()),
            elevations::is_approved.eq(ends_at.is_some()),
            elevations::ends_at.eq(ends_at),
            elevations::due_at.eq(ends_at),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Somebody has ended it.
    pub async fn end(&self, id: ElevationId, by: SubjectId, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::update(elevations::table.find((self.0.key(), id.as_uuid()))).set((
            elevations::ended_at.eq(jiff_diesel::Timestamp::from(now)),
            elevations::ended_by.eq(by.as_uuid()),
            elevations::due_at.eq(None::<jiff_diesel::Timestamp>),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Ends all that somebody has or asks for. Answers with how many those were.
    pub async fn end_all(&self, subject: SubjectId, by: SubjectId, now: Timestamp) -> Result<u64, DbError> {
        let now = jiff_diesel::Timestamp::from(now);
        let statement = diesel::update(elevations::table)
            .filter(elevations::organization_id.eq(self.0.key()))
            .filter(elevations::subject_id.eq(subject.as_uuid()))
            .filter(elevations::due_at.gt(now))
            .set((
                elevations::ended_at.eq(now),
                elevations::ended_by.eq(by.as_uuid()),
                elevations::due_at.eq(None::<jiff_diesel::Timestamp>),
            ));
        let ended = self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(u64::try_from(ended).unwrap_or(u64::MAX))
    }

    /// Those whose time has come, at most `limit`, which the record says from now on: they are due no more. What somebody holds is left
    /// to another time.
    pub async fn take_due(&self, now: Timestamp, limit: i64) -> Result<Vec<ElevationRow>, DbError> {
        let due = elevations::table
            .filter(elevations::organization_id.eq(self.0.key()))
            .filter(elevations::due_at.le(jiff_diesel::Timestamp::from(now)))
            .order((elevations::due_at, elevations::id))
            .limit(limit)
            .select(elevations::id)
            .for_no_key_update()
            .skip_locked();
        let ids: Vec<Uuid> = self.0.run(due.load(&mut self.0.raw())).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let statement = diesel::update(elevations::table)
            .filter(elevations::organization_id.eq(self.0.key()))
            .filter(elevations::id.eq_any(ids))
            .set(elevations::due_at.eq(None::<jiff_diesel::Timestamp>))
            .returning(ElevationRow::as_returning());
        self.0.run(statement.get_results(&mut self.0.raw())).await
    }
}
