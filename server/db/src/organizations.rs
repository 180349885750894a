//! Organisations, and how the first one comes to be.

use berth_schema::{OrganizationId, OrganizationName};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::Parsed;
use crate::error::DbError;
use crate::gateway::Database;
use crate::schema::{installation, organizations};
use crate::scope::OrganizationConn;

/// A row of `organizations`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = organizations)]
pub struct OrganizationRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: OrganizationId,
    #[diesel(deserialize_as = Parsed<OrganizationName>)]
    pub name: OrganizationName,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    /// Of its rules about who may do what; `None`: the built-in ones.
    pub policy_version: Option<i64>,
}

/// The scope's own organisation.
#[derive(Debug)]
pub struct Organizations<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Organizations<'_> {
    /// Stores the organisation of the scope. [`crate::constraints::ORGANIZATION_NAME`] when the name is taken.
    pub async fn create(&self, name: &OrganizationName, now: Timestamp) -> Result<OrganizationRow, DbError> {
        let statement = diesel::insert_into(organizations::table)
            .values((
                organizations::id.eq(self.0.key()),
                organizations::name.eq(name.as_str()),
                organizations::created_at.eq(jiff_diesel::Timestamp::from(now)),
            ))
            .returning(OrganizationRow::as_returning());
        self.0.run(statement.get_result(&mut self.0.raw())).await
    }

    /// Whether the transaction is the one that makes the first organisation of the installation. Of several servers that start
    /// together on an empty database one is told `true`, once the others' transactions have ended.
    pub async fn claim_first(&self, now: Timestamp) -> Result<bool, DbError> {
        let claim = diesel::insert_into(installation::table)
            .values(installation::initialized_at.eq(jiff_diesel::Timestamp::from(now)))
            .on_conflict_do_nothing();
        Ok(self.0.run(claim.execute(&mut self.0.raw())).await? > 0)
    }

    /// Locks the organisation until the transaction ends. What is read after it holds all that was stored by whoever had
    /// the lock before.
    pub async fn lock(&self) -> Result<(), DbError> {
        let query = organizations::table.find(self.0.key()).select(organizations::id).for_no_key_update();
        let _: Option<Uuid> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(())
    }

    /// The organisation of the scope; `None` when there is none with its id.
    pub async fn find(&self) -> Result<Option<OrganizationRow>, DbError> {
        let query = organizations::table
            .filter(organizations::id.eq(self.0.key()))
            .select(OrganizationRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }
}

/// Whether nobody ever made the first organisation ([`Organizations::claim_first`]). It tells nothing of any organisation.
pub async fn is_empty(database: &Database) -> Result<bool, DbError> {
    let nobody = OrganizationId::from_uuid(Uuid::nil());
    database
        .read(nobody, "is_empty", async |conn| {
            let query =
                diesel::select(diesel::dsl::exists(installation::table.select(installation::only_row)));
            let initialized: bool = conn.run(query.get_result(&mut conn.raw())).await?;
            Ok(!initialized)
        })
        .await
}
