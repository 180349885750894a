//! Storing what an agent reported.

use std::collections::BTreeMap;

use berth_schema::api::StateReason;
use berth_schema::{ActualState, AgentId, DesiredState, Generation, WorkspaceId};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use super::{WorkspaceRow, Workspaces};
use crate::error::DbError;

/// Which report the updates come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub agent: AgentId,
    pub epoch: i64,
    pub sequence: i64,
}

/// What a report says of one workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceUpdate {
    pub id: WorkspaceId,
    /// The generation that was decided upon.
    pub seen_generation: Generation,
    pub actual_state: ActualState,
    pub reason: Option<StateReason>,
    /// As proven by the cluster: stored as reported, even where it is lower than what is stored.
    pub applied_generation: Generation,
    pub deployment_resource_version: Option<String>,
    /// A change of intent that the server makes by itself: the end of a restart.
    pub intent: Option<IntentChange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntentChange {
    pub desired_state: DesiredState,
    /// The generation that the row gets: the next one.
    pub generation: Generation,
}

/// What became of one update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// It was written, or said what was stored already.
    Stored,
    /// A newer report or a newer change of intent came first, it is finished, or it is not this agent's: nothing of the
    /// update was written, and it must not be acknowledged.
    Outdated,
}

/// Locks what differs in the order of ids, writes it, and destroys the keys of what is gone for good. Rows that say the
/// same already are neither written nor locked. An observation is stored whatever users did meanwhile. A change of
/// intent, and the end of a workspace, only upon the generation that was seen: a workspace that was gone before somebody
/// wanted it gone may be on its way back.
const STORE: &str = "
WITH report AS (
    SELECT * FROM unnest($3, $4, $5, $6, $7, $8, $9, $10)
        AS r(id, seen, actual_state, reason, applied_generation, resource_version, desired_state, generation)
), newer AS MATERIALIZED (
    SELECT r.* FROM workspaces w JOIN report r ON r.id = w.id
    WHERE w.organization_id = $1 AND w.agent_id = $2 AND w.living
      AND (w.applied_epoch IS NULL OR (w.applied_epoch, w.applied_sequence) < ($11, $12))
      AND (w.generation = r.seen OR (r.desired_state IS NULL AND r.actual_state <> 'Terminated'))
      AND (w.actual_state, w.reason, w.applied_generation, w.deployment_resource_version,
           coalesce(r.desired_state, w.desired_state))
          IS DISTINCT FROM
          (r.actual_state, r.reason, r.applied_generation, r.resource_version, w.desired_state)
    ORDER BY w.id FOR NO KEY UPDATE OF w
), stored AS (
    UPDATE workspaces w SET
        actual_state = r.actual_state,
        reason = r.reason,
        applied_generation = r.applied_generation,
        deployment_resource_version = r.resource_version,
        applied_epoch = $11,
        applied_sequence = $12,
        actual_state_changed_at =
            CASE WHEN w.actual_state = r.actual_state THEN w.actual_state_changed_at ELSE $13 END,
        desired_state = coalesce(r.desired_state, w.desired_state),
        desired_state_changed_at =
            CASE WHEN r.desired_state IS NULL THEN w.desired_state_changed_at ELSE $13 END,
        generation = coalesce(r.generation, w.generation)
    FROM newer r WHERE w.organization_id = $1 AND w.agent_id = $2 AND w.id = r.id
    RETURNING w.id, w.living
), shredded AS (
    DELETE FROM workspace_data_keys k USING stored s
    WHERE k.organization_id = $1 AND k.agent_id = $2 AND k.workspace_id = s.id AND NOT s.living
)
SELECT id FROM stored";

#[derive(QueryableByName)]
struct StoredId {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
}

