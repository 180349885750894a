//! What happened to agents' identities.

use std::collections::BTreeMap;

use berth_schema::agents::AgentEventKind;
use berth_schema::{AgentId, TokenId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::DbError;
use crate::schema::{access_tokens, agent_events, agents};
use crate::scope::OrganizationConn;

/// How many of an agent are kept.
pub const KEPT_EVENTS: i64 = 100;
/// How many warnings of each of several agents are looked at.
const WARNINGS: i64 = 20;

/// Something that is to be remembered.
#[derive(Clone, Debug)]
pub struct NewAgentEvent {
    pub kind: AgentEventKind,
    /// At most 500 characters.
    pub message: String,
    /// Who did it.
    pub by: Option<TokenId>,
}

/// A row of `agent_events`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = agent_events)]
pub struct AgentEventRow {
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub at: Timestamp,
    #[diesel(deserialize_as = String)]
    pub kind: AgentEventKind,
    pub message: String,
}

/// The events of the organisation's agents.
#[derive(Debug)]
pub struct AgentEvents<'a>(pub(crate) &'a OrganizationConn<'a>);

impl AgentEvents<'_> {
    /// Remembers it, and forgets the oldest beyond [`KEPT_EVENTS`]. What happens by itself (nobody did it) is remembered once
    /// an hour at most: whoever brings it about cannot push everything else out. Whether it was remembered.
    pub async fn insert(&self, agent: AgentId, new: &NewAgentEvent, now: Timestamp) -> Result<bool, DbError> {
        let of_agent = || {
            agent_events::table
                .filter(agent_events::organization_id.eq(self.0.key()))
                .filter(agent_events::agent_id.eq(*agent.as_uuid()))
        };
        if new.by.is_none() && new.kind.is_warning() {
            let hour_ago = now.saturating_sub(jiff::SignedDuration::from_hours(1)).unwrap_or(Timestamp::MIN);
            let lately = of_agent()
                .filter(agent_events::kind.eq(new.kind.as_str()))
                .filter(agent_events::at.gt(jiff_diesel::Timestamp::from(hour_ago)))
                .inner_join(agents::table.on(agents::id.eq(agent_events::agent_id)))
                .filter(agents::organization_id.eq(self.0.key()))
                .filter(agents::settled_at.is_null().or(agents::settled_at.lt(agent_events::at.nullable())));
            let lately = diesel::select(diesel::dsl::exists(lately));
            if self.0.run(lately.get_result(&mut self.0.raw())).await? {
                return Ok(false);
            }
        }
        let statement = diesel::insert_into(agent_events::table).values((
            agent_events::organization_id.eq(self.0.key()),
            agent_events::agent_id.eq(agent.as_uuid()),
            agent_events::id.eq(Uuid::new_v4()),
            agent_events::at.eq(jiff_diesel::Timestamp::from(now)),
            agent_events::kind.eq(new.kind.as_str()),
            agent_events::message.eq(new.message.chars().take(500).collect::<String>()),
            agent_events::token_id.eq(new.by.map(|token| *token.as_uuid())),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        let old = of_agent()
            .order((agent_events::at.desc(), agent_events::id.desc()))
            .offset(KEPT_EVENTS)
            .select(agent_events::id);
        let old: Vec<Uuid> = self.0.run(old.load(&mut self.0.raw())).await?;
        if !old.is_empty() {
            let statement = diesel::delete(agent_events::table)
                .filter(agent_events::organization_id.eq(self.0.key()))
                .filter(agent_events::agent_id.eq(agent.as_uuid()))
                .filter(agent_events::id.eq_any(old));
            self.0.run(statement.execute(&mut self.0.raw())).await?;
        }
        Ok(true)
    }

    /// The newest first, with the name of the access token of whoever did it.
    pub async fn newest(
        &self,
        agent: AgentId,
        limit: i64,
    ) -> Result<Vec<(AgentEventRow, Option<String>)>, DbError> {
        let its_token = access_tokens::organization_id
            .eq(agent_events::organization_id)
            .and(access_tokens::id.nullable().eq(agent_events::token_id));
        let query = agent_events::table
            .left_join(access_tokens::table.on(its_token))
            .filter(agent_events::organization_id.eq(self.0.key()))
            .filter(agent_events::agent_id.eq(agent.as_uuid()))
            .order((agent_events::at.desc(), agent_events::id.desc()))
            .limit(limit)
            .select((AgentEventRow::as_select(), access_tokens::name.nullable()));
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// The warnings of each of those agents since somebody last settled what there was, the newest first. An agent without
    /// one is not in the map.
    pub async fn warnings(&self, of: &[AgentId]) -> Result<BTreeMap<AgentId, Vec<AgentEventRow>>, DbError> {
        let kinds =
            [AgentEventKind::EpochJumped, AgentEventKind::LeadersAlternate, AgentEventKind::KeyChangedEarly];
        let its_agent = agents::organization_id
            .eq(agent_events::organization_id)
            .and(agents::id.eq(agent_events::agent_id));
        let limit = WARNINGS * i64::try_from(of.len()).unwrap_or(i64::MAX / WARNINGS);
        let query = agent_events::table
            .inner_join(agents::table.on(its_agent))
            .filter(agent_events::organization_id.eq(self.0.key()))
            .filter(agent_events::agent_id.eq_any(of.iter().map(|id| *id.as_uuid()).collect::<Vec<_>>()))
            .filter(agent_events::kind.eq_any(kinds.map(AgentEventKind::as_str)))
            .filter(agents::settled_at.is_null().or(agents::settled_at.lt(agent_events::at.nullable())))
            .order((agent_events::at.desc(), agent_events::id.desc()))
            .limit(limit)
            .select((agent_events::agent_id, AgentEventRow::as_select()));
        let rows: Vec<(Uuid, AgentEventRow)> = self.0.run(query.load(&mut self.0.raw())).await?;
        let mut warnings: BTreeMap<AgentId, Vec<AgentEventRow>> = BTreeMap::new();
        for (agent, row) in rows {
            warnings.entry(agent.into()).or_default().push(row);
        }
        Ok(warnings)
    }
}
