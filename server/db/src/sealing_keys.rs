//! The public keys that agents registered.

use std::collections::BTreeMap;

use berth_schema::AgentId;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::Bytes;
use crate::error::DbError;
use crate::schema::agent_sealing_keys::{self, dsl};
use crate::scope::OrganizationConn;

/// How many keys of an agent are remembered, the one in use included.
const REMEMBERED: i64 = 10;

/// A row of `agent_sealing_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = agent_sealing_keys)]
pub struct SealingKeyRow {
    #[diesel(deserialize_as = Bytes<32>)]
    pub public_key: [u8; 32],
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub registered_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub superseded_at: Option<Timestamp>,
}

/// What became of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The key was in use already.
    Known(SealingKeyRow),
    /// The agent's first key.
    First(SealingKeyRow),
    /// It took the place of another.
    Changed { current: SealingKeyRow, before: SealingKeyRow },
}

/// The organisation's agents' keys.
#[derive(Debug)]
pub struct SealingKeys<'a>(pub(crate) &'a OrganizationConn<'a>);

impl SealingKeys<'_> {
    /// Puts a key into use in place of the one before. A key of earlier times may come back.
    pub async fn register(
        &self,
        agent: AgentId,
        public_key: [u8; 32],
        now: Timestamp,
    ) -> Result<Registration, DbError> {
        let before = self.current(agent).await?;
        if let Some(row) = before.filter(|row| row.public_key == public_key) {
            return Ok(Registration::Known(row));
        }
        let now = jiff_diesel::Timestamp::from(now);
        let supersede = diesel::update(dsl::agent_sealing_keys)
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::agent_id.eq(*agent.as_uuid()))
            .filter(dsl::superseded_at.is_null())
            .set(dsl::superseded_at.eq(now));
        self.0.run(supersede.execute(&mut self.0.raw())).await?;
        let insert = diesel::insert_into(dsl::agent_sealing_keys)
            .values((
                dsl::organization_id.eq(self.0.key()),
                dsl::agent_id.eq(*agent.as_uuid()),
                dsl::public_key.eq(public_key.as_slice()),
                dsl::registered_at.eq(now),
            ))
            .on_conflict((dsl::organization_id, dsl::agent_id, dsl::public_key))
            .do_update()
            .set((dsl::registered_at.eq(now), dsl::superseded_at.eq(None::<jiff_diesel::Timestamp>)))
            .returning(SealingKeyRow::as_returning());
        let current = self.0.run(insert.get_result(&mut self.0.raw())).await?;
        self.forget(agent).await?;
        Ok(match before {
            Some(before) => Registration::Changed { current, before },
            None => Registration::First(current),
        })
    }

    /// The key in use.
    pub async fn current(&self, agent: AgentId) -> Result<Option<SealingKeyRow>, DbError> {
        let query = dsl::agent_sealing_keys
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::agent_id.eq(*agent.as_uuid()))
            .filter(dsl::superseded_at.is_null())
            .select(SealingKeyRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The remembered keys of each of those agents, the newest first. An agent without one is not in the map.
    pub async fn of(&self, agents: &[AgentId]) -> Result<BTreeMap<AgentId, Vec<SealingKeyRow>>, DbError> {
        let query = dsl::agent_sealing_keys
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::agent_id.eq_any(agents.iter().map(|id| *id.as_uuid())))
            .order((dsl::superseded_at.is_null().desc(), dsl::registered_at.desc()))
            .select((dsl::agent_id, SealingKeyRow::as_select()));
        let rows: Vec<(Uuid, SealingKeyRow)> = self.0.run(query.load(&mut self.0.raw())).await?;
        let mut keys: BTreeMap<AgentId, Vec<SealingKeyRow>> = BTreeMap::new();
        for (agent, row) in rows {
            keys.entry(agent.into()).or_default().push(row);
        }
        Ok(keys)
    }

    async fn forget(&self, agent: AgentId) -> Result<(), DbError> {
        let query = dsl::agent_sealing_keys
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::agent_id.eq(*agent.as_uuid()))
            .order((dsl::superseded_at.is_null().desc(), dsl::registered_at.desc()))
            .offset(REMEMBERED)
            .select(dsl::public_key);
        let old: Vec<Vec<u8>> = self.0.run(query.load(&mut self.0.raw())).await?;
        if old.is_empty() {
            return Ok(());
        }
        let statement = diesel::delete(dsl::agent_sealing_keys)
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::agent_id.eq(*agent.as_uuid()))
            .filter(dsl::public_key.eq_any(old));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(())
    }
}
