//! What administrators set of their agents.

use berth_schema::{AgentConfiguration, AgentId};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Bool, Jsonb};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::agents::Agents;
use crate::columns::{NullableJson, Tried};
use crate::error::DbError;
use crate::schema::{agents, workspaces};
use crate::transitions::ChangedBy;
use crate::workspaces::raised;

/// What was set is of another version's making.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this version of the server cannot read the agent's configuration")]
pub struct ConfigurationUnreadable;

/// An agent's configuration as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = agents)]
pub struct ConfigurationRow {
    /// `None` at version 0: nothing was set.
    #[diesel(deserialize_as = Tried<NullableJson<AgentConfiguration>>)]
    pub configuration: Result<Option<AgentConfiguration>, ConfigurationUnreadable>,
    #[diesel(column_name = configuration_version)]
    pub version: i64,
    #[diesel(column_name = configuration_changed_at, deserialize_as = jiff_diesel::NullableTimestamp)]
    pub changed_at: Option<Timestamp>,
}

impl ConfigurationRow {
    /// What was set, or a document that says nothing.
    pub fn document(self) -> Result<AgentConfiguration, ConfigurationUnreadable> {
        self.configuration.map(Option::unwrap_or_default)
    }
}

/// How the agent's row is held until the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Not at all.
    Nothing,
    /// Nobody changes the configuration meanwhile: a change that comes later knows of what is made from it now.
    Shared,
    /// And nobody else makes anything from it.
    Exclusive,
}

impl Agents<'_> {
    /// The agent's configuration. In a round, look at it after the workspaces: what is rendered for a generation must not
    /// be older than the generation.
    pub async fn configuration(&self, id: AgentId, hold: Hold) -> Result<ConfigurationRow, DbError> {
        let query = agents::table
            .filter(agents::organization_id.eq(self.0.key()))
            .filter(agents::id.eq(id.as_uuid()))
            .select(ConfigurationRow::as_select());
        match hold {
            Hold::Nothing => self.0.run(query.get_result(&mut self.0.raw())).await,
            Hold::Shared => self.0.run(query.for_share().get_result(&mut self.0.raw())).await,
            Hold::Exclusive => self.0.run(query.for_no_key_update().get_result(&mut self.0.raw())).await,
        }
    }

    /// Replaces the configuration; take [`Hold::Exclusive`] first.
    pub async fn set_configuration(
        &self,
        id: AgentId,
        configuration: &AgentConfiguration,
        now: Timestamp,
    ) -> Result<ConfigurationRow, DbError> {
        let document = serde_json::to_value(configuration)
            .map_err(|error| DbError::from(DieselError::SerializationError(Box::new(error))))?;
        let statement = diesel::update(agents::table.find((self.0.key(), *id.as_uuid())))
            .set((
                agents::configuration.eq(document),
                agents::configuration_version.eq(agents::configuration_version + 1),
                agents::configuration_changed_at.eq(jiff_diesel::Timestamp::from(now)),
            ))
            .returning(ConfigurationRow::as_returning());
        self.0.run(statement.get_result(&mut self.0.raw())).await
    }

    /// How many workspaces [`Agents::raise_generations`] would raise.
    pub async fn count_rendered(&self, id: AgentId) -> Result<i64, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(id.as_uuid()))
            .filter(workspaces::living)
            .filter(workspaces::desired_state.ne("Terminated"))
            .count();
        self.0.run(query.get_result(&mut self.0.raw())).await
    }

    /// How many living workspaces of the agent were stored before their UID was settled at creation.
    pub async fn count_without_user(&self, id: AgentId) -> Result<i64, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(id.as_uuid()))
            .filter(workspaces::living)
            .filter(sql::<Bool>("NOT spec ? 'user'"))
            .count();
        self.0.run(query.get_result(&mut self.0.raw())).await
    }

    /// Settles the UID of those that [`Agents::count_without_user`] counts. Raise the generations in the same transaction: a round may
    /// have rendered one of them from the configuration meanwhile.
    pub async fn settle_user(&self, id: AgentId, user: i64) -> Result<usize, DbError> {
        let spec = sql::<Jsonb>("jsonb_set(spec, '{user}', to_jsonb(").bind::<BigInt, _>(user).sql("))");
        let statement = diesel::update(workspaces::table)
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(id.as_uuid()))
            .filter(workspaces::living)
            .filter(sql::<Bool>("NOT spec ? 'user'"))
            .set(workspaces::spec.eq(spec));
        self.0.run(statement.execute(&mut self.0.raw())).await
    }

    /// Raises the generation of every living workspace of the agent that is not to be terminated, so that it is rendered and
    /// applied anew; says how many.
    ///
    /// The rows are locked in the order of their ids, as reports lock them, and changed by one statement: they become
    /// visible together anyhow, when the transaction commits, and batches would only hold the same locks for longer.
    pub async fn raise_generations(
        &self,
        id: AgentId,
        by: ChangedBy,
        now: Timestamp,
    ) -> Result<usize, DbError> {
        let rows = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(id.as_uuid()))
            .filter(workspaces::living)
            .filter(workspaces::desired_state.ne("Terminated"))
            .order(workspaces::id)
            .select(workspaces::id)
            .for_no_key_update();
        let ids: Vec<Uuid> = self.0.run(rows.load(&mut self.0.raw())).await?;
        let statement = diesel::update(workspaces::table)
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(id.as_uuid()))
            .filter(workspaces::id.eq_any(&ids))
            .set((raised(), workspaces::transitions.eq(workspaces::transitions + 1)));
        let raised = self.0.run(statement.execute(&mut self.0.raw())).await?;
        self.0.transitions().record_all(ids, by, now).await?;
        Ok(raised)
    }
}
