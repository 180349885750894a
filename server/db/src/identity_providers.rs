//! Whom organisations have people signed in by. Nothing here can decrypt.

use berth_schema::identity_providers::{IdentityProviderName, ProviderSettings};
use berth_schema::{IdentityProviderId, OrganizationId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{Json, Parsed, Tried};
use crate::error::DbError;
use crate::schema::identity_providers;
use crate::scope::OrganizationConn;

/// A row of `identity_providers`.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = identity_providers)]
pub struct IdentityProviderRow {
    #[diesel(deserialize_as = Uuid)]
    pub organization_id: OrganizationId,
    #[diesel(deserialize_as = Uuid)]
    pub id: IdentityProviderId,
    #[diesel(deserialize_as = Parsed<IdentityProviderName>)]
    pub name: IdentityProviderName,
    pub issuer: String,
    pub client_id: String,
    pub data_key_id: Option<Uuid>,
    /// Goes up with each change, and is bound into the ciphertext.
    pub version: i64,
    pub nonce: Option<Vec<u8>>,
    /// Of the client's secret, with its tag.
    pub ciphertext: Option<Vec<u8>>,
    /// `None`: a later version has stored what this one cannot read.
    #[diesel(deserialize_as = Tried<Json<ProviderSettings>>)]
    pub settings: Option<ProviderSettings>,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub updated_at: Timestamp,
}

impl std::fmt::Debug for IdentityProviderRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdentityProviderRow").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The organisation's providers. A transaction of [`crate::Reach::installation`] sees those of all.
#[derive(Debug)]
pub struct IdentityProviders<'a>(pub(crate) &'a OrganizationConn<'a>);

impl IdentityProviders<'_> {
    /// By name, at most `limit`.
    pub async fn list(&self, limit: i64) -> Result<Vec<IdentityProviderRow>, DbError> {
        let query = identity_providers::table
            .order((identity_providers::name, identity_providers::id))
            .limit(limit)
            .select(IdentityProviderRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    pub async fn find(&self, id: IdentityProviderId) -> Result<Option<IdentityProviderRow>, DbError> {
        let query = identity_providers::table
            .filter(identity_providers::id.eq(id.as_uuid()))
            .select(IdentityProviderRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    pub async fn find_by_name(&self, name: &str) -> Result<Option<IdentityProviderRow>, DbError> {
        let query = identity_providers::table
            .filter(identity_providers::organization_id.eq(self.0.key()))
            .filter(identity_providers::name.eq(name))
            .select(IdentityProviderRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    pub async fn count(&self) -> Result<i64, DbError> {
        let query =
            identity_providers::table.filter(identity_providers::organization_id.eq(self.0.key())).count();
        self.0.run(query.get_result(&mut self.0.raw())).await
    }

    /// Stores one in place of the one with its id.
    pub async fn put(&self, row: &IdentityProviderRow) -> Result<(), DbError> {
        use identity_providers::dsl;
        let settings = serde_json::to_value(&row.settings)
            .map_err(|error| DbError::because(crate::DbErrorKind::Internal, error))?;
        let values = (
            dsl::issuer.eq(&row.issuer),
            dsl::client_id.eq(&row.client_id),
            dsl::data_key_id.eq(row.data_key_id),
            dsl::version.eq(row.version),
            dsl::nonce.eq(&row.nonce),
            dsl::ciphertext.eq(&row.ciphertext),
            dsl::settings.eq(&settings),
            dsl::updated_at.eq(jiff_diesel::Timestamp::from(row.updated_at)),
        );
        let key = (
            dsl::organization_id.eq(self.0.key()),
            dsl::id.eq(row.id.as_uuid()),
            dsl::name.eq(row.name.as_str()),
        );
        let statement = diesel::insert_into(dsl::identity_providers)
            .values((key, values))
            .on_conflict((dsl::organization_id, dsl::id))
            .do_update()
            .set(values);
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Forgets one, and what it has proven of sessions.
    pub async fn delete(&self, id: IdentityProviderId) -> Result<(), DbError> {
        let statement = diesel::delete(identity_providers::table.find((self.0.key(), id.as_uuid())));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}
