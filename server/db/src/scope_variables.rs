//! Encrypted variables of what is around workspaces: of the organisation, its groups and projects, and its members. Nothing here
//! can decrypt.

use berth_schema::scope::ScopeId;
use berth_schema::variables::VariableKind;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{Bytes, Parsed};
use crate::error::DbError;
use crate::schema::{organizations, scope_data_keys, scope_variables};
use crate::scope::OrganizationConn;
use crate::variables::DataKey;

/// A variable of a scope, encrypted under the scope's data key.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = scope_variables)]
pub struct ScopeVariableRow {
    #[diesel(deserialize_as = Parsed<VariableKind>)]
    pub kind: VariableKind,
    pub name: String,
    pub data_key_id: Uuid,
    /// Bound into the ciphertext; +1 when the value is replaced, from 1.
    pub version: i64,
    #[diesel(deserialize_as = Bytes<12>)]
    pub nonce: [u8; 12],
    /// Ciphertext and tag.
    pub ciphertext: Vec<u8>,
    pub is_final: bool,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub updated_at: Timestamp,
}

impl std::fmt::Debug for ScopeVariableRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScopeVariableRow")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// The variables of one scope of the organisation.
#[derive(Debug)]
pub struct ScopeVariables<'a> {
    conn: &'a OrganizationConn<'a>,
    scope: ScopeId,
    /// Where the scope is the organisation itself, its own.
    id: Uuid,
}

impl<'a> ScopeVariables<'a> {
    pub(crate) fn new(conn: &'a OrganizationConn<'a>, scope: ScopeId) -> Self {
        Self { conn, scope, id: scope.id().unwrap_or_else(|| conn.key()) }
    }

    const fn kind(&self) -> &'static str {
        self.scope.scope().as_str()
    }

    /// The scope's data key; `None` before its first variable.
    pub async fn data_key(&self) -> Result<Option<DataKey>, DbError> {
        use scope_data_keys::dsl;
        let query = dsl::scope_data_keys
            .filter(dsl::organization_id.eq(self.conn.key()))
            .filter(dsl::scope.eq(self.kind()))
            .filter(dsl::scope_id.eq(self.id))
            .select((dsl::id, dsl::kek_id, dsl::salt, dsl::wrapped_key, dsl::commitment, dsl::contents));
        self.conn.run_optional(query.get_result(&mut self.conn.raw())).await
    }

    /// Stores the scope's data key unless somebody was first; says whether it did.
    pub async fn insert_data_key(&self, key: &DataKey, now: Timestamp) -> Result<bool, DbError> {
        use scope_data_keys::dsl;
        if self.scope.is_organization() {
            // Before the key: whoever changes Git credentials locks the organisation first.
            let noted = diesel::update(organizations::table.find(self.conn.key()))
                .set(organizations::sealed.eq(true));
            self.conn.run(noted.execute(&mut self.conn.raw())).await?;
        } else {
            self.conn.sealed_scopes().note(self.scope, now).await?;
        }
        let statement = diesel::insert_into(dsl::scope_data_keys)
            .values((
                dsl::organization_id.eq(self.conn.key()),
                dsl::scope.eq(self.kind()),
                dsl::scope_id.eq(self.id),
                dsl::id.eq(key.id),
                dsl::kek_id.eq(&key.kek_id),
                dsl::salt.eq(key.salt.as_slice()),
                dsl::wrapped_key.eq(&key.wrapped_key),
                dsl::commitment.eq(key.commitment.as_slice()),
                dsl::created_at.eq(jiff_diesel::Timestamp::from(now)),
                dsl::contents.eq(&key.contents),
            ))
            .on_conflict_do_nothing();
        Ok(self.conn.run(statement.execute(&mut self.conn.raw())).await? > 0)
    }

    /// Whether the scope ever had a data key.
    pub async fn was_sealed(&self) -> Result<bool, DbError> {
        if !self.scope.is_organization() {
            return Ok(!self.conn.sealed_scopes().among(&[self.scope]).await?.is_empty());
        }
        let query = organizations::table.find(self.conn.key()).select(organizations::sealed);
        self.conn.run(query.get_result(&mut self.conn.raw())).await
    }

    /// All of them, by kind and name.
    pub async fn list(&self) -> Result<Vec<ScopeVariableRow>, DbError> {
        use scope_variables::dsl;
        let query = dsl::scope_variables
            .filter(dsl::organization_id.eq(self.conn.key()))
            .filter(dsl::scope.eq(self.kind()))
            .filter(dsl::scope_id.eq(self.id))
            .order((dsl::kind, dsl::name))
            .select(ScopeVariableRow::as_select());
        self.conn.run(query.load(&mut self.conn.raw())).await
    }

    /// Locks the scope's key, so that versions are given one after the other.
    pub async fn lock(&self) -> Result<(), DbError> {
        use scope_data_keys::dsl;
        let query = dsl::scope_data_keys
            .filter(dsl::organization_id.eq(self.conn.key()))
            .filter(dsl::scope.eq(self.kind()))
            .filter(dsl::scope_id.eq(self.id))
            .select(dsl::id)
            .for_no_key_update();
        let _: Vec<Uuid> = self.conn.run(query.load(&mut self.conn.raw())).await?;
        Ok(())
    }

    /// Stores a variable in place of the one of its kind and name.
    pub async fn put(&self, row: &ScopeVariableRow) -> Result<(), DbError> {
        use scope_variables::dsl;
        let updated_at = jiff_diesel::Timestamp::from(row.updated_at);
        let statement = diesel::insert_into(dsl::scope_variables)
            .values((
                dsl::organization_id.eq(self.conn.key()),
                dsl::scope.eq(self.kind()),
                dsl::scope_id.eq(self.id),
                dsl::kind.eq(row.kind.as_str()),
                dsl::name.eq(&row.name),
                dsl::data_key_id.eq(row.data_key_id),
                dsl::version.eq(row.version),
                dsl::nonce.eq(row.nonce.as_slice()),
                dsl::ciphertext.eq(&row.ciphertext),
                dsl::is_final.eq(row.is_final),
                dsl::updated_at.eq(updated_at),
            ))
            .on_conflict((dsl::organization_id, dsl::scope, dsl::scope_id, dsl::kind, dsl::name))
            .do_update()
            .set((
                dsl::data_key_id.eq(row.data_key_id),
                dsl::version.eq(row.version),
                dsl::nonce.eq(row.nonce.as_slice()),
                dsl::ciphertext.eq(&row.ciphertext),
                dsl::is_final.eq(row.is_final),
                dsl::updated_at.eq(updated_at),
            ));
        self.conn.run(statement.execute(&mut self.conn.raw())).await?;
        Ok(())
    }

    /// The deleted row, if there was one.
    pub async fn delete(&self, kind: VariableKind, name: &str) -> Result<Option<ScopeVariableRow>, DbError> {
        use scope_variables::dsl;
        let statement = diesel::delete(dsl::scope_variables)
            .filter(dsl::organization_id.eq(self.conn.key()))
            .filter(dsl::scope.eq(self.kind()))
            .filter(dsl::scope_id.eq(self.id))
            .filter(dsl::kind.eq(kind.as_str()))
            .filter(dsl::name.eq(name))
            .returning(ScopeVariableRow::as_returning());
        self.conn.run_optional(statement.get_result(&mut self.conn.raw())).await
    }
}
