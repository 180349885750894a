//! Browsers that were sent to a provider, or asked for a passkey, and are expected back.

use berth_schema::{IdentityProviderId, OrganizationId, SessionId};
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
    /// SHA-256 of its state, or of what a passkey has to sign.
    pub state_hash: SecretHash,
    /// `None`: a passkey is asked for.
    pub provider: Option<(OrganizationId, IdentityProviderId)>,
    /// Of whoever is signed in already and asked for a passkey.
    pub session: Option<SessionId>,
    pub address: Option<String>,
    pub expires_at: Timestamp,
}

/// A row of `sign_in_attempts`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = sign_in_attempts)]
pub struct SignInAttemptRow {
    pub provider_id: Option<Uuid>,
    pub session_id: Option<Uuid>,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub expires_at: Timestamp,
}

impl SignInAttemptRow {
    pub fn provider(&self) -> Option<IdentityProviderId> {
        self.provider_id.map(Into::into)
    }

    pub fn session(&self) -> Option<SessionId> {
        self.session_id.map(Into::into)
    }
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
            sign_in_attempts::provider_organization_id
                .eq(attempt.provider.map(|(organization, _)| *organization.as_uuid())),
            sign_in_attempts::provider_id.eq(attempt.provider.map(|(_, provider)| *provider.as_uuid())),
            sign_in_attempts::session_id.eq(attempt.session.map(|session| *session.as_uuid())),
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
