//! Encrypted variables and the wrapped keys they are under. Nothing here can decrypt.

use std::collections::BTreeMap;
use std::fmt;

use berth_schema::scope::Scope;
use berth_schema::variables::VariableKind;
use berth_schema::{AgentId, WorkspaceId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures::future::try_join3;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{Bytes, NullableParsed, Parsed, Tried};
use crate::error::DbError;
use crate::schema::{workspace_data_keys, workspace_variables, workspaces};
use crate::scope::OrganizationConn;

/// A workspace's data key, wrapped by the key-encryption key `kek_id`.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = workspace_data_keys)]
pub struct DataKey {
    pub id: Uuid,
    pub kek_id: String,
    /// Of the derivation of the wrapping key, which is used once.
    #[diesel(deserialize_as = Bytes<32>)]
    pub salt: [u8; 32],
    /// Ciphertext and tag.
    pub wrapped_key: Vec<u8>,
    /// Tells, before anything is decrypted, whether the unwrapped key is the one that was wrapped.
    #[diesel(deserialize_as = Bytes<32>)]
    pub commitment: [u8; 32],
    /// What is under it, bound into `wrapped_key`; `None`: it was wrapped before that was done.
    pub contents: Option<Vec<u8>>,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("id", &self.id).field("kek_id", &self.kek_id).finish_non_exhaustive()
    }
}

/// A variable, encrypted under the data key `data_key_id`.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedVariable {
    pub kind: VariableKind,
    pub name: String,
    pub data_key_id: Uuid,
    /// Bound into the ciphertext; +1 when the value is replaced, from 1.
    pub version: i64,
    pub nonce: [u8; 12],
    /// Ciphertext and tag.
    pub ciphertext: Vec<u8>,
}

/// Its columns, each by itself.
#[derive(Queryable, Selectable)]
#[diesel(table_name = workspace_variables)]
struct RawVariable {
    kind: Tried<Parsed<VariableKind>>,
    name: String,
    data_key_id: Uuid,
    version: i64,
    nonce: Bytes<12>,
    ciphertext: Vec<u8>,
}

impl RawVariable {
    /// `None`: it is of a kind that this version does not know.
    fn read(self) -> Option<SealedVariable> {
        let Self { kind, name, data_key_id, version, nonce, ciphertext } = self;
        let nonce = nonce.into();
        kind.read().map(|kind| SealedVariable { kind, name, data_key_id, version, nonce, ciphertext })
    }
}

impl fmt::Debug for SealedVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedVariable")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Where a value was before the workspace took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub scope: Scope,
    /// Which group, project or user.
    pub id: Option<Uuid>,
    /// What the group or project is called at that moment.
    pub path: Option<String>,
    /// `None`: the workspace's own, whose version is that of the row.
    pub version: Option<i64>,
    pub set_at: Option<Timestamp>,
    pub is_final: bool,
    /// The scope whose value it took the place of.
    pub overrides: Option<Scope>,
}

impl Source {
    /// Given by whose workspace it is, in nobody's place.
    pub const OWN: Self = Self {
        scope: Scope::Workspace,
        id: None,
        path: None,
        version: None,
        set_at: None,
        is_final: false,
        overrides: None,
    };
}

/// Where a workspace's variable comes from.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = workspace_variables)]
pub struct VariableOriginRow {
    #[diesel(deserialize_as = Parsed<VariableKind>)]
    pub kind: VariableKind,
    pub name: String,
    pub version: i64,
    #[diesel(deserialize_as = Parsed<Scope>)]
    pub source: Scope,
    pub source_version: Option<i64>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub source_set_at: Option<Timestamp>,
    pub source_final: bool,
    #[diesel(deserialize_as = NullableParsed<Scope>)]
    pub overrides: Option<Scope>,
    pub source_id: Option<Uuid>,
    pub source_path: Option<String>,
    /// When the workspace took it; `None`: at its creation.
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub taken_at: Option<Timestamp>,
}

