//! Passkeys of people.

use berth_schema::PasskeyId;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::DbError;
use crate::schema::passkeys;
use crate::scope::OrganizationConn;

/// What is stored of a new one.
#[derive(Clone, Debug)]
pub struct NewPasskey {
    pub id: PasskeyId,
    /// 1 to 100 characters.
    pub name: String,
    /// The authenticator's own id of it.
    pub credential: Vec<u8>,
    pub public_key: Vec<u8>,
    pub counter: u32,
}

/// A row of `passkeys`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = passkeys)]
pub struct PasskeyRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: PasskeyId,
    pub name: String,
    pub credential: Vec<u8>,
    pub public_key: Vec<u8>,
    pub counter: i64,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub last_used_at: Option<Timestamp>,
}

/// The account's passkeys.
#[derive(Debug)]
pub struct Passkeys<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Passkeys<'_> {
    /// # Errors
    /// Of the constraint [`crate::constraints::PASSKEY`] where the authenticator's one is known already, whosever it is.
    pub async fn insert(&self, new: &NewPasskey, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::insert_into(passkeys::table).values((
            passkeys::account_id.eq(self.0.account_key()),
            passkeys::id.eq(new.id.as_uuid()),
            passkeys::name.eq(&new.name),
            passkeys::credential.eq(&new.credential),
            passkeys::public_key.eq(&new.public_key),
            passkeys::counter.eq(i64::from(new.counter)),
            passkeys::created_at.eq(jiff_diesel::Timestamp::from(now)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// All of them, the oldest first: there are few.
    pub async fn list(&self) -> Result<Vec<PasskeyRow>, DbError> {
        let query = passkeys::table
            .filter(passkeys::account_id.eq(self.0.account_key()))
            .order((passkeys::created_at, passkeys::id))
            .select(PasskeyRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// The one that an authenticator calls so, locked: it is used once at a time.
    pub async fn find_locked(&self, credential: &[u8]) -> Result<Option<PasskeyRow>, DbError> {
        let query = passkeys::table
            .filter(passkeys::account_id.eq(self.0.account_key()))
            .filter(passkeys::credential.eq(credential))
            .select(PasskeyRow::as_select())
            .for_no_key_update();
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// It was used, and counts on from there.
    pub async fn used(&self, id: PasskeyId, counter: u32, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::update(passkeys::table.find((self.0.account_key(), id.as_uuid()))).set((
            passkeys::counter.eq(i64::from(counter)),
            passkeys::last_used_at.eq(jiff_diesel::Timestamp::from(now)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// `false`: there is none of that id.
    pub async fn remove(&self, id: PasskeyId) -> Result<bool, DbError> {
        let statement = diesel::delete(passkeys::table.find((self.0.account_key(), id.as_uuid())));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }
}
