//! Agents: who they are, and how far their reports have come.

use std::collections::BTreeMap;

use berth_schema::{AgentId, AgentName};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{Bytes, Parsed, SecretHash};
use crate::error::DbError;
use crate::page::{PageRequest, paged};
use crate::schema::{agents, workspaces};
use crate::scope::OrganizationConn;

/// What is stored of a new agent.
#[derive(Clone, Debug)]
pub struct NewAgent {
    pub id: AgentId,
    pub name: AgentName,
    /// SHA-256 of the agent's whole token.
    pub secret_hash: SecretHash,
}

/// A row of `agents`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = agents)]
pub struct AgentRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: AgentId,
    #[diesel(deserialize_as = Parsed<AgentName>)]
    pub name: AgentName,
    #[diesel(deserialize_as = Bytes<32>)]
    pub secret_hash: SecretHash,
    /// The highest leadership epoch that was seen.
    pub epoch: i64,
    /// The highest sequence of that epoch whose report was taken.
    pub last_sequence: i64,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub revoked_at: Option<Timestamp>,
}

/// What an agent's epoch means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epoch {
    /// It is the newest, and stored.
    Current,
    /// A newer leader has spoken: this one was deposed.
    Stale { current: i64 },
}

/// What an agent's place in the order of reports means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Newer than every report before; stored.
    Newest,
    /// This report or a newer one of the same epoch was taken already: answer it, store nothing of it.
    Repeated,
    /// A newer leader has spoken: this one was deposed.
    Stale { current: i64 },
}

/// The organisation's agents.
#[derive(Debug)]
pub struct Agents<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Agents<'_> {
    /// [`crate::constraints::AGENT_NAME`] when an agent that is not revoked has the name.
    pub async fn insert(&self, agent: &NewAgent, now: Timestamp) -> Result<AgentRow, DbError> {
        let statement = diesel::insert_into(agents::table)
            .values((
                agents::organization_id.eq(self.0.key()),
                agents::id.eq(agent.id.as_uuid()),
                agents::name.eq(agent.name.as_str()),
                agents::secret_hash.eq(agent.secret_hash.as_slice()),
                agents::created_at.eq(jiff_diesel::Timestamp::from(now)),
            ))
            .returning(AgentRow::as_returning());
        self.0.run(statement.get_result(&mut self.0.raw())).await
    }

    /// The agent with that id, revoked or not.
    pub async fn find(&self, id: AgentId) -> Result<Option<AgentRow>, DbError> {
        let query = agents::table.find((self.0.key(), *id.as_uuid())).select(AgentRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The agent of that name that is not revoked.
    pub async fn find_by_name(&self, name: &AgentName) -> Result<Option<AgentRow>, DbError> {
        let query = agents::table
            .filter(agents::organization_id.eq(self.0.key()))
            .filter(agents::name.eq(name.as_str()))
            .filter(agents::revoked_at.is_null())
            .select(AgentRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The newest first, revoked ones included.
    pub async fn list(&self, page: &PageRequest) -> Result<Vec<AgentRow>, DbError> {
        let query = agents::table
            .filter(agents::organization_id.eq(self.0.key()))
            .select(AgentRow::as_select())
            .into_boxed();
        let query = paged!(query, agents, page);
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Those that are not revoked, the newest first, at most `limit`.
    pub async fn list_active(&self, limit: i64) -> Result<Vec<AgentRow>, DbError> {
        let query = agents::table
            .filter(agents::organization_id.eq(self.0.key()))
            .filter(agents::revoked_at.is_null())
            .order((agents::created_at.desc(), agents::id.desc()))
            .limit(limit)
            .select(AgentRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Whether it was valid before. Revoking twice keeps the first time.
    pub async fn revoke(&self, id: AgentId, now: Timestamp) -> Result<bool, DbError> {
        let statement = diesel::update(agents::table.find((self.0.key(), *id.as_uuid())))
            .filter(agents::revoked_at.is_null())
            .set(agents::revoked_at.eq(jiff_diesel::Timestamp::from(now)));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }

    /// How many of each agent's workspaces are not Terminated in both states. An agent without one is not in the map.
    pub async fn workspace_counts(&self, ids: &[AgentId]) -> Result<BTreeMap<AgentId, i64>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq_any(ids.iter().map(|id| *id.as_uuid())))
            .filter(workspaces::living)
            .group_by(workspaces::agent_id)
            .select((workspaces::agent_id, diesel::dsl::count_star()));
        let counts: Vec<(Uuid, i64)> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(counts.into_iter().map(|(id, count)| (id.into(), count)).collect())
    }

    /// Takes note of a leader. Writes only when its epoch is newer than the one that is stored.
    pub async fn raise_epoch(&self, id: AgentId, epoch: i64) -> Result<Epoch, DbError> {
        if self.advance_row(id, epoch, 0).await? {
            return Ok(Epoch::Current);
        }
        match self.position(id).await? {
            (current, _) if current > epoch => Ok(Epoch::Stale { current }),
            _ => Ok(Epoch::Current),
        }
    }

    /// Takes note of a report, before it is stored. The row stays locked until the transaction ends, so that the reports of
    /// one agent are stored one after the other.
    pub async fn advance(&self, id: AgentId, epoch: i64, sequence: i64) -> Result<Order, DbError> {
        if self.advance_row(id, epoch, sequence).await? {
            return Ok(Order::Newest);
        }
        match self.position(id).await? {
            (current, _) if current > epoch => Ok(Order::Stale { current }),
            _ => Ok(Order::Repeated),
        }
    }

    /// Moves forward only, and says whether it moved.
    async fn advance_row(&self, id: AgentId, epoch: i64, sequence: i64) -> Result<bool, DbError> {
        let newer =
            agents::epoch.lt(epoch).or(agents::epoch.eq(epoch).and(agents::last_sequence.lt(sequence)));
        let statement = diesel::update(agents::table.find((self.0.key(), *id.as_uuid())))
            .filter(newer)
            .set((agents::epoch.eq(epoch), agents::last_sequence.eq(sequence)));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }

    async fn position(&self, id: AgentId) -> Result<(i64, i64), DbError> {
        let query =
            agents::table.find((self.0.key(), *id.as_uuid())).select((agents::epoch, agents::last_sequence));
        self.0.run(query.get_result(&mut self.0.raw())).await
    }
}
