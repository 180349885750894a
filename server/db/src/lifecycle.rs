//! What the lifecycle rules need of the database: which workspaces of all organisations are to be looked at, which is all
//! that [`LifecycleQueue`] sees, and the looks themselves, each in the scope of its organisation.

use std::time::Duration;

use berth_schema::{AgentId, DesiredState, Generation, OrganizationId, WorkspaceId};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::columns::{Parsed, StoredGeneration, Tried};
use crate::connect;
use crate::error::DbError;
use crate::idle_rules::IdlePlace;
use crate::role_grants::Spot;
use crate::schema::{workspace_transitions, workspaces};
use crate::transitions::ChangedBy;
use crate::workspaces::{NOT_TERMINATED, Workspaces, raised};

/// No rule grants less than a quarter of an hour: after a change of what is wanted none can act before. The limit of age can, so that a
/// look which is due earlier stays.
pub(crate) const SHORTEST_RULE: SignedDuration = SignedDuration::from_mins(15);

/// A place in the queue: behind it, in the order of due times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueWorkspace {
    pub organization: OrganizationId,
    pub id: WorkspaceId,
    pub lifecycle_at: Timestamp,
}

/// The workspaces of all organisations that a rule may have something to do with, and no more of them than that. Its
/// connection is its own, and its role can read nothing else.
pub struct LifecycleQueue {
    config: tokio_postgres::Config,
    timeout: Duration,
    connection: Option<AsyncPgConnection>,
}

impl std::fmt::Debug for LifecycleQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LifecycleQueue")
            .field("connected", &self.connection.is_some())
            .finish_non_exhaustive()
    }
}

impl LifecycleQueue {
    /// Connects when it is asked first, and again after a failure. An error is only that the URL is none.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, DbError> {
        Ok(Self { config: connect::parse(url)?, timeout, connection: None })
    }

    /// The next that are due by `now`, behind `after`.
    pub async fn due(
        &mut self,
        now: Timestamp,
        after: Option<&DueWorkspace>,
        limit: i64,
    ) -> Result<Vec<DueWorkspace>, DbError> {
        let mut query = workspaces::table
            .filter(workspaces::lifecycle_at.le(jiff_diesel::Timestamp::from(now)))
            .order((workspaces::lifecycle_at, workspaces::id))
            .limit(limit)
            .select((workspaces::organization_id, workspaces::id, workspaces::lifecycle_at.assume_not_null()))
            .into_boxed();
        if let Some(after) = after {
            let at = jiff_diesel::Timestamp::from(after.lifecycle_at);
            let id = *after.id.as_uuid();
            query = query
                .filter(workspaces::lifecycle_at.ge(at))
                .filter(workspaces::lifecycle_at.gt(at).or(workspaces::id.gt(id)));
        }
        let connection = self.connection().await?;
        let rows = query.load::<(Uuid, Uuid, jiff_diesel::Timestamp)>(connection).await;
        let rows = self.kept(rows)?;
        let due = rows.into_iter().map(|(organization, id, at)| DueWorkspace {
            organization: organization.into(),
            id: id.into(),
            lifecycle_at: at.into(),
        });
        Ok(due.collect())
    }

    /// Organisations with workspaces that were gone by `before` and still have transitions.
    pub async fn with_finished(
        &mut self,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<OrganizationId>, DbError> {
        let oldest = workspace_transitions::table
            .filter(workspace_transitions::desired_state.eq(DesiredState::Terminated.as_str()))
            .filter(workspace_transitions::actual_state.eq(DesiredState::Terminated.as_str()))
            .filter(workspace_transitions::at.lt(jiff_diesel::Timestamp::from(before)))
            .order(workspace_transitions::at)
            .limit(limit)
            .select(workspace_transitions::organization_id);
        let connection = self.connection().await?;
        let rows = oldest.load::<Uuid>(connection).await;
        let mut organizations: Vec<OrganizationId> = self.kept(rows)?.into_iter().map(Into::into).collect();
        organizations.sort_unstable();
        organizations.dedup();
        Ok(organizations)
    }

    async fn connection(&mut self) -> Result<&mut AsyncPgConnection, DbError> {
        if self.connection.is_none() {
            let connection = connect::as_role(&self.config, "berth_lifecycle", self.timeout).await?;
            self.connection = Some(connection);
        }
        self.connection.as_mut().ok_or_else(|| crate::DbErrorKind::Internal.into())
    }

    /// A connection that failed is made anew.
    fn kept<T>(&mut self, result: QueryResult<T>) -> Result<T, DbError> {
        if result.is_err() {
            self.connection = None;
        }
        Ok(result?)
    }
}

