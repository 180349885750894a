//! Links that sign somebody in once.

use berth_schema::SignInLinkId;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use crate::columns::{Bytes, SecretHash};
use crate::error::DbError;
use crate::schema::sign_in_links;
use crate::scope::OrganizationConn;
use crate::shown::shown;

/// What is stored of a new link.
#[derive(Clone, Debug)]
pub struct NewSignInLink {
    pub id: SignInLinkId,
    /// SHA-256 of the whole token.
    pub secret_hash: SecretHash,
    pub expires_at: Timestamp,
}

/// A row of `sign_in_links`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = sign_in_links)]
pub struct SignInLinkRow {
    #[diesel(deserialize_as = Bytes<32>)]
    pub secret_hash: SecretHash,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub expires_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub used_at: Option<Timestamp>,
}

/// The account's links.
#[derive(Debug)]
pub struct SignInLinks<'a>(pub(crate) &'a OrganizationConn<'a>);

impl SignInLinks<'_> {
    /// Stores one and forgets all others that were not used: who has lost a link asks for another one, and whoever finds the lost one
    /// gets nowhere.
    pub async fn insert(&self, link: &NewSignInLink, now: Timestamp) -> Result<(), DbError> {
        let now = jiff_diesel::Timestamp::from(now);
        let over = diesel::delete(sign_in_links::table)
            .filter(sign_in_links::account_id.eq(self.0.account_key()))
            .filter(sign_in_links::expires_at.le(now).or(sign_in_links::used_at.is_null()));
        self.0.run(over.execute(&mut self.0.raw())).await?;
        let statement = diesel::insert_into(sign_in_links::table).values((
            sign_in_links::account_id.eq(self.0.account_key()),
            sign_in_links::id.eq(link.id.as_uuid()),
            sign_in_links::secret_hash.eq(link.secret_hash.as_slice()),
            sign_in_links::created_at.eq(now),
            sign_in_links::expires_at.eq(jiff_diesel::Timestamp::from(link.expires_at)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// The link of that id whose secret's hash is shown, valid or not. See `shown.rs`.
    pub async fn find_shown(
        &self,
        id: SignInLinkId,
        hash: &SecretHash,
    ) -> Result<Option<SignInLinkRow>, DbError> {
        let query = sign_in_links::table
            .find((self.0.account_key(), id.as_uuid()))
            .filter(shown!(sign_in_links, hash))
            .select(SignInLinkRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// Of several that use it at once, one is told `true`.
    pub async fn mark_used(&self, id: SignInLinkId, now: Timestamp) -> Result<bool, DbError> {
        let statement = diesel::update(sign_in_links::table.find((self.0.account_key(), id.as_uuid())))
            .filter(sign_in_links::used_at.is_null())
            .set(sign_in_links::used_at.eq(jiff_diesel::Timestamp::from(now)));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }
}
