//! What agents' clusters have.

use berth_schema::AgentId;
use berth_schema::prerequisites::Prerequisites;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use crate::columns::{Json, Tried};
use crate::error::DbError;
use crate::schema::agent_prerequisites;
use crate::scope::OrganizationConn;

/// What the organisation's agents said of their clusters.
#[derive(Debug)]
pub struct AgentPrerequisites<'a>(pub(crate) &'a OrganizationConn<'a>);

impl AgentPrerequisites<'_> {
    /// `None` also where this version cannot read what was said.
    pub async fn find(&self, agent: AgentId) -> Result<Option<Prerequisites>, DbError> {
        let query = agent_prerequisites::table
            .find((self.0.key(), *agent.as_uuid()))
            .select(agent_prerequisites::prerequisites);
        let found: Option<Tried<Json<Prerequisites>>> =
            self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(found.and_then(Tried::get).map(Json::into_inner))
    }

    /// Stores what an agent says. What it said before is not written again.
    pub async fn store(&self, agent: AgentId, said: &Prerequisites, now: Timestamp) -> Result<(), DbError> {
        if self.find(agent).await?.as_ref() == Some(said) {
            return Ok(());
        }
        let said = serde_json::to_value(said);
        let said = said.map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
        let changed_at = jiff_diesel::Timestamp::from(now);
        let statement = diesel::insert_into(agent_prerequisites::table)
            .values((
                agent_prerequisites::organization_id.eq(self.0.key()),
                agent_prerequisites::agent_id.eq(agent.as_uuid()),
                agent_prerequisites::prerequisites.eq(&said),
                agent_prerequisites::changed_at.eq(changed_at),
            ))
            .on_conflict((agent_prerequisites::organization_id, agent_prerequisites::agent_id))
            .do_update()
            .set((
                agent_prerequisites::prerequisites.eq(&said),
                agent_prerequisites::changed_at.eq(changed_at),
            ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}