impl From<VariableOriginRow> for Source {
    fn from(row: VariableOriginRow) -> Self {
        Self {
            scope: row.source,
            id: row.source_id,
            path: row.source_path,
            version: row.source_version,
            set_at: row.source_set_at,
            is_final: row.source_final,
            overrides: row.overrides,
        }
    }
}

/// Everything needed to decrypt one workspace's variables, but the key-encryption key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedVariables {
    pub keys: Vec<DataKey>,
    pub variables: Vec<SealedVariable>,
    /// How many variables it was made with; `None`: that was not noted.
    pub noted: Option<i32>,
    /// There are others, of which this version does not know what they are.
    pub unreadable: bool,
}

/// Rows with the workspace that each belongs to.
type OfWorkspaces<T> = Vec<(Uuid, T)>;

/// The organisation's variables.
#[derive(Debug)]
pub struct Variables<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Variables<'_> {
    /// Stores a new workspace's data key and variables, in the transaction that stores the workspace.
    pub async fn insert(
        &self,
        agent: AgentId,
        workspace: WorkspaceId,
        key: &DataKey,
        variables: &[(SealedVariable, Source)],
        now: Timestamp,
    ) -> Result<(), DbError> {
        use workspace_data_keys::dsl as keys;
        let statement = diesel::insert_into(keys::workspace_data_keys).values((
            keys::organization_id.eq(self.0.key()),
            keys::agent_id.eq(agent.as_uuid()),
            keys::workspace_id.eq(workspace.as_uuid()),
            keys::id.eq(key.id),
            keys::kek_id.eq(&key.kek_id),
            keys::salt.eq(key.salt.as_slice()),
            keys::wrapped_key.eq(&key.wrapped_key),
            keys::commitment.eq(key.commitment.as_slice()),
            keys::created_at.eq(jiff_diesel::Timestamp::from(now)),
            keys::contents.eq(&key.contents),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        self.insert_variables((agent, workspace), variables, None).await?;
        self.note_sealed(agent, workspace, variables.len()).await
    }

    /// Takes variables from a workspace that has them, and gives it those in their place or beside them. What is bound into their key is the
    /// caller's to store, in the same transaction.
    pub async fn replace(
        &self,
        (agent, workspace): (AgentId, WorkspaceId),
        gone: &[(VariableKind, String)],
        others: &[(SealedVariable, Source)],
        now: Timestamp,
    ) -> Result<(), DbError> {
        for kind in [VariableKind::Environment, VariableKind::File] {
            let of_kind: Vec<_> =
                gone.iter().filter(|(of, _)| *of == kind).map(|(_, name)| name.as_str()).collect();
            if of_kind.is_empty() {
                continue;
            }
            let statement = diesel::delete(workspace_variables::table)
                .filter(workspace_variables::organization_id.eq(self.0.key()))
                .filter(workspace_variables::agent_id.eq(agent.as_uuid()))
                .filter(workspace_variables::workspace_id.eq(workspace.as_uuid()))
                .filter(workspace_variables::kind.eq(kind.as_str()))
                .filter(workspace_variables::name.eq_any(of_kind));
            self.0.run(statement.execute(&mut self.0.raw())).await?;
        }
        self.insert_variables((agent, workspace), others, Some(now)).await
    }

    /// Notes how many variables a workspace has for good, so that it is noticed when all of them are gone.
    pub async fn note_sealed(
        &self,
        agent: AgentId,
        workspace: WorkspaceId,
        variables: usize,
    ) -> Result<(), DbError> {
        let count = i32::try_from(variables).unwrap_or(i32::MAX);
        let row = workspaces::table.find((self.0.key(), *agent.as_uuid(), *workspace.as_uuid()));
        let statement = diesel::update(row).set(workspaces::sealed_variables.eq(count));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(())
    }

    async fn insert_variables(
        &self,
        (agent, workspace): (AgentId, WorkspaceId),
        variables: &[(SealedVariable, Source)],
        taken_at: Option<Timestamp>,
    ) -> Result<(), DbError> {
        use workspace_variables::dsl;
        let rows: Vec<_> = variables
            .iter()
            .map(|(variable, source)| {
                (
                    dsl::organization_id.eq(self.0.key()),
                    dsl::agent_id.eq(agent.as_uuid()),
                    dsl::workspace_id.eq(workspace.as_uuid()),
                    dsl::kind.eq(variable.kind.as_str()),
                    dsl::name.eq(&variable.name),
                    dsl::data_key_id.eq(variable.data_key_id),
                    dsl::version.eq(variable.version),
                    dsl::nonce.eq(variable.nonce.as_slice()),
                    dsl::ciphertext.eq(&variable.ciphertext),
                    dsl::source.eq(source.scope.as_str()),
                    dsl::source_version.eq(source.version),
                    dsl::source_set_at.eq(source.set_at.map(jiff_diesel::Timestamp::from)),
                    dsl::source_final.eq(source.is_final),
                    dsl::overrides.eq(source.overrides.map(Scope::as_str)),
                    dsl::source_id.eq(source.id),
                    dsl::source_path.eq(source.path.as_deref()),
                    dsl::taken_at.eq(taken_at.map(jiff_diesel::Timestamp::from)),
                )
            })
            .collect();
        let statement = diesel::insert_into(dsl::workspace_variables).values(rows);
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(())
    }

    /// Where each of a workspace's variables comes from, by kind and name.
    pub async fn origins(
        &self,
        agent: AgentId,
        workspace: WorkspaceId,
    ) -> Result<Vec<VariableOriginRow>, DbError> {
        let query = workspace_variables::table
            .filter(workspace_variables::organization_id.eq(self.0.key()))
            .filter(workspace_variables::agent_id.eq(agent.as_uuid()))
            .filter(workspace_variables::workspace_id.eq(workspace.as_uuid()))
            .order((workspace_variables::kind, workspace_variables::name))
            .select(VariableOriginRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// The sealed variables of those of `workspaces` that are this agent's, and have any or have had.
    pub async fn load(
        &self,
        agent: AgentId,
        workspaces: &[WorkspaceId],
    ) -> Result<BTreeMap<WorkspaceId, SealedVariables>, DbError> {
        let ids: Vec<Uuid> = workspaces.iter().map(|id| *id.as_uuid()).collect();
        let keys = workspace_data_keys::table
            .filter(workspace_data_keys::organization_id.eq(self.0.key()))
            .filter(workspace_data_keys::agent_id.eq(agent.as_uuid()))
            .filter(workspace_data_keys::workspace_id.eq_any(&ids))
            .select((workspace_data_keys::workspace_id, DataKey::as_select()));
        let variables = workspace_variables::table
            .filter(workspace_variables::organization_id.eq(self.0.key()))
            .filter(workspace_variables::agent_id.eq(agent.as_uuid()))
            .filter(workspace_variables::workspace_id.eq_any(&ids))
            .order((workspace_variables::kind, workspace_variables::name))
            .select((workspace_variables::workspace_id, RawVariable::as_select()));
        let noted = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(agent.as_uuid()))
            .filter(workspaces::id.eq_any(&ids))
            .filter(workspaces::sealed_variables.is_not_null())
            .select((workspaces::id, workspaces::sealed_variables.assume_not_null()));
        let (mut one, mut two, mut three) = (self.0.raw(), self.0.raw(), self.0.raw());
        let (keys, variables, noted): (OfWorkspaces<DataKey>, OfWorkspaces<RawVariable>, OfWorkspaces<i32>) =
            try_join3(
                self.0.run(keys.load(&mut one)),
                self.0.run(variables.load(&mut two)),
                self.0.run(noted.load(&mut three)),
            )
            .await?;
        let mut sealed: BTreeMap<WorkspaceId, SealedVariables> = BTreeMap::new();
        for (workspace, count) in noted {
            sealed.entry(workspace.into()).or_default().noted = Some(count);
        }
        for (workspace, key) in keys {
            sealed.entry(workspace.into()).or_default().keys.push(key);
        }
        for (workspace, variable) in variables {
            let of_workspace = sealed.entry(workspace.into()).or_default();
            match variable.read() {
                Some(variable) => of_workspace.variables.push(variable),
                None => of_workspace.unreadable = true,
            }
        }
        Ok(sealed)
    }
}
