//! Public keys that people have registered, to be let in by plain `ssh`.

use berth_schema::{SessionId, SshKeyId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::DbError;
use crate::schema::{sessions, ssh_keys};
use crate::scope::OrganizationConn;
use crate::sessions::SessionRow;

/// What is stored of a new one.
#[derive(Clone, Debug)]
pub struct NewSshKey {
    pub id: SshKeyId,
    /// Which opens what the key opens, for as long as it goes on.
    pub session: SessionId,
    /// 1 to 100 characters.
    pub name: String,
    /// As SSH sends it, at most 8192 bytes.
    pub public_key: Vec<u8>,
    /// `SHA256:…`
    pub fingerprint: String,
}

/// A row of `ssh_keys`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = ssh_keys)]
pub struct SshKeyRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: SshKeyId,
    pub name: String,
    pub public_key: Vec<u8>,
    pub fingerprint: String,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
}

/// The account's registered keys.
#[derive(Debug)]
pub struct SshKeys<'a>(pub(crate) &'a OrganizationConn<'a>);

impl SshKeys<'_> {
    /// # Errors
    /// Of the constraint [`crate::constraints::SSH_KEY`] where the account has it already.
    pub async fn insert(&self, new: &NewSshKey, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::insert_into(ssh_keys::table).values((
            ssh_keys::account_id.eq(self.0.account_key()),
            ssh_keys::id.eq(new.id.as_uuid()),
            ssh_keys::session_id.eq(new.session.as_uuid()),
            ssh_keys::name.eq(&new.name),
            ssh_keys::public_key.eq(&new.public_key),
            ssh_keys::fingerprint.eq(&new.fingerprint),
            ssh_keys::created_at.eq(jiff_diesel::Timestamp::from(now)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// All of them with their sessions, ended or not, the oldest first: there are few.
    pub async fn list(&self) -> Result<Vec<(SshKeyRow, SessionRow)>, DbError> {
        let query =
            ssh_keys::table
                .inner_join(sessions::table.on(
                    sessions::account_id.eq(ssh_keys::account_id).and(sessions::id.eq(ssh_keys::session_id)),
                ))
                .filter(ssh_keys::account_id.eq(self.0.account_key()))
                .order((ssh_keys::created_at, ssh_keys::id))
                .select((SshKeyRow::as_select(), SessionRow::as_select()));
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// The one of that fingerprint, and its session.
    pub async fn find(&self, fingerprint: &str) -> Result<Option<(SshKeyId, SessionId)>, DbError> {
        let query = ssh_keys::table
            .filter(ssh_keys::account_id.eq(self.0.account_key()))
            .filter(ssh_keys::fingerprint.eq(fingerprint))
            .select((ssh_keys::id, ssh_keys::session_id));
        let found: Option<(Uuid, Uuid)> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(found.map(|(key, session)| (key.into(), session.into())))
    }

    /// Forgets those. Their sessions stay.
    pub async fn remove(&self, ids: &[SshKeyId]) -> Result<(), DbError> {
        let ids: Vec<_> = ids.iter().map(|id| *id.as_uuid()).collect();
        let statement = diesel::delete(ssh_keys::table)
            .filter(ssh_keys::account_id.eq(self.0.account_key()))
            .filter(ssh_keys::id.eq_any(ids));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}
