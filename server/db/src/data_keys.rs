//! Data keys by the generation of the key-encryption key that they are wrapped by, for the job that wraps them anew.

use std::collections::BTreeMap;

use berth_schema::scope::Scope;
use berth_schema::{AgentId, WorkspaceId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::columns::Parsed;
use crate::error::DbError;
use crate::schema::{scope_data_keys, workspace_data_keys};
use crate::scope::OrganizationConn;
use crate::variables::DataKey;

/// Whose a data key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    Workspace { agent: Uuid, workspace: Uuid },
    Scope { scope: Scope, id: Uuid },
}

/// The organisation's data keys, whosever.
#[derive(Debug)]
pub struct DataKeys<'a>(pub(crate) &'a OrganizationConn<'a>);

impl DataKeys<'_> {
    /// How many data keys are wrapped by each generation. A generation that wraps none is not in the map.
    pub async fn by_generation(&self) -> Result<BTreeMap<String, i64>, DbError> {
        let workspaces = workspace_data_keys::table
            .filter(workspace_data_keys::organization_id.eq(self.0.key()))
            .group_by(workspace_data_keys::kek_id)
            .select((workspace_data_keys::kek_id, diesel::dsl::count_star()));
        let scopes = scope_data_keys::table
            .filter(scope_data_keys::organization_id.eq(self.0.key()))
            .group_by(scope_data_keys::kek_id)
            .select((scope_data_keys::kek_id, diesel::dsl::count_star()));
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        let one: Vec<(String, i64)> = self.0.run(workspaces.load(&mut self.0.raw())).await?;
        let two: Vec<(String, i64)> = self.0.run(scopes.load(&mut self.0.raw())).await?;
        for (generation, count) in one.into_iter().chain(two) {
            *counts.entry(generation).or_default() += count;
        }
        Ok(counts)
    }

    /// Workspaces' keys that another generation than `newest` wraps, in the order of their ids from `after` on, at most
    /// `limit`, locked; those that somebody else works on are left to them.
    pub async fn outdated_of_workspaces(
        &self,
        newest: &str,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<(KeyOwner, DataKey)>, DbError> {
        use workspace_data_keys::dsl;
        let query = dsl::workspace_data_keys
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::kek_id.ne(newest))
            .filter(dsl::id.gt(after.unwrap_or_default()))
            .order(dsl::id)
            .limit(limit)
            .select((
                dsl::agent_id,
                dsl::workspace_id,
                (dsl::id, dsl::kek_id, dsl::salt, dsl::wrapped_key, dsl::commitment, dsl::contents),
            ))
            .for_no_key_update()
            .skip_locked();
        let rows: Vec<(Uuid, Uuid, DataKey)> = self.0.run(query.load(&mut self.0.raw())).await?;
        let keys = rows.into_iter();
        Ok(keys.map(|(agent, workspace, key)| (KeyOwner::Workspace { agent, workspace }, key)).collect())
    }

    /// The same of scopes' keys.
    pub async fn outdated_of_scopes(
        &self,
        newest: &str,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<(KeyOwner, DataKey)>, DbError> {
        use scope_data_keys::dsl;
        let query = dsl::scope_data_keys
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::kek_id.ne(newest))
            .filter(dsl::id.gt(after.unwrap_or_default()))
            .order(dsl::id)
            .limit(limit)
            .select((
                dsl::scope,
                dsl::scope_id,
                (dsl::id, dsl::kek_id, dsl::salt, dsl::wrapped_key, dsl::commitment, dsl::contents),
            ))
            .for_no_key_update()
            .skip_locked();
        let rows: Vec<(Parsed<Scope>, Uuid, DataKey)> = self.0.run(query.load(&mut self.0.raw())).await?;
        let keys = rows.into_iter();
        Ok(keys.map(|(scope, id, key)| (KeyOwner::Scope { scope: scope.into_inner(), id }, key)).collect())
    }

    /// Workspaces' keys into which nothing is bound that is under them, in the order of their ids from `after` on, locked.
    pub async fn unbound_of_workspaces(
        &self,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<(AgentId, WorkspaceId, DataKey)>, DbError> {
        use workspace_data_keys::dsl;
        let query = dsl::workspace_data_keys
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::contents.is_null())
            .filter(dsl::id.gt(after.unwrap_or_default()))
            .order(dsl::id)
            .limit(limit)
            .select((
                dsl::agent_id,
                dsl::workspace_id,
                (dsl::id, dsl::kek_id, dsl::salt, dsl::wrapped_key, dsl::commitment, dsl::contents),
            ))
            .for_no_key_update()
            .skip_locked();
        let rows: Vec<(Uuid, Uuid, DataKey)> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.into_iter().map(|(agent, workspace, key)| (agent.into(), workspace.into(), key)).collect())
    }

    /// A few keys that this generation wraps.
    pub async fn samples(&self, generation: &str, limit: i64) -> Result<Vec<(KeyOwner, DataKey)>, DbError> {
        let of_workspaces = {
            use workspace_data_keys::dsl;
            dsl::workspace_data_keys
                .filter(dsl::organization_id.eq(self.0.key()))
                .filter(dsl::kek_id.eq(generation))
                .limit(limit)
                .select((
                    dsl::agent_id,
                    dsl::workspace_id,
                    (dsl::id, dsl::kek_id, dsl::salt, dsl::wrapped_key, dsl::commitment, dsl::contents),
                ))
        };
        let of_scopes = {
            use scope_data_keys::dsl;
            dsl::scope_data_keys
                .filter(dsl::organization_id.eq(self.0.key()))
                .filter(dsl::kek_id.eq(generation))
                .limit(limit)
                .select((
                    dsl::scope,
                    dsl::scope_id,
                    (dsl::id, dsl::kek_id, dsl::salt, dsl::wrapped_key, dsl::commitment, dsl::contents),
                ))
        };
        let of_workspaces: Vec<(Uuid, Uuid, DataKey)> =
            self.0.run(of_workspaces.load(&mut self.0.raw())).await?;
        let of_scopes: Vec<(Parsed<Scope>, Uuid, DataKey)> =
            self.0.run(of_scopes.load(&mut self.0.raw())).await?;
        let of_workspaces = of_workspaces
            .into_iter()
            .map(|(agent, workspace, key)| (KeyOwner::Workspace { agent, workspace }, key));
        let of_scopes = of_scopes
            .into_iter()
            .map(|(scope, id, key)| (KeyOwner::Scope { scope: scope.into_inner(), id }, key));
        Ok(of_workspaces.chain(of_scopes).collect())
    }

    /// Stores how a key is wrapped from now on, and what is bound into that. The key itself, its commitment and every value under
    /// it stay.
    pub async fn rewrap(&self, owner: KeyOwner, key: &DataKey) -> Result<(), DbError> {
        match owner {
            KeyOwner::Workspace { agent, workspace } => {
                use workspace_data_keys::dsl;
                let row = dsl::workspace_data_keys.find((self.0.key(), agent, workspace, key.id));
                let statement = diesel::update(row).set((
                    dsl::kek_id.eq(&key.kek_id),
                    dsl::salt.eq(key.salt.as_slice()),
                    dsl::wrapped_key.eq(&key.wrapped_key),
                    dsl::contents.eq(&key.contents),
                ));
                self.0.run(statement.execute(&mut self.0.raw())).await?;
            }
            KeyOwner::Scope { scope, id } => {
                use scope_data_keys::dsl;
                let row = dsl::scope_data_keys.find((self.0.key(), scope.as_str(), id, key.id));
                let statement = diesel::update(row).set((
                    dsl::kek_id.eq(&key.kek_id),
                    dsl::salt.eq(key.salt.as_slice()),
                    dsl::wrapped_key.eq(&key.wrapped_key),
                    dsl::contents.eq(&key.contents),
                ));
                self.0.run(statement.execute(&mut self.0.raw())).await?;
            }
        }
        Ok(())
    }
}
