//! What agents have in their clusters and the server does not know.

use berth_schema::{AgentId, NamespaceName, TokenId, WorkspaceId, WorkspaceName};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{Parsed, Tried};
use crate::error::DbError;
use crate::schema::orphans;
use crate::scope::OrganizationConn;
use crate::workspaces::{home, stand_in};

/// The most rows of one agent. What it reports beyond them is answered and not stored.
pub const MAX_ORPHANS: i64 = 1_000;

/// A row of `orphans`. A name that this version cannot read has another in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrphanRow {
    pub workspace_id: WorkspaceId,
    pub name: WorkspaceName,
    pub namespace: NamespaceName,
    pub first_seen_at: Timestamp,
    /// When an administrator allowed its removal.
    pub removal_allowed_at: Option<Timestamp>,
}

/// Its columns, each by itself.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = orphans)]
struct RawOrphan {
    workspace_id: Uuid,
    name: Tried<Parsed<WorkspaceName>>,
    namespace: Tried<Parsed<NamespaceName>>,
    first_seen_at: jiff_diesel::Timestamp,
    removal_allowed_at: jiff_diesel::NullableTimestamp,
}

impl From<RawOrphan> for OrphanRow {
    fn from(raw: RawOrphan) -> Self {
        let workspace_id = WorkspaceId::from(raw.workspace_id);
        let name = raw.name.read().unwrap_or_else(|| stand_in(workspace_id));
        Self {
            workspace_id,
            namespace: raw.namespace.read().unwrap_or_else(|| home(&name, workspace_id)),
            name,
            first_seen_at: raw.first_seen_at.into(),
            removal_allowed_at: raw.removal_allowed_at.into(),
        }
    }
}

/// Something that was reported for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrphan {
    pub workspace_id: WorkspaceId,
    pub name: WorkspaceName,
    pub namespace: NamespaceName,
}

/// The orphans of the organisation's agents.
#[derive(Debug)]
pub struct Orphans<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Orphans<'_> {
    /// All of an agent's, in the order of their ids: at most [`MAX_ORPHANS`].
    pub async fn of_agent(&self, agent: AgentId) -> Result<Vec<OrphanRow>, DbError> {
        let query = orphans::table
            .filter(orphans::organization_id.eq(self.0.key()))
            .filter(orphans::agent_id.eq(agent.as_uuid()))
            .order(orphans::workspace_id)
            .select(RawOrphan::as_select());
        let rows: Vec<RawOrphan> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    pub async fn find(&self, agent: AgentId, id: WorkspaceId) -> Result<Option<OrphanRow>, DbError> {
        let row = (self.0.key(), *agent.as_uuid(), *id.as_uuid());
        let query = orphans::table.find(row).select(RawOrphan::as_select());
        let row: Option<RawOrphan> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(row.map(Into::into))
    }

    /// Stores what is new, as far as the agent has room for it. The agent's row has to be locked, so that two of its reports
    /// do not count at the same time.
    pub async fn insert(&self, agent: AgentId, new: &[NewOrphan], now: Timestamp) -> Result<(), DbError> {
        let count = orphans::table
            .filter(orphans::organization_id.eq(self.0.key()))
            .filter(orphans::agent_id.eq(agent.as_uuid()))
            .count();
        let count: i64 = self.0.run(count.get_result(&mut self.0.raw())).await?;
        let room = usize::try_from(MAX_ORPHANS - count).unwrap_or(0);
        let rows = new.iter().take(room).map(|orphan| {
            (
                orphans::organization_id.eq(self.0.key()),
                orphans::agent_id.eq(agent.as_uuid()),
                orphans::workspace_id.eq(orphan.workspace_id.as_uuid()),
                orphans::name.eq(orphan.name.as_str()),
                orphans::namespace.eq(orphan.namespace.as_str()),
                orphans::first_seen_at.eq(jiff_diesel::Timestamp::from(now)),
            )
        });
        let rows = rows.collect::<Vec<_>>();
        if rows.is_empty() {
            return Ok(());
        }
        let statement = diesel::insert_into(orphans::table).values(rows).on_conflict_do_nothing();
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Forgets what is no longer there, or is known by now.
    pub async fn delete(&self, agent: AgentId, ids: &[WorkspaceId]) -> Result<(), DbError> {
        let statement = diesel::delete(orphans::table)
            .filter(orphans::organization_id.eq(self.0.key()))
            .filter(orphans::agent_id.eq(agent.as_uuid()))
            .filter(orphans::workspace_id.eq_any(ids.iter().map(|id| *id.as_uuid()).collect::<Vec<_>>()));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// An administrator takes back that an orphan may be removed. `None`: there is no such orphan.
    pub async fn forbid_removal(
        &self,
        agent: AgentId,
        id: WorkspaceId,
    ) -> Result<Option<OrphanRow>, DbError> {
        let row = (self.0.key(), *agent.as_uuid(), *id.as_uuid());
        let statement = diesel::update(orphans::table.find(row))
            .set((
                orphans::removal_allowed_at.eq(None::<jiff_diesel::Timestamp>),
                orphans::removal_allowed_by.eq(None::<Uuid>),
            ))
            .returning(RawOrphan::as_returning());
        let row: Option<RawOrphan> = self.0.run_optional(statement.get_result(&mut self.0.raw())).await?;
        Ok(row.map(Into::into))
    }

    /// An administrator allows an orphan's removal. `None`: there is no such orphan. Allowing twice keeps the first time.
    pub async fn allow_removal(
        &self,
        agent: AgentId,
        id: WorkspaceId,
        by: TokenId,
        now: Timestamp,
    ) -> Result<Option<OrphanRow>, DbError> {
        let row = (self.0.key(), *agent.as_uuid(), *id.as_uuid());
        let statement =
            diesel::update(orphans::table.find(row)).filter(orphans::removal_allowed_at.is_null()).set((
                orphans::removal_allowed_at.eq(jiff_diesel::Timestamp::from(now)),
                orphans::removal_allowed_by.eq(by.as_uuid()),
            ));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        self.find(agent, id).await
    }
}