impl Workspaces<'_> {
    /// Stores a batch of updates in one statement; call [`crate::Agents::advance`] first, in the same transaction. A
    /// workspace that becomes Terminated in both states loses its data keys and with them its variables.
    ///
    /// The answer has an outcome for each update.
    pub async fn apply_updates(
        &self,
        report: Report,
        updates: &[WorkspaceUpdate],
        now: Timestamp,
    ) -> Result<BTreeMap<WorkspaceId, UpdateOutcome>, DbError> {
        if updates.is_empty() {
            return Ok(BTreeMap::new());
        }
        let stored = self.store(report, updates, now).await?;
        let mut outcomes: BTreeMap<_, _> = stored.into_iter().map(|id| (id, UpdateOutcome::Stored)).collect();
        let rest: Vec<_> = updates.iter().filter(|update| !outcomes.contains_key(&update.id)).collect();
        if !rest.is_empty() {
            let ids: Vec<_> = rest.iter().map(|update| update.id).collect();
            let rows = self.of_agent(report.agent, &ids).await?;
            let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
            outcomes.extend(rest.iter().map(|update| {
                let same = rows.get(&update.id).is_some_and(|row| update.is_stored_in(row));
                (update.id, if same { UpdateOutcome::Stored } else { UpdateOutcome::Outdated })
            }));
        }
        Ok(outcomes)
    }

    async fn store(
        &self,
        report: Report,
        updates: &[WorkspaceUpdate],
        now: Timestamp,
    ) -> Result<Vec<WorkspaceId>, DbError> {
        let column = Columns::new(updates)?;
        let statement = diesel::sql_query(STORE)
            .bind::<diesel::sql_types::Uuid, _>(self.0.key())
            .bind::<diesel::sql_types::Uuid, _>(*report.agent.as_uuid())
            .bind::<Array<diesel::sql_types::Uuid>, _>(column.ids)
            .bind::<Array<BigInt>, _>(column.seen)
            .bind::<Array<Text>, _>(column.actual_states)
            .bind::<Array<Nullable<Jsonb>>, _>(column.reasons)
            .bind::<Array<BigInt>, _>(column.applied_generations)
            .bind::<Array<Nullable<Text>>, _>(column.resource_versions)
            .bind::<Array<Nullable<Text>>, _>(column.desired_states)
            .bind::<Array<Nullable<BigInt>>, _>(column.generations)
            .bind::<BigInt, _>(report.epoch)
            .bind::<BigInt, _>(report.sequence)
            .bind::<Timestamptz, _>(jiff_diesel::Timestamp::from(now));
        let stored: Vec<StoredId> = self.0.run(statement.load(&mut self.0.raw())).await?;
        Ok(stored.into_iter().map(|row| row.id.into()).collect())
    }
}

impl WorkspaceUpdate {
    fn is_stored_in(&self, row: &WorkspaceRow) -> bool {
        row.actual_state == self.actual_state
            && row.reason == self.reason
            && row.applied_generation == self.applied_generation
            && row.deployment_resource_version == self.deployment_resource_version
            && self.intent.is_none_or(|intent| {
                row.desired_state == intent.desired_state && row.generation == intent.generation
            })
    }
}

/// The updates turned on their side: an array for each column.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    seen: Vec<i64>,
    actual_states: Vec<&'static str>,
    reasons: Vec<Option<serde_json::Value>>,
    applied_generations: Vec<i64>,
    resource_versions: Vec<Option<&'a str>>,
    desired_states: Vec<Option<&'static str>>,
    generations: Vec<Option<i64>>,
}

impl<'a> Columns<'a> {
    fn new(updates: &'a [WorkspaceUpdate]) -> Result<Self, DbError> {
        let mut columns = Self::default();
        for update in updates {
            let reason = update.reason.as_ref().map(serde_json::to_value).transpose();
            columns.ids.push(update.id.into());
            columns.seen.push(update.seen_generation.0);
            columns.actual_states.push(update.actual_state.as_str());
            columns.reasons.push(reason.map_err(|error| DieselError::SerializationError(Box::new(error)))?);
            columns.applied_generations.push(update.applied_generation.0);
            columns.resource_versions.push(update.deployment_resource_version.as_deref());
            columns.desired_states.push(update.intent.map(|intent| intent.desired_state.as_str()));
            columns.generations.push(update.intent.map(|intent| intent.generation.0));
        }
        Ok(columns)
    }
}
