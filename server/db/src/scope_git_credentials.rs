//! Credentials of Git hosts of whatever is around workspaces. Nothing here can decrypt.

use berth_schema::git::GitHost;
use berth_schema::scope::{Scope, ScopeId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::error::DbError;
use crate::git_credentials::{GitCredentialRow, RawGitCredential, columns, values};
use crate::schema::scope_git_credentials;
use crate::scope::OrganizationConn;

/// The Git hosts of one scope.
#[derive(Debug)]
pub struct ScopeGitCredentials<'a> {
    conn: &'a OrganizationConn<'a>,
    scope: ScopeId,
}

impl<'a> ScopeGitCredentials<'a> {
    pub(crate) const fn new(conn: &'a OrganizationConn<'a>, scope: ScopeId) -> Self {
        Self { conn, scope }
    }

    /// All of them that this version can read, by host. One that it cannot is missing from what is bound into the
    /// scope's key, and is noticed by that.
    pub async fn list(&self) -> Result<Vec<GitCredentialRow>, DbError> {
        let Some(id) = self.scope.id() else { return self.conn.git_credentials().list().await };
        let query = scope_git_credentials::table
            .filter(scope_git_credentials::organization_id.eq(self.conn.key()))
            .filter(scope_git_credentials::scope.eq(self.scope.scope().as_str()))
            .filter(scope_git_credentials::scope_id.eq(id))
            .order(scope_git_credentials::host)
            .select(columns!(scope_git_credentials));
        let rows: Vec<RawGitCredential> = self.conn.run(query.load(&mut self.conn.raw())).await?;
        Ok(rows.into_iter().filter_map(RawGitCredential::read).collect())
    }

    /// Stores a credential in place of the host's one before.
    pub async fn put(&self, row: &GitCredentialRow) -> Result<(), DbError> {
        use scope_git_credentials::dsl;
        let Some(id) = self.scope.id() else { return self.conn.git_credentials().put(row).await };
        let values = values!(scope_git_credentials, row);
        let key = (
            dsl::organization_id.eq(self.conn.key()),
            dsl::scope.eq(self.scope.scope().as_str()),
            dsl::scope_id.eq(id),
            dsl::host.eq(row.host.as_str()),
        );
        let statement = diesel::insert_into(dsl::scope_git_credentials)
            .values((key, values))
            .on_conflict((dsl::organization_id, dsl::scope, dsl::scope_id, dsl::host))
            .do_update()
            .set(values);
        self.conn.run(statement.execute(&mut self.conn.raw())).await.map(drop)
    }

    /// The deleted row, if there was one.
    pub async fn delete(&self, host: &GitHost) -> Result<Option<GitCredentialRow>, DbError> {
        let Some(id) = self.scope.id() else { return self.conn.git_credentials().delete(host).await };
        let key = (self.conn.key(), self.scope.scope().as_str(), id, host.as_str());
        let statement =
            diesel::delete(scope_git_credentials::table.find(key)).returning(columns!(scope_git_credentials));
        let row: Option<RawGitCredential> =
            self.conn.run_optional(statement.get_result(&mut self.conn.raw())).await?;
        Ok(row.and_then(RawGitCredential::read))
    }
}

impl OrganizationConn<'_> {
    /// Whether any group or project has Git hosts of its own.
    pub async fn has_git_credentials_in_tree(&self) -> Result<bool, DbError> {
        let query = scope_git_credentials::table
            .filter(scope_git_credentials::organization_id.eq(self.key()))
            .filter(scope_git_credentials::scope.eq_any([Scope::Group.as_str(), Scope::Project.as_str()]))
            .select(scope_git_credentials::scope_id)
            .limit(1);
        let found: Vec<Uuid> = self.run(query.load(&mut self.raw())).await?;
        Ok(!found.is_empty())
    }
}
