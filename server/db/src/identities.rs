//! Which account somebody is on an issuer's word.

use berth_schema::AccountId;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::DbError;
use crate::schema::identities;
use crate::scope::OrganizationConn;

/// The account's identities. A transaction of [`crate::Reach::installation`] sees all: who it is has to be found first.
#[derive(Debug)]
pub struct Identities<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Identities<'_> {
    /// Whose it is.
    pub async fn find(&self, issuer: &str, subject: &str) -> Result<Option<AccountId>, DbError> {
        let query = identities::table.find((issuer, subject)).select(identities::account_id);
        let found: Option<Uuid> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(found.map(Into::into))
    }

    /// Stores one of the transaction's account. [`crate::constraints::IDENTITY`]: it is somebody's.
    pub async fn insert(&self, issuer: &str, subject: &str, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::insert_into(identities::table).values((
            identities::issuer.eq(issuer),
            identities::subject.eq(subject),
            identities::account_id.eq(self.0.account_key()),
            identities::created_at.eq(jiff_diesel::Timestamp::from(now)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}
