//! Credentials of Git hosts. Nothing here can decrypt.

use berth_schema::AgentId;
use berth_schema::git::GitHost;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{Parsed, Tried};
use crate::error::DbError;
use crate::schema::{agents, git_credentials, organizations};
use crate::scope::OrganizationConn;

/// A row of `git_credentials`: an audience, or an encrypted token.
#[derive(Clone, PartialEq, Eq)]
pub struct GitCredentialRow {
    pub host: GitHost,
    /// For `http://` instead of `https://`.
    pub plain_http: bool,
    pub username: String,
    pub audience: Option<String>,
    pub data_key_id: Option<Uuid>,
    /// Bound into the ciphertext: what [`GitCredentials::change`] gave.
    pub version: i64,
    pub nonce: Option<Vec<u8>>,
    /// Ciphertext and tag.
    pub ciphertext: Option<Vec<u8>>,
    pub updated_at: Timestamp,
}

/// The columns of a table that has such rows.
macro_rules! columns {
    ($table:ident) => {
        (
            $table::host,
            $table::plain_http,
            $table::username,
            $table::audience,
            $table::data_key_id,
            $table::version,
            $table::nonce,
            $table::ciphertext,
            $table::updated_at,
        )
    };
}
pub(crate) use columns;

/// What a row is set to, but for its key.
macro_rules! values {
    ($table:ident, $row:expr) => {
        (
            $table::plain_http.eq($row.plain_http),
            $table::username.eq(&$row.username),
            $table::audience.eq(&$row.audience),
            $table::data_key_id.eq($row.data_key_id),
            $table::version.eq($row.version),
            $table::nonce.eq(&$row.nonce),
            $table::ciphertext.eq(&$row.ciphertext),
            $table::updated_at.eq(jiff_diesel::Timestamp::from($row.updated_at)),
        )
    };
}
pub(crate) use values;

/// [`columns`], each by itself.
#[derive(Queryable)]
pub(crate) struct RawGitCredential {
    host: Tried<Parsed<GitHost>>,
    plain_http: bool,
    username: String,
    audience: Option<String>,
    data_key_id: Option<Uuid>,
    version: i64,
    nonce: Option<Vec<u8>>,
    ciphertext: Option<Vec<u8>>,
    updated_at: jiff_diesel::Timestamp,
}

impl RawGitCredential {
    /// `None`: this version cannot read which host it is for.
    pub(crate) fn read(self) -> Option<GitCredentialRow> {
        Some(GitCredentialRow {
            host: self.host.read()?,
            plain_http: self.plain_http,
            username: self.username,
            audience: self.audience,
            data_key_id: self.data_key_id,
            version: self.version,
            nonce: self.nonce,
            ciphertext: self.ciphertext,
            updated_at: self.updated_at.into(),
        })
    }
}

impl std::fmt::Debug for GitCredentialRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitCredentialRow").field("host", &self.host).finish_non_exhaustive()
    }
}

/// [`GitCredentials::version`] as an expression beside a row of `agents`, so that an agent's round costs no statement more.
#[derive(Clone, Copy, Debug, QueryId, ValidGrouping)]
pub(crate) struct GitVersion;

impl Expression for GitVersion {
    type SqlType = BigInt;
}

impl<Source> SelectableExpression<Source> for GitVersion {}
impl<Source> AppearsOnTable<Source> for GitVersion {}

impl QueryFragment<Pg> for GitVersion {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(SELECT o.git_version FROM organizations o WHERE o.id = agents.organization_id)");
        Ok(())
    }
}

/// The organisation's Git hosts.
#[derive(Debug)]
pub struct GitCredentials<'a>(pub(crate) &'a OrganizationConn<'a>);

impl GitCredentials<'_> {
    /// All of them that this version can read, by host. One that it cannot is missing from what is bound into the
    /// organisation's key, and is noticed by that.
    pub async fn list(&self) -> Result<Vec<GitCredentialRow>, DbError> {
        let query = git_credentials::table
            .filter(git_credentials::organization_id.eq(self.0.key()))
            .order(git_credentials::host)
            .select(columns!(git_credentials));
        let rows: Vec<RawGitCredential> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.into_iter().filter_map(RawGitCredential::read).collect())
    }

    /// The version of the list; 0: there never was a host.
    pub async fn version(&self) -> Result<i64, DbError> {
        let query = organizations::table.find(self.0.key()).select(organizations::git_version);
        self.0.run(query.get_result(&mut self.0.raw())).await
    }

    /// Begins a change: the list's next version. Others wait for the end of the transaction. Every agent of the
    /// organisation is woken by it.
    pub async fn change(&self) -> Result<i64, DbError> {
        let statement = diesel::update(organizations::table.find(self.0.key()))
            .set(organizations::git_version.eq(organizations::git_version + 1))
            .returning(organizations::git_version);
        let version = self.0.run(statement.get_result(&mut self.0.raw())).await?;
        let query = agents::table
            .filter(agents::organization_id.eq(self.0.key()))
            .filter(agents::revoked_at.is_null())
            .select(agents::id);
        let agents: Vec<Uuid> = self.0.run(query.load(&mut self.0.raw())).await?;
        for agent in agents {
            self.0.notifications().notify_agent(AgentId::from(agent)).await?;
        }
        Ok(version)
    }

    /// Stores a credential in place of the host's one before.
    pub async fn put(&self, row: &GitCredentialRow) -> Result<(), DbError> {
        use git_credentials::dsl;
        let values = values!(git_credentials, row);
        let key = (dsl::organization_id.eq(self.0.key()), dsl::host.eq(row.host.as_str()));
        let statement = diesel::insert_into(dsl::git_credentials)
            .values((key, values))
            .on_conflict((dsl::organization_id, dsl::host))
            .do_update()
            .set(values);
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(())
    }

    /// The deleted row, if there was one.
    pub async fn delete(&self, host: &GitHost) -> Result<Option<GitCredentialRow>, DbError> {
        let statement = diesel::delete(git_credentials::table.find((self.0.key(), host.as_str())))
            .returning(columns!(git_credentials));
        let row: Option<RawGitCredential> =
            self.0.run_optional(statement.get_result(&mut self.0.raw())).await?;
        Ok(row.and_then(RawGitCredential::read))
    }
}
