//! Which groups, projects and members ever had a data key. What is under a key ends with the thing that it belongs to; a key that is
//! gone before that is noticed.

use std::collections::BTreeSet;

use berth_schema::SubjectId;
use berth_schema::scope::{Scope, ScopeId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::Parsed;
use crate::error::DbError;
use crate::schema::sealed_scopes::dsl;
use crate::scope::OrganizationConn;

/// The organisation's scopes that have something sealed, but for the organisation itself.
#[derive(Debug)]
pub struct SealedScopes<'a>(pub(crate) &'a OrganizationConn<'a>);

impl SealedScopes<'_> {
    /// All of them.
    pub async fn list(&self) -> Result<Vec<ScopeId>, DbError> {
        let query = dsl::sealed_scopes
            .filter(dsl::organization_id.eq(self.0.key()))
            .order((dsl::scope, dsl::scope_id))
            .select((dsl::scope, dsl::scope_id));
        let rows: Vec<(Parsed<Scope>, Uuid)> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.into_iter().filter_map(|(scope, id)| ScopeId::of(scope.into_inner(), id)).collect())
    }

    /// Those of them that are asked for.
    pub async fn among(&self, scopes: &[ScopeId]) -> Result<BTreeSet<ScopeId>, DbError> {
        let ids: Vec<Uuid> = scopes.iter().filter_map(|scope| scope.id()).collect();
        let query = dsl::sealed_scopes
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::scope_id.eq_any(ids))
            .select((dsl::scope, dsl::scope_id));
        let rows: Vec<(Parsed<Scope>, Uuid)> = self.0.run(query.load(&mut self.0.raw())).await?;
        let found = rows.into_iter().filter_map(|(scope, id)| ScopeId::of(scope.into_inner(), id));
        Ok(found.filter(|scope| scopes.contains(scope)).collect())
    }

    /// From now on it has.
    pub(crate) async fn note(&self, scope: ScopeId, now: Timestamp) -> Result<(), DbError> {
        let Some(id) = scope.id() else { return Ok(()) };
        let statement = diesel::insert_into(dsl::sealed_scopes)
            .values((
                dsl::organization_id.eq(self.0.key()),
                dsl::scope.eq(scope.scope().as_str()),
                dsl::scope_id.eq(id),
                dsl::created_at.eq(jiff_diesel::Timestamp::from(now)),
            ))
            .on_conflict_do_nothing();
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Destroys the key of somebody who was removed, and all that is under it; says whether there was one. Of anything else it is
    /// refused: that ends with its own row.
    pub async fn forget_user(&self, user: SubjectId) -> Result<bool, DbError> {
        let statement = diesel::delete(dsl::sealed_scopes)
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::scope.eq(Scope::User.as_str()))
            .filter(dsl::scope_id.eq(user.as_uuid()));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }
}
