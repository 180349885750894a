//! The statement that stores a batch of updates.
//!
//! It is written out as a fragment of its own because Diesel prepares raw SQL anew each time, and this one runs in every
//! round of every agent.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::Error as DieselError;
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Report, WorkspaceUpdate};
use crate::error::DbError;
use crate::transitions::KEPT_TRANSITIONS;

/// Locks what differs in the order of ids, writes it, and destroys the keys of what is gone for good. Rows that say the
/// same already are neither written nor locked. An observation is stored whatever users did meanwhile. A change of
/// intent, and the end of a workspace, only upon the generation that was seen: a workspace that was gone before somebody
/// wanted it gone may be on its way back.
///
/// What moved (a state, the generation, its proof, that there is a reason at all, or one that tells of what happened in the
/// cluster: changed by hand, put right, a node lost) is written down as a transition, the
/// oldest beyond [`KEPT_TRANSITIONS`] are forgotten, and whoever watches the organisation is told once.
///
/// Answers with the ids of the rows that were written.
pub(super) struct StoreReport<'a> {
    // An array for each column: the updates turned on their side.
    ids: Vec<Uuid>,
    seen: Vec<i64>,
    actual_states: Vec<&'static str>,
    reasons: Vec<Option<serde_json::Value>>,
    applied_generations: Vec<i64>,
    variables_generations: Vec<i64>,
    resource_versions: Vec<Option<&'a str>>,
    desired_states: Vec<Option<&'static str>>,
    generations: Vec<Option<i64>>,
    // The same for all.
    organization: Uuid,
    agent: Uuid,
    epoch: i64,
    sequence: i64,
    now: jiff_diesel::Timestamp,
}

impl<'a> StoreReport<'a> {
    pub(super) fn new(
        organization: Uuid,
        report: Report,
        updates: &'a [WorkspaceUpdate],
        now: Timestamp,
    ) -> Result<Self, DbError> {
        let reasons: Result<_, _> = updates
            .iter()
            .map(|update| update.reason.as_ref().map(serde_json::to_value).transpose())
            .collect();
        Ok(Self {
            ids: updates.iter().map(|update| update.id.into()).collect(),
            seen: updates.iter().map(|update| update.seen_generation.get()).collect(),
            actual_states: updates.iter().map(|update| update.actual_state.as_str()).collect(),
            reasons: reasons.map_err(|error| DieselError::SerializationError(Box::new(error)))?,
            applied_generations: updates.iter().map(|update| update.applied_generation.get()).collect(),
            variables_generations: updates.iter().map(|update| update.variables_generation.get()).collect(),
            resource_versions: updates.iter().map(|u| u.deployment_resource_version.as_deref()).collect(),
            desired_states: updates
                .iter()
                .map(|u| u.intent.map(|intent| intent.desired_state.as_str()))
                .collect(),
            generations: updates.iter().map(|u| u.intent.map(|intent| intent.generation.get())).collect(),
            organization,
            agent: report.agent.into(),
            epoch: report.epoch,
            sequence: report.sequence,
            now: now.into(),
        })
    }
}

impl Query for StoreReport<'_> {
    type SqlType = SqlUuid;
}

impl QueryId for StoreReport<'_> {
    type QueryId = StoreReport<'static>;
}

