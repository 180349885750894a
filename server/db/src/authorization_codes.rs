//! Codes that a browser hands to a command line of the same machine.

use berth_schema::{AuthorizationCodeId, SessionId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{Bytes, SecretHash};
use crate::error::DbError;
use crate::schema::authorization_codes;
use crate::scope::OrganizationConn;
use crate::shown::shown;

/// What is stored of a new code.
#[derive(Clone, Debug)]
pub struct NewAuthorizationCode {
    pub id: AuthorizationCodeId,
    /// SHA-256 of the whole code.
    pub secret_hash: SecretHash,
    /// SHA-256 of what the command line keeps for itself, in base64 (RFC 7636, S256).
    pub challenge: String,
    pub redirect_uri: String,
    pub device_name: String,
    /// How the person has signed in, and when.
    pub method: String,
    pub authenticated_at: Timestamp,
    /// By which session.
    pub proved_by: SessionId,
    pub expires_at: Timestamp,
}

/// A row of `authorization_codes`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = authorization_codes)]
pub struct AuthorizationCodeRow {
    #[diesel(deserialize_as = Bytes<32>)]
    pub secret_hash: SecretHash,
    pub challenge: String,
    pub redirect_uri: String,
    pub device_name: String,
    pub method: String,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub authenticated_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub expires_at: Timestamp,
    /// What it was exchanged for.
    pub session_id: Option<Uuid>,
    /// The session that has let it in; `None`: a version before has stored it.
    pub proved_by: Option<Uuid>,
}

/// The account's codes.
#[derive(Debug)]
pub struct AuthorizationCodes<'a>(pub(crate) &'a OrganizationConn<'a>);

impl AuthorizationCodes<'_> {
    /// Stores one and forgets those that are over.
    pub async fn insert(&self, code: &NewAuthorizationCode, now: Timestamp) -> Result<(), DbError> {
        let now = jiff_diesel::Timestamp::from(now);
        let over = diesel::delete(authorization_codes::table)
            .filter(authorization_codes::account_id.eq(self.0.account_key()))
            .filter(authorization_codes::expires_at.le(now));
        self.0.run(over.execute(&mut self.0.raw())).await?;
        let statement = diesel::insert_into(authorization_codes::table).values((
            authorization_codes::account_id.eq(self.0.account_key()),
            authorization_codes::id.eq(code.id.as_uuid()),
            authorization_codes::secret_hash.eq(code.secret_hash.as_slice()),
            authorization_codes::challenge.eq(&code.challenge),
            authorization_codes::redirect_uri.eq(&code.redirect_uri),
            authorization_codes::device_name.eq(&code.device_name),
            authorization_codes::method.eq(&code.method),
            authorization_codes::authenticated_at.eq(jiff_diesel::Timestamp::from(code.authenticated_at)),
            authorization_codes::proved_by.eq(code.proved_by.as_uuid()),
            authorization_codes::created_at.eq(now),
            authorization_codes::expires_at.eq(jiff_diesel::Timestamp::from(code.expires_at)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// The code of that id whose secret's hash is shown, valid or not, locked. See `shown.rs`.
    pub async fn find_shown(
        &self,
        id: AuthorizationCodeId,
        hash: &SecretHash,
    ) -> Result<Option<AuthorizationCodeRow>, DbError> {
        let query = authorization_codes::table
            .find((self.0.account_key(), id.as_uuid()))
            .filter(shown!(authorization_codes, hash))
            .select(AuthorizationCodeRow::as_select())
            .for_update();
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The session by which somebody allowed it, of the code of that id whose secret's hash is shown, unless it is exchanged. See `shown.rs`.
    pub async fn proved_by(
        &self,
        id: AuthorizationCodeId,
        hash: &SecretHash,
    ) -> Result<Option<SessionId>, DbError> {
        let query = authorization_codes::table
            .find((self.0.account_key(), id.as_uuid()))
            .filter(shown!(authorization_codes, hash))
            .filter(authorization_codes::session_id.is_null())
            .select(authorization_codes::proved_by);
        let found: Option<Option<Uuid>> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(found.flatten().map(SessionId::from))
    }

    /// Remembers what it was exchanged for.
    pub async fn exchanged(&self, id: AuthorizationCodeId, session: SessionId) -> Result<(), DbError> {
        let row = authorization_codes::table.find((self.0.account_key(), id.as_uuid()));
        let statement = diesel::update(row).set(authorization_codes::session_id.eq(session.as_uuid()));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}
