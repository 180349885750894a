//! What is used of what a quota limits.

use berth_schema::spec::Demand;
use berth_schema::{AgentId, SubjectId, WorkspaceId};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;

use super::Workspaces;
use crate::error::DbError;

/// Whose quota it is, and which workspace is left out of the count because it is about to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A new workspace of this subject.
    Creator(SubjectId),
    /// Whoever created this workspace.
    Of(WorkspaceId),
}

/// What some workspaces use together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Not desired Terminated.
    pub workspaces: u64,
    /// Desired Running or RestartRequested.
    pub running: u64,
    /// Of the running ones.
    pub demand: Demand,
}

/// The use of an agent's workspaces: the owner's own, and everybody else's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentUsage {
    pub own: Usage,
    pub foreign: Usage,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Bool)]
    own: bool,
    #[diesel(sql_type = BigInt)]
    workspaces: i64,
    #[diesel(sql_type = BigInt)]
    running: i64,
    #[diesel(sql_type = BigInt)]
    cpu_millis: i64,
    #[diesel(sql_type = BigInt)]
    cpu_defaults: i64,
    #[diesel(sql_type = BigInt)]
    memory_bytes: i64,
    #[diesel(sql_type = BigInt)]
    memory_defaults: i64,
}

/// A workspace of before there were subjects is of the one with its token's id. The sums are numeric and are cut before they could leave a bigint: no quota is larger.
const COUNT: &str = "
    SELECT own, count(*) AS workspaces, count(*) FILTER (WHERE runs) AS running,
           least(coalesce(sum(demanded_cpu_millis) FILTER (WHERE runs), 0), 9e18)::bigint AS cpu_millis,
           coalesce(sum(demanded_cpu_defaults) FILTER (WHERE runs), 0)::bigint AS cpu_defaults,
           least(coalesce(sum(demanded_memory_bytes) FILTER (WHERE runs), 0), 9e18)::bigint AS memory_bytes,
           coalesce(sum(demanded_memory_defaults) FILTER (WHERE runs), 0)::bigint AS memory_defaults
    FROM (SELECT w.*, desired_state IN ('Running', 'RestartRequested') AS runs,
                 coalesce(created_by_subject, created_by) IS NOT DISTINCT FROM
                     coalesce($3, (SELECT coalesce(created_by_subject, created_by) FROM workspaces
                                   WHERE organization_id = $1 AND id = $4)) AS own
          FROM workspaces w
          WHERE organization_id = $1 AND agent_id = $2 AND living AND desired_state <> 'Terminated'
            AND id IS DISTINCT FROM $4) AS counted
    GROUP BY own";

impl Workspaces<'_> {
    /// What the agent's workspaces use, but for the one that is about to change. Only meaningful while the agent's row is
    /// held exclusively.
    pub async fn usage(&self, agent: AgentId, owner: Owner) -> Result<AgentUsage, DbError> {
        let (creator, changing) = match owner {
            Owner::Creator(subject) => (Some(*subject.as_uuid()), None),
            Owner::Of(workspace) => (None, Some(*workspace.as_uuid())),
        };
        let query = diesel::sql_query(COUNT)
            .bind::<SqlUuid, _>(self.0.key())
            .bind::<SqlUuid, _>(*agent.as_uuid())
            .bind::<Nullable<SqlUuid>, _>(creator)
            .bind::<Nullable<SqlUuid>, _>(changing);
        let rows: Vec<Row> = self.0.run(query.load(&mut self.0.raw())).await?;
        let mut usage = AgentUsage::default();
        for row in rows {
            let whose = if row.own { &mut usage.own } else { &mut usage.foreign };
            *whose = row.into();
        }
        Ok(usage)
    }
}

impl From<Row> for Usage {
    fn from(row: Row) -> Self {
        let large = |amount: i64| u64::try_from(amount).unwrap_or(0);
        let small = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            workspaces: large(row.workspaces),
            running: large(row.running),
            demand: Demand {
                cpu_millis: large(row.cpu_millis),
                cpu_defaults: small(row.cpu_defaults),
                memory_bytes: large(row.memory_bytes),
                memory_defaults: small(row.memory_defaults),
            },
        }
    }
}
