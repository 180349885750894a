//! Command lines that ask to be let in by somebody at a browser elsewhere.

use berth_schema::{AccountId, SessionId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::SecretHash;
use crate::error::DbError;
use crate::schema::device_requests;
use crate::scope::OrganizationConn;

/// What is stored of a new request.
#[derive(Clone, Debug)]
pub struct NewDeviceRequest {
    /// SHA-256 of the code that the command line asks by.
    pub secret_hash: SecretHash,
    /// What the person types.
    pub user_code: String,
    pub device_name: String,
    pub address: Option<String>,
    pub expires_at: Timestamp,
    pub interval_seconds: i32,
}

/// A row of `device_requests`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = device_requests)]
pub struct DeviceRequestRow {
    pub user_code: String,
    pub device_name: String,
    pub address: Option<String>,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub expires_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub polled_at: Option<Timestamp>,
    pub interval_seconds: i32,
    /// Who decided.
    pub account_id: Option<Uuid>,
    /// How they had signed in, and when.
    pub method: Option<String>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub authenticated_at: Option<Timestamp>,
    /// `None`: nobody has decided yet.
    pub is_allowed: Option<bool>,
    /// By which session.
    pub proved_by: Option<Uuid>,
}

/// The installation's requests. Only a transaction of [`crate::Reach::installation`] sees any.
#[derive(Debug)]
pub struct DeviceRequests<'a>(pub(crate) &'a OrganizationConn<'a>);

impl DeviceRequests<'_> {
    /// Stores one and forgets those that are over. `false`, and nothing is stored: there are `most` already, or `most_of_one` from
    /// its address.
    pub async fn insert(
        &self,
        request: &NewDeviceRequest,
        (most, most_of_one): (i64, i64),
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let now = jiff_diesel::Timestamp::from(now);
        let over = diesel::delete(device_requests::table).filter(device_requests::expires_at.le(now));
        self.0.run(over.execute(&mut self.0.raw())).await?;
        let all: i64 = self.0.run(device_requests::table.count().get_result(&mut self.0.raw())).await?;
        let of_one = device_requests::table
            .filter(device_requests::address.is_not_distinct_from(&request.address))
            .count();
        let of_one: i64 = self.0.run(of_one.get_result(&mut self.0.raw())).await?;
        if all >= most || of_one >= most_of_one {
            return Ok(false);
        }
        let statement = diesel::insert_into(device_requests::table).values((
            device_requests::secret_hash.eq(request.secret_hash.as_slice()),
            device_requests::user_code.eq(&request.user_code),
            device_requests::device_name.eq(&request.device_name),
            device_requests::address.eq(&request.address),
            device_requests::created_at.eq(now),
            device_requests::expires_at.eq(jiff_diesel::Timestamp::from(request.expires_at)),
            device_requests::interval_seconds.eq(request.interval_seconds),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(|_| true)
    }

    /// By the code that the command line has, locked.
    pub async fn find(&self, hash: &SecretHash) -> Result<Option<DeviceRequestRow>, DbError> {
        let query =
            device_requests::table.find(hash.as_slice()).select(DeviceRequestRow::as_select()).for_update();
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// By the code that the person has, locked.
    pub async fn find_by_user_code(&self, code: &str) -> Result<Option<DeviceRequestRow>, DbError> {
        let query = device_requests::table
            .filter(device_requests::user_code.eq(code))
            .select(DeviceRequestRow::as_select())
            .for_update();
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The command line has asked, and is to leave so much time from now on.
    pub async fn polled(
        &self,
        hash: &SecretHash,
        interval_seconds: i32,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let statement = diesel::update(device_requests::table.find(hash.as_slice())).set((
            device_requests::polled_at.eq(jiff_diesel::Timestamp::from(now)),
            device_requests::interval_seconds.eq(interval_seconds),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Of several who decide, one does: `true`.
    pub async fn decide(
        &self,
        user_code: &str,
        (account, session): (AccountId, SessionId),
        (method, authenticated_at): (&str, Timestamp),
        is_allowed: bool,
    ) -> Result<bool, DbError> {
        let statement = diesel::update(device_requests::table)
            .filter(device_requests::user_code.eq(user_code))
            .filter(device_requests::is_allowed.is_null())
            .set((
                device_requests::account_id.eq(account.as_uuid()),
                device_requests::method.eq(method),
                device_requests::authenticated_at.eq(jiff_diesel::Timestamp::from(authenticated_at)),
                device_requests::is_allowed.eq(is_allowed),
                device_requests::proved_by.eq(session.as_uuid()),
            ));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }

    /// Of several who take it, one does: `true`.
    pub async fn take(&self, hash: &SecretHash) -> Result<bool, DbError> {
        let statement = diesel::delete(device_requests::table.find(hash.as_slice()));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }
}