/// Behind the fourteen parameters, which later parts name by their numbers.
const STORE: &str = "), newer AS MATERIALIZED (
    SELECT r.*,
        (w.actual_state, w.applied_generation, w.desired_state, w.generation, w.reason IS NULL) IS DISTINCT FROM
        (r.actual_state, r.applied_generation, coalesce(r.desired_state, w.desired_state),
         coalesce(r.generation, w.generation), r.reason IS NULL)
        OR (r.reason ->> 'reason' IN ('ChangedByHand', 'PutRight', 'NodeLost')
            AND w.reason ->> 'reason' IS DISTINCT FROM r.reason ->> 'reason') AS moved
    FROM workspaces w JOIN report r ON r.id = w.id
    WHERE w.organization_id = $10 AND w.agent_id = $11 AND w.living
      AND (w.applied_epoch IS NULL OR (w.applied_epoch, w.applied_sequence) < ($12, $13))
      AND (w.generation = r.seen OR (r.desired_state IS NULL AND r.actual_state <> 'Terminated'))
      AND (w.actual_state, w.reason, w.applied_generation, w.variables_generation, w.deployment_resource_version,
           coalesce(r.desired_state, w.desired_state))
          IS DISTINCT FROM
          (r.actual_state, r.reason, r.applied_generation, r.variables_generation, r.resource_version, w.desired_state)
    ORDER BY w.id FOR NO KEY UPDATE OF w
), stored AS (
    UPDATE workspaces w SET
        actual_state = r.actual_state,
        reason = r.reason,
        applied_generation = r.applied_generation,
        variables_generation = CASE
            WHEN w.generation = r.seen THEN r.variables_generation
            -- They were carried over to the next generation, which somebody has raised meanwhile.
            WHEN r.variables_generation > r.seen THEN greatest(w.variables_generation, w.generation)
            ELSE w.variables_generation END,
        deployment_resource_version = r.resource_version,
        applied_epoch = $12,
        applied_sequence = $13,
        actual_state_changed_at =
            CASE WHEN w.actual_state = r.actual_state THEN w.actual_state_changed_at ELSE $14 END,
        ran_at = CASE WHEN r.actual_state = 'Running' AND w.ran_at >= w.desired_state_changed_at IS NOT TRUE THEN $14
                 ELSE w.ran_at END,
        desired_state = coalesce(r.desired_state, w.desired_state),
        desired_state_changed_at =
            CASE WHEN r.desired_state IS NULL THEN w.desired_state_changed_at ELSE $14 END,
        generation = coalesce(r.generation, w.generation),
        transitions = w.transitions + r.moved::int
    FROM newer r WHERE w.organization_id = $10 AND w.agent_id = $11 AND w.id = r.id
    RETURNING w.id, w.living, w.transitions, w.desired_state, w.actual_state, w.reason, w.generation,
        w.applied_generation, r.moved, r.desired_state IS NOT NULL AS by_server
), told AS (
    INSERT INTO workspace_transitions (organization_id, agent_id, workspace_id, number, at, desired_state, actual_state,
                                       reason, generation, applied_generation, cause)
    SELECT $10, $11, s.id, s.transitions, $14, s.desired_state, s.actual_state, s.reason, s.generation,
        s.applied_generation, CASE WHEN s.by_server THEN 'Server' ELSE 'Agent' END
    FROM stored s WHERE s.moved
    RETURNING workspace_id, number
), pruned AS (
    DELETE FROM workspace_transitions t USING told
    WHERE t.organization_id = $10 AND t.agent_id = $11 AND t.workspace_id = told.workspace_id AND t.number <= told.number - ";

/// Behind the number of transitions that are kept.
const SHRED: &str = "), shredded AS (
    DELETE FROM workspace_data_keys k USING stored s
    WHERE k.organization_id = $10 AND k.agent_id = $11 AND k.workspace_id = s.id AND NOT s.living
), hinted AS (
    SELECT pg_notify('berth_workspaces', $10::text) IS NULL AS sent FROM (SELECT FROM told LIMIT 1) AS any_of_them
)
SELECT id FROM stored WHERE (SELECT count(*) FROM hinted WHERE sent IS NOT NULL) >= 0";

impl QueryFragment<Pg> for StoreReport<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH report AS (SELECT * FROM unnest(");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.seen)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.actual_states)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Jsonb>>, _>(&self.reasons)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.applied_generations)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.variables_generations)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.resource_versions)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.desired_states)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.generations)?;
        out.push_sql(
            ") AS r(id, seen, actual_state, reason, applied_generation, variables_generation, resource_version, desired_state, generation)\
             ), given AS (SELECT ",
        );
        out.push_bind_param::<SqlUuid, _>(&self.organization)?;
        out.push_sql(", ");
        out.push_bind_param::<SqlUuid, _>(&self.agent)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.epoch)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.sequence)?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(STORE);
        out.push_sql(&KEPT_TRANSITIONS.to_string());
        out.push_sql(SHRED);
        Ok(())
    }
}
