//! Browsers that were sent to a provider and are expected back.

use berth_schema::{IdentityProviderId, OrganizationId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::SecretHash;
use crate::error::DbError;
use crate::schema::sign_in_attempts;
use crate::scope::OrganizationConn;

/// What is stored of a new one.
#[derive(Clone, Debug)]
pub struct NewSignInAttempt {
    /// SHA-256 of its state.
    pub state_hash: SecretHash,
    pub organization: OrganizationId,
    pub provider: IdentityProviderId,
    pub address: Option<String>,
    pub expires_at: Timestamp,
}

/// A row of `sign_in_attempts`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = sign_in_attempts)]
pub struct SignInAttemptRow {
    #[diesel(deserialize_as = Uuid)]
    pub provider_organization_id: OrganizationId,
    #[diesel(deserialize_as = Uuid)]
    pub provider_id: IdentityProviderId,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub expires_at: Timestamp,
}

/// Nobody's attempts. Only a transaction of [`crate::Reach::installation`] sees any.
#[derive(Debug)]
pub struct SignInAttempts<'a>(pub(crate) &'a OrganizationConn<'a>);

impl SignInAttempts<'_> {
    /// Stores one and forgets those that are over. `false`, and nothing is stored: there are `most` already, or `most_of_one` from
    /// its address.
    pub async fn insert(
        &self,
        attempt: &NewSignInAttempt,
        (most, most_of_one): (i64, i64),
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let now = jiff_diesel::Timestamp::from(now);
        let over = diesel::delete(sign_in_attempts::table).filter(sign_in_attempts::expires_at.le(now));
        self.0.run(over.execute(&mut self.0.raw())).await?;
        let all: i64 = self.0.run(sign_in_attempts::table.count().get_result(&mut self.0.raw())).await?;
        let of_one = sign_in_attempts::table
            .filter(sign_in_attempts::address.is_not_distinct_from(&attempt.address))
            .count();
        let of_one: i64 = self.0.run(of_one.get_result(&mut self.0.raw())).await?;
        if all >= most || of_one >= most_of_one {
            return Ok(false);
        }
        let statement = diesel::insert_into(sign_in_attempts::table).values((
            sign_in_attempts::state_hash.eq(attempt.state_hash.as_slice()),
            sign_in_attempts::provider_organization_id.eq(attempt.organization.as_uuid()),
            sign_in_attempts::provider_id.eq(attempt.provider.as_uuid()),
            sign_in_attempts::address.eq(&attempt.address),
            sign_in_attempts::created_at.eq(now),
            sign_in_attempts::expires_at.eq(jiff_diesel::Timestamp::from(attempt.expires_at)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(|_| true)
    }

    /// Takes one away. Of several who come with its state, one is told.
    pub async fn take(&self, state: &SecretHash) -> Result<Option<SignInAttemptRow>, DbError> {
        let statement = diesel::delete(sign_in_attempts::table.find(state.as_slice()))
            .returning(SignInAttemptRow::as_returning());
        self.0.run_optional(statement.get_result(&mut self.0.raw())).await
    }
}
