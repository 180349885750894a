//! Credentials of Git hosts. Nothing here can decrypt.

use berth_schema::git::GitHost;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::Parsed;
use crate::error::DbError;
use crate::schema::git_credentials::{self, dsl};
use crate::scope::OrganizationConn;

/// A row of `git_credentials`: an audience, or an encrypted token.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = git_credentials)]
pub struct GitCredentialRow {
    #[diesel(deserialize_as = Parsed<GitHost>)]
    pub host: GitHost,
    pub username: String,
    pub audience: Option<String>,
    pub data_key_id: Option<Uuid>,
    /// Bound into the ciphertext; +1 when the token is replaced, from 1.
    pub version: i64,
    pub nonce: Option<Vec<u8>>,
    /// Ciphertext and tag.
    pub ciphertext: Option<Vec<u8>>,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub updated_at: Timestamp,
}

impl std::fmt::Debug for GitCredentialRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitCredentialRow").field("host", &self.host).finish_non_exhaustive()
    }
}

/// The organisation's Git hosts.
#[derive(Debug)]
pub struct GitCredentials<'a>(pub(crate) &'a OrganizationConn<'a>);

impl GitCredentials<'_> {
    /// All of them, by host.
    pub async fn list(&self) -> Result<Vec<GitCredentialRow>, DbError> {
        let query = dsl::git_credentials
            .filter(dsl::organization_id.eq(self.0.key()))
            .order(dsl::host)
            .select(GitCredentialRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Stores a credential in place of the host's one before.
    pub async fn put(&self, row: &GitCredentialRow) -> Result<(), DbError> {
        let updated_at = jiff_diesel::Timestamp::from(row.updated_at);
        let statement = diesel::insert_into(dsl::git_credentials)
            .values((
                dsl::organization_id.eq(self.0.key()),
                dsl::host.eq(row.host.as_str()),
                dsl::username.eq(&row.username),
                dsl::audience.eq(&row.audience),
                dsl::data_key_id.eq(row.data_key_id),
                dsl::version.eq(row.version),
                dsl::nonce.eq(&row.nonce),
                dsl::ciphertext.eq(&row.ciphertext),
                dsl::updated_at.eq(updated_at),
            ))
            .on_conflict((dsl::organization_id, dsl::host))
            .do_update()
            .set((
                dsl::username.eq(&row.username),
                dsl::audience.eq(&row.audience),
                dsl::data_key_id.eq(row.data_key_id),
                dsl::version.eq(row.version),
                dsl::nonce.eq(&row.nonce),
                dsl::ciphertext.eq(&row.ciphertext),
                dsl::updated_at.eq(updated_at),
            ));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(())
    }

    /// The deleted row, if there was one.
    pub async fn delete(&self, host: &GitHost) -> Result<Option<GitCredentialRow>, DbError> {
        let statement = diesel::delete(dsl::git_credentials.find((self.0.key(), host.as_str())))
            .returning(GitCredentialRow::as_returning());
        self.0.run_optional(statement.get_result(&mut self.0.raw())).await
    }
}
