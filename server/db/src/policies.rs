//! What an organisation has written about who may do what, in versions.

use berth_schema::SubjectId;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::DbError;
use crate::schema::{organizations, policy_versions};
use crate::scope::OrganizationConn;

/// A row of `policy_versions`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = policy_versions)]
pub struct PolicyVersionRow {
    /// +1 with each, from 1.
    pub version: i64,
    /// `None`: the built-in ones.
    pub rules: Option<String>,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    /// The subject; `None`: somebody at the server's machine.
    pub created_by: Option<Uuid>,
}

/// The organisation's policy.
#[derive(Debug)]
pub struct PolicyVersions<'a>(pub(crate) &'a OrganizationConn<'a>);

impl PolicyVersions<'_> {
    pub async fn find(&self, version: i64) -> Result<Option<PolicyVersionRow>, DbError> {
        let query =
            policy_versions::table.find((self.0.key(), version)).select(PolicyVersionRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The version that holds; `None`: the organisation has never written one.
    pub async fn active(&self) -> Result<Option<PolicyVersionRow>, DbError> {
        let query = organizations::table
            .inner_join(
                policy_versions::table.on(policy_versions::organization_id
                    .eq(organizations::id)
                    .and(organizations::policy_version.eq(policy_versions::version.nullable()))),
            )
            .filter(organizations::id.eq(self.0.key()))
            .select(PolicyVersionRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The newest first, below a version.
    pub async fn list(&self, below: Option<i64>, limit: i64) -> Result<Vec<PolicyVersionRow>, DbError> {
        let query = policy_versions::table
            .filter(policy_versions::organization_id.eq(self.0.key()))
            .filter(policy_versions::version.lt(below.unwrap_or(i64::MAX)))
            .order(policy_versions::version.desc())
            .limit(limit)
            .select(PolicyVersionRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Stores the version after `before` and points to it. Lock the organisation first.
    pub async fn set(
        &self,
        before: i64,
        rules: Option<&str>,
        by: Option<SubjectId>,
        now: Timestamp,
    ) -> Result<PolicyVersionRow, DbError> {
        let statement = diesel::insert_into(policy_versions::table)
            .values((
                policy_versions::organization_id.eq(self.0.key()),
                policy_versions::version.eq(before + 1),
                policy_versions::rules.eq(rules),
                policy_versions::created_at.eq(jiff_diesel::Timestamp::from(now)),
                policy_versions::created_by.eq(by.map(|subject| *subject.as_uuid())),
            ))
            .returning(PolicyVersionRow::as_returning());
        let row: PolicyVersionRow = self.0.run(statement.get_result(&mut self.0.raw())).await?;
        let statement = diesel::update(organizations::table.find(self.0.key()))
            .set(organizations::policy_version.eq(row.version));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(row)
    }
}
