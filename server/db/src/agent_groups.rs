//! Whose workspaces agents take: of the whole organisation, or of the projects in some groups.

use std::collections::HashMap;

use berth_schema::{AgentConfiguration, AgentId, GroupId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{NullableJson, Tried};
use crate::configuration::ConfigurationUnreadable;
use crate::error::DbError;
use crate::groups::GroupRow;
use crate::schema::{agent_groups, agents, groups};
use crate::scope::OrganizationConn;

/// All that says whose workspaces an agent takes, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakesRow {
    pub is_for_organization: bool,
    /// In the order of their paths, which are those of now.
    pub groups: Vec<GroupRow>,
    /// What its configuration leaves of that; empty: all.
    pub configured: Result<Vec<String>, ConfigurationUnreadable>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = agents)]
struct OfAgent {
    id: Uuid,
    is_for_organization: bool,
    #[diesel(deserialize_as = Tried<NullableJson<AgentConfiguration>>)]
    configuration: Result<Option<AgentConfiguration>, ConfigurationUnreadable>,
}

impl From<OfAgent> for TakesRow {
    fn from(row: OfAgent) -> Self {
        let configured = row.configuration.map(|written| written.unwrap_or_default().allowed_groups);
        Self { is_for_organization: row.is_for_organization, groups: Vec::new(), configured }
    }
}

/// Whose workspaces the organisation's agents take. Whoever changes it for an agent locks the agent's row first, so that whatever is
/// started there meanwhile, which holds that row, is before or after it.
#[derive(Debug)]
pub struct AgentGroups<'a>(pub(crate) &'a OrganizationConn<'a>);

impl AgentGroups<'_> {
    /// Of each of those agents that there are.
    pub async fn of(&self, ids: &[AgentId]) -> Result<HashMap<AgentId, TakesRow>, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| *id.as_uuid()).collect();
        let query = agents::table
            .filter(agents::organization_id.eq(self.0.key()))
            .filter(agents::id.eq_any(&ids))
            .select(OfAgent::as_select());
        let rows: Vec<OfAgent> = self.0.run(query.load(&mut self.0.raw())).await?;
        let mut all: HashMap<AgentId, TakesRow> =
            rows.into_iter().map(|row| (AgentId::from(row.id), row.into())).collect();
        let named = groups::table.on(groups::organization_id
            .eq(agent_groups::organization_id)
            .and(groups::id.eq(agent_groups::group_id)));
        let query = agent_groups::table
            .inner_join(named)
            .filter(agent_groups::organization_id.eq(self.0.key()))
            .filter(agent_groups::agent_id.eq_any(&ids))
            .order(groups::path)
            .select((agent_groups::agent_id, GroupRow::as_select()));
        let rows: Vec<(Uuid, GroupRow)> = self.0.run(query.load(&mut self.0.raw())).await?;
        for (agent, group) in rows {
            if let Some(takes) = all.get_mut(&AgentId::from(agent)) {
                takes.groups.push(group);
            }
        }
        Ok(all)
    }

    /// Whether that changes something.
    pub async fn for_organization(&self, agent: AgentId, is_for_organization: bool) -> Result<bool, DbError> {
        let statement = diesel::update(agents::table.find((self.0.key(), *agent.as_uuid())))
            .filter(agents::is_for_organization.ne(is_for_organization))
            .set(agents::is_for_organization.eq(is_for_organization));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }

    /// The same.
    pub async fn add(&self, agent: AgentId, group: GroupId, now: Timestamp) -> Result<bool, DbError> {
        let statement = diesel::insert_into(agent_groups::table)
            .values((
                agent_groups::organization_id.eq(self.0.key()),
                agent_groups::agent_id.eq(agent.as_uuid()),
                agent_groups::group_id.eq(group.as_uuid()),
                agent_groups::created_at.eq(jiff_diesel::Timestamp::from(now)),
            ))
            .on_conflict_do_nothing();
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }

    /// The same.
    pub async fn remove(&self, agent: AgentId, group: GroupId) -> Result<bool, DbError> {
        let key = (self.0.key(), *agent.as_uuid(), *group.as_uuid());
        let statement = diesel::delete(agent_groups::table.find(key));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }
}