/// What a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = workspaces)]
pub struct LifecycleRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: WorkspaceId,
    #[diesel(deserialize_as = Uuid)]
    pub agent_id: AgentId,
    /// `None` where it cannot be read: no rule is for that.
    #[diesel(deserialize_as = Tried<Parsed<DesiredState>>)]
    pub desired_state: Option<DesiredState>,
    #[diesel(deserialize_as = StoredGeneration)]
    pub generation: Generation,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub desired_state_changed_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub actual_state_changed_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub ran_at: Option<Timestamp>,
    pub extended_hours: i32,
}

impl Workspaces<'_> {
    /// Those of `ids` that are still to be looked at, locked until the transaction ends. What another server, or a user's
    /// change, holds is left to it.
    pub async fn lock_for_lifecycle(
        &self,
        ids: &[WorkspaceId],
        now: Timestamp,
    ) -> Result<Vec<LifecycleRow>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq_any(ids.iter().map(|id| *id.as_uuid()).collect::<Vec<_>>()))
            .filter(workspaces::lifecycle_at.le(jiff_diesel::Timestamp::from(now)))
            .order(workspaces::id)
            .select(LifecycleRow::as_select())
            .for_no_key_update()
            .skip_locked();
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Ends the current period of workspaces that [`Self::lock_for_lifecycle`] has locked in this transaction: all of them
    /// in one statement, whose transitions are written by another. `look`: when to look at them next.
    pub async fn end_periods(
        &self,
        ids: &[WorkspaceId],
        (desired, look): (DesiredState, Option<Timestamp>),
        now: Timestamp,
    ) -> Result<(), DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| *id.as_uuid()).collect();
        let is_end = desired == DesiredState::Terminated;
        let look = look.filter(|_| !is_end).map(jiff_diesel::Timestamp::from);
        // What was gone before it was wanted gone may be on its way back: the agent has to prove it anew.
        let unproven = is_end.then(|| workspaces::actual_state.eq(sql::<Text>(NOT_TERMINATED)));
        let statement = diesel::update(workspaces::table)
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq_any(&ids))
            .set((
                workspaces::desired_state.eq(desired.as_str()),
                workspaces::desired_state_changed_at.eq(jiff_diesel::Timestamp::from(now)),
                raised(),
                workspaces::transitions.eq(workspaces::transitions + 1),
                workspaces::extended_hours.eq(0),
                workspaces::lifecycle_at.eq(look),
                unproven,
            ));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        self.0.transitions().record_all(ids, ChangedBy::Lifecycle, now).await
    }

    /// When to look at it again; `None`: never.
    pub async fn look_again(&self, id: WorkspaceId, at: Option<Timestamp>) -> Result<(), DbError> {
        let at = at.map(jiff_diesel::Timestamp::from);
        let statement = diesel::update(workspaces::table)
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq(id.as_uuid()))
            .set(workspaces::lifecycle_at.eq(at));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(())
    }

    /// The rules of an agent changed: every workspace of it is to be looked at once more.
    pub async fn look_again_at_all_of(&self, agent: AgentId, now: Timestamp) -> Result<(), DbError> {
        let now = jiff_diesel::Timestamp::from(now);
        let statement = diesel::update(workspaces::table)
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(agent.as_uuid()))
            .filter(workspaces::living)
            .filter(workspaces::lifecycle_at.gt(now))
            .set(workspaces::lifecycle_at.eq(now));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(())
    }

    /// What is said of idleness there changed, or came to be there: every workspace of it is to be looked at once more.
    pub async fn look_again_at(&self, place: IdlePlace, now: Timestamp) -> Result<(), DbError> {
        let now = jiff_diesel::Timestamp::from(now);
        let statement = diesel::update(workspaces::table)
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::living)
            .filter(workspaces::lifecycle_at.gt(now))
            .set(workspaces::lifecycle_at.eq(now))
            .into_boxed();
        let statement = match place {
            IdlePlace::Organization => statement,
            IdlePlace::Workspace(id) => statement.filter(workspaces::id.eq(Uuid::from(id))),
            IdlePlace::Project(id) => statement.filter(workspaces::project_id.eq(Some(Uuid::from(id)))),
            IdlePlace::Group(id) => {
                let projects = self.0.projects().at(&[Spot::Group(id)]).await?;
                let projects: Vec<Uuid> = projects.into_iter().map(Uuid::from).collect();
                statement.filter(workspaces::project_id.eq_any(projects))
            }
        };
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Stores an extension, unless the period or its extension is another than was seen. Says whether it did.
    pub async fn extend(
        &self,
        id: WorkspaceId,
        seen: (DesiredState, Timestamp, i32),
        extended_hours: i32,
    ) -> Result<bool, DbError> {
        let (desired, changed_at, extended) = seen;
        let statement = diesel::update(workspaces::table)
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq(id.as_uuid()))
            .filter(workspaces::desired_state.eq(desired.as_str()))
            .filter(workspaces::desired_state_changed_at.eq(jiff_diesel::Timestamp::from(changed_at)))
            .filter(workspaces::extended_hours.eq(extended))
            .set(workspaces::extended_hours.eq(extended_hours));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }
}
