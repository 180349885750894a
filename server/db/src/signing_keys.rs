//! The keys that sign tokens, sealed under a key-encryption key.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use crate::columns::Bytes;
use crate::error::DbError;
use crate::schema::{issuer_names, signing_keys};
use crate::scope::OrganizationConn;

/// A row of `signing_keys`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = signing_keys)]
pub struct SigningKeyRow {
    /// The thumbprint of the public key.
    pub kid: String,
    /// The generation of the key-encryption key that it is sealed under.
    pub kek_id: String,
    #[diesel(deserialize_as = Bytes<32>)]
    pub salt: [u8; 32],
    /// Nonce and ciphertext of the private key.
    pub sealed: Vec<u8>,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    /// From when on it signs, unless a newer one does.
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub signs_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub revoked_at: Option<Timestamp>,
}

/// The installation's signing keys. Only a transaction of [`crate::Reach::installation`] sees any.
#[derive(Debug)]
pub struct SigningKeys<'a>(pub(crate) &'a OrganizationConn<'a>);

impl SigningKeys<'_> {
    /// All of them, the one that signs last first.
    pub async fn list(&self) -> Result<Vec<SigningKeyRow>, DbError> {
        let query = signing_keys::table
            .order((signing_keys::signs_at.desc(), signing_keys::kid))
            .select(SigningKeyRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// The same; nobody else adds or takes one until the transaction ends.
    pub async fn list_locked(&self) -> Result<Vec<SigningKeyRow>, DbError> {
        let lock =
            diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended('berth signing keys', 0))");
        self.0.run(lock.execute(&mut self.0.raw())).await?;
        self.list().await
    }

    pub async fn insert(&self, key: &SigningKeyRow) -> Result<(), DbError> {
        let statement = diesel::insert_into(signing_keys::table).values((
            signing_keys::kid.eq(&key.kid),
            signing_keys::kek_id.eq(&key.kek_id),
            signing_keys::salt.eq(key.salt.as_slice()),
            signing_keys::sealed.eq(&key.sealed),
            signing_keys::created_at.eq(jiff_diesel::Timestamp::from(key.created_at)),
            signing_keys::signs_at.eq(jiff_diesel::Timestamp::from(key.signs_at)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Stores how a key is sealed from now on; the key stays.
    pub async fn reseal(&self, key: &SigningKeyRow) -> Result<(), DbError> {
        let statement = diesel::update(signing_keys::table.find(&key.kid)).set((
            signing_keys::kek_id.eq(&key.kek_id),
            signing_keys::salt.eq(key.salt.as_slice()),
            signing_keys::sealed.eq(&key.sealed),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Nothing that it signed is believed from now on. Whether there is such a key.
    pub async fn revoke(&self, kid: &str, now: Timestamp) -> Result<bool, DbError> {
        let statement = diesel::update(signing_keys::table.find(kid))
            .filter(signing_keys::revoked_at.is_null())
            .set(signing_keys::revoked_at.eq(jiff_diesel::Timestamp::from(now)));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }

    /// How servers of the installation call themselves in what they sign, and when each was last called so, the newest first.
    pub async fn issuer_names(&self) -> Result<Vec<(String, Timestamp)>, DbError> {
        let query = issuer_names::table
            .order((issuer_names::used_at.desc(), issuer_names::name))
            .select((issuer_names::name, issuer_names::used_at));
        let all: Vec<(String, jiff_diesel::Timestamp)> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(all.into_iter().map(|(name, at)| (name, at.to_jiff())).collect())
    }

    /// A server is called so now. Names that none was called since `before` are forgotten.
    pub async fn is_called(&self, name: &str, now: Timestamp, before: Timestamp) -> Result<(), DbError> {
        let now = jiff_diesel::Timestamp::from(now);
        let statement = diesel::insert_into(issuer_names::table)
            .values((issuer_names::name.eq(name), issuer_names::used_at.eq(now)))
            .on_conflict(issuer_names::name)
            .do_update()
            .set(issuer_names::used_at.eq(now));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        let over = issuer_names::table.filter(issuer_names::used_at.lt(jiff_diesel::Timestamp::from(before)));
        self.0.run(diesel::delete(over).execute(&mut self.0.raw())).await.map(drop)
    }

    /// Forgets a key by which nothing was signed that could still be valid.
    pub async fn delete(&self, kid: &str) -> Result<(), DbError> {
        let statement = diesel::delete(signing_keys::table.find(kid));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}
