//! When something happens in workspaces, and whether their agents' proxies tell of it.

use std::collections::HashMap;

use berth_schema::idle::IdleBy;
use berth_schema::{AgentId, WorkspaceId};
use diesel::prelude::*;
use diesel::sql_types::{Array, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::columns::{NullableJson, Tried};
use crate::error::{DbError, DbErrorKind};
use crate::schema::{proxy_contacts, workspace_activity};
use crate::scope::OrganizationConn;

/// What is told of workspaces of other agents, or of what is gone, is passed over. In the order of their ids, so that two proxies which
/// tell of the same ones never wait for each other in a circle.
const TELL: &str = "
    INSERT INTO workspace_activity AS known (organization_id, agent_id, workspace_id, last_active_at)
    SELECT w.organization_id, w.agent_id, w.id, max(told.at)
    FROM unnest($3, $4) AS told (id, at)
    JOIN workspaces w ON w.organization_id = $1 AND w.agent_id = $2 AND w.id = told.id AND w.living
    GROUP BY w.organization_id, w.agent_id, w.id
    ORDER BY w.id
    ON CONFLICT (organization_id, agent_id, workspace_id) DO UPDATE SET last_active_at = excluded.last_active_at
        WHERE known.last_active_at IS NULL OR known.last_active_at < excluded.last_active_at";

const KEEP: &str = "
    INSERT INTO workspace_activity AS known (organization_id, agent_id, workspace_id, kept_until)
    VALUES ($1, $2, $3, $4) ON CONFLICT (organization_id, agent_id, workspace_id)
    DO UPDATE SET kept_until = greatest(known.kept_until, excluded.kept_until)";

/// What is known of one workspace's use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = workspace_activity)]
pub struct ActivityRow {
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub last_active_at: Option<Timestamp>,
    /// Somebody wants it to run until then.
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub kept_until: Option<Timestamp>,
    /// When it was stopped because nothing happened,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub stopped_at: Option<Timestamp>,
    /// for so many minutes.
    pub stopped_after: Option<i32>,
    /// Whose rule that was, of that time or an earlier one: see [`Self::stopped_by`].
    #[diesel(deserialize_as = Tried<NullableJson<StoppedBy>>, column_name = stopped_by)]
    by: Option<StoppedBy>,
}

impl ActivityRow {
    /// Whose rule it was that stopped it last; `None`: a server of before has written that it did.
    pub fn stopped_by(&self) -> Option<&IdleBy> {
        let by = self.by.as_ref().filter(|by| Some(crate::stored_time(by.at)) == self.stopped_at)?;
        Some(&by.by)
    }
}

/// Whose rule of idleness has stopped something, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedBy {
    pub at: Timestamp,
    pub by: IdleBy,
}

/// What a later version has written is told by nobody.
impl From<Tried<NullableJson<StoppedBy>>> for Option<StoppedBy> {
    fn from(column: Tried<NullableJson<StoppedBy>>) -> Self {
        column.get().and_then(NullableJson::into_inner)
    }
}

/// When an agent's proxies told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = proxy_contacts)]
pub struct ProxyContact {
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub heard_at: Timestamp,
    /// There was no long silence since.
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub heard_since: Timestamp,
}

