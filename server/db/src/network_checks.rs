//! Whether agents' clusters enforce NetworkPolicy: what is asked for, and what was found out.

use berth_schema::network_check::{NetworkCheck, NetworkCheckReport, NetworkCheckResult, NetworkVerdict};
use berth_schema::{AgentId, NetworkCheckId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::DbError;
use crate::schema::network_checks;
use crate::scope::OrganizationConn;

/// The network checks of the organisation's agents.
#[derive(Debug)]
pub struct NetworkChecks<'a>(pub(crate) &'a OrganizationConn<'a>);

#[derive(Queryable, Selectable)]
#[diesel(table_name = network_checks)]
struct Row {
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    requested_at: Option<Timestamp>,
    verdict: Option<String>,
    reason: Option<String>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    checked_at: Option<Timestamp>,
}

impl NetworkChecks<'_> {
    /// `None`: it was never asked for.
    pub async fn find(&self, agent: AgentId) -> Result<Option<NetworkCheck>, DbError> {
        let query = network_checks::table.find((self.0.key(), *agent.as_uuid())).select(Row::as_select());
        let found: Option<Row> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(found.map(|row| {
            let result = row.verdict.zip(row.checked_at).map(|(verdict, checked_at)| NetworkCheckResult {
                verdict: NetworkVerdict::from_word(&verdict),
                reason: row.reason.unwrap_or_default().into(),
                checked_at,
            });
            NetworkCheck { requested_at: row.requested_at, result }
        }))
    }

    /// Asks for a check. Whoever asks while one is under way gets that one.
    pub async fn want(&self, agent: AgentId, id: NetworkCheckId, now: Timestamp) -> Result<(), DbError> {
        let (id, now) = (*id.as_uuid(), jiff_diesel::Timestamp::from(now));
        let statement = diesel::insert_into(network_checks::table)
            .values((
                network_checks::organization_id.eq(self.0.key()),
                network_checks::agent_id.eq(agent.as_uuid()),
                network_checks::wanted.eq(id),
                network_checks::requested_at.eq(now),
            ))
            .on_conflict((network_checks::organization_id, network_checks::agent_id))
            .do_nothing();
        if self.0.run(statement.execute(&mut self.0.raw())).await? > 0 {
            return Ok(());
        }
        let statement = diesel::update(network_checks::table.find((self.0.key(), *agent.as_uuid())))
            .filter(network_checks::wanted.is_null())
            .set((network_checks::wanted.eq(id), network_checks::requested_at.eq(now)));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// The check that the agent is to make.
    pub async fn wanted(&self, agent: AgentId) -> Result<Option<NetworkCheckId>, DbError> {
        let query =
            network_checks::table.find((self.0.key(), *agent.as_uuid())).select(network_checks::wanted);
        let wanted: Option<Option<Uuid>> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(wanted.flatten().map(NetworkCheckId::from_uuid))
    }

    /// Stores what was found out. Whether it was asked for: an answer to another request changes nothing.
    pub async fn finish(
        &self,
        agent: AgentId,
        report: &NetworkCheckReport,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let statement = diesel::update(network_checks::table.find((self.0.key(), *agent.as_uuid())))
            .filter(network_checks::wanted.eq(report.id.as_uuid()))
            .set((
                network_checks::wanted.eq(None::<Uuid>),
                network_checks::requested_at.eq(None::<jiff_diesel::Timestamp>),
                network_checks::verdict.eq(report.verdict.as_str()),
                network_checks::reason.eq(report.reason.as_str()),
                network_checks::checked_at.eq(jiff_diesel::Timestamp::from(now)),
            ));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }
}