/// What happens in the organisation's workspaces.
#[derive(Debug)]
pub struct Activity<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Activity<'_> {
    /// A proxy of that agent tells where something happened, and when. What is known to be later stays.
    pub async fn tell(&self, agent: AgentId, told: &[(WorkspaceId, Timestamp)]) -> Result<(), DbError> {
        if told.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = told.iter().map(|(id, _)| *id.as_uuid()).collect();
        let times: Vec<jiff_diesel::Timestamp> = told.iter().map(|(_, at)| (*at).into()).collect();
        let statement = diesel::sql_query(TELL)
            .bind::<SqlUuid, _>(self.0.key())
            .bind::<SqlUuid, _>(*agent.as_uuid())
            .bind::<Array<SqlUuid>, _>(ids)
            .bind::<Array<Timestamptz>, _>(times);
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// A proxy of that agent tells something. Where none did since `silent_since`, it is heard anew.
    pub async fn hear(&self, agent: AgentId, silent_since: Timestamp, now: Timestamp) -> Result<(), DbError> {
        let (now, silent_since) =
            (jiff_diesel::Timestamp::from(now), jiff_diesel::Timestamp::from(silent_since));
        let statement = diesel::insert_into(proxy_contacts::table)
            .values((
                proxy_contacts::organization_id.eq(self.0.key()),
                proxy_contacts::agent_id.eq(agent.as_uuid()),
                proxy_contacts::heard_at.eq(now),
                proxy_contacts::heard_since.eq(now),
            ))
            .on_conflict((proxy_contacts::organization_id, proxy_contacts::agent_id))
            .do_nothing();
        if self.0.run(statement.execute(&mut self.0.raw())).await? > 0 {
            return Ok(());
        }
        let known = || proxy_contacts::table.find((self.0.key(), *agent.as_uuid()));
        let anew = diesel::update(known())
            .filter(proxy_contacts::heard_at.lt(silent_since))
            .set((proxy_contacts::heard_at.eq(now), proxy_contacts::heard_since.eq(now)));
        if self.0.run(anew.execute(&mut self.0.raw())).await? > 0 {
            return Ok(());
        }
        let on = diesel::update(known())
            .filter(proxy_contacts::heard_at.lt(now))
            .set(proxy_contacts::heard_at.eq(now));
        self.0.run(on.execute(&mut self.0.raw())).await.map(drop)
    }

    /// When the agent's proxies told something; `None`: none ever did.
    pub async fn contact(&self, agent: AgentId) -> Result<Option<ProxyContact>, DbError> {
        let query =
            proxy_contacts::table.find((self.0.key(), *agent.as_uuid())).select(ProxyContact::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// Of each of an agent's workspaces that something is known of.
    pub async fn of(
        &self,
        agent: AgentId,
        ids: &[WorkspaceId],
    ) -> Result<HashMap<WorkspaceId, ActivityRow>, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| *id.as_uuid()).collect();
        let query = workspace_activity::table
            .filter(workspace_activity::organization_id.eq(self.0.key()))
            .filter(workspace_activity::agent_id.eq(agent.as_uuid()))
            .filter(workspace_activity::workspace_id.eq_any(ids))
            .select((workspace_activity::workspace_id, ActivityRow::as_select()));
        let rows: Vec<(Uuid, ActivityRow)> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.into_iter().map(|(id, row)| (id.into(), row)).collect())
    }

    /// Somebody wants it to run until then. A later time stays.
    pub async fn keep(&self, agent: AgentId, id: WorkspaceId, until: Timestamp) -> Result<(), DbError> {
        let statement = diesel::sql_query(KEEP)
            .bind::<SqlUuid, _>(self.0.key())
            .bind::<SqlUuid, _>(*agent.as_uuid())
            .bind::<SqlUuid, _>(*id.as_uuid())
            .bind::<Timestamptz, _>(jiff_diesel::Timestamp::from(until));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// It is stopped because nothing happened for so many minutes, by somebody's rule.
    pub async fn stopped(
        &self,
        (agent, id): (AgentId, WorkspaceId),
        (minutes, by): (u32, Option<&IdleBy>),
        now: Timestamp,
    ) -> Result<(), DbError> {
        let by = by.map(|by| serde_json::to_value(StoppedBy { at: now, by: by.clone() })).transpose();
        let by = by.map_err(|error| DbError::because(DbErrorKind::Internal, error))?;
        let ended = (
            workspace_activity::stopped_at.eq(jiff_diesel::Timestamp::from(now)),
            workspace_activity::stopped_after.eq(i32::try_from(minutes).unwrap_or(i32::MAX)),
            workspace_activity::stopped_by.eq(by),
        );
        let statement = diesel::insert_into(workspace_activity::table)
            .values((
                workspace_activity::organization_id.eq(self.0.key()),
                workspace_activity::agent_id.eq(agent.as_uuid()),
                workspace_activity::workspace_id.eq(id.as_uuid()),
                ended.clone(),
            ))
            .on_conflict((
                workspace_activity::organization_id,
                workspace_activity::agent_id,
                workspace_activity::workspace_id,
            ))
            .do_update()
            .set(ended);
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}
