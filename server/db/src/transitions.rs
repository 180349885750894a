//! What workspaces went through: one row for each change of their states, their generation or its proof.
//!
//! Rows are written where the change is: by the statement that stores reports, and by [`Transitions::record`] in the
//! transaction of a user's change. Both tell whoever watches the organisation, once the transaction commits.

use berth_schema::api::StateReason;
use berth_schema::state::TransitionCause;
use berth_schema::{ActualState, AgentId, DesiredState, Generation, WorkspaceId};
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use futures::future::try_join;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{NullableJson, Parsed, StoredGeneration, Tried};
use crate::error::DbError;
use crate::schema::{access_tokens, subjects, workspace_transitions};
use crate::scope::OrganizationConn;
use crate::subjects::Author;

/// Of each workspace this many are kept, the newest.
pub const KEPT_TRANSITIONS: i64 = 200;
/// The channel on which whoever watches an organisation's workspaces is told to look. The payload is its id.
pub(crate) const CHANNEL: &str = "berth_workspaces";

/// Who changes what is wanted of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangedBy {
    User(Author),
    /// A lifecycle rule.
    Lifecycle,
}

impl ChangedBy {
    const fn cause(self) -> TransitionCause {
        match self {
            Self::User(_) => TransitionCause::User,
            Self::Lifecycle => TransitionCause::Lifecycle,
        }
    }

    fn token(self) -> Option<Uuid> {
        match self {
            Self::User(author) => Some(author.token.into()),
            Self::Lifecycle => None,
        }
    }

    fn subject(self) -> Option<Uuid> {
        match self {
            Self::User(author) => Some(author.subject.into()),
            Self::Lifecycle => None,
        }
    }
}

/// A row of `workspace_transitions`: the workspace as it was from then on.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = workspace_transitions)]
pub struct TransitionRow {
    /// From 1, without a gap but for what was forgotten at the beginning.
    pub number: i64,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub at: Timestamp,
    #[diesel(deserialize_as = Tried<Parsed<DesiredState>>)]
    pub desired_state: DesiredState,
    #[diesel(deserialize_as = Tried<Parsed<ActualState>>)]
    pub actual_state: ActualState,
    #[diesel(deserialize_as = Tried<NullableJson<StateReason>>)]
    pub reason: Option<StateReason>,
    #[diesel(deserialize_as = StoredGeneration)]
    pub generation: Generation,
    #[diesel(deserialize_as = StoredGeneration)]
    pub applied_generation: Generation,
    #[diesel(deserialize_as = Tried<Parsed<TransitionCause>>)]
    pub cause: TransitionCause,
    pub token_id: Option<Uuid>,
}

/// A token, whether it is a session, and whose it is.
type Named = (String, bool, String);

/// Who asked for a change, by the names that they have now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    pub member: String,
    /// Their token; a session has no name.
    pub token: Option<String>,
}

/// The transitions of the organisation's workspaces.
#[derive(Debug)]
pub struct Transitions<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Transitions<'_> {
    /// Those of one workspace, the newest first, each with the name of the token that asked for it. `before`: only those
    /// with a lower number.
    pub async fn of_workspace(
        &self,
        agent: AgentId,
        workspace: WorkspaceId,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<(TransitionRow, Option<By>)>, DbError> {
        let its_token = access_tokens::organization_id
            .eq(workspace_transitions::organization_id)
            .and(access_tokens::id.nullable().eq(workspace_transitions::token_id));
        let its_subject = subjects::organization_id
            .eq(workspace_transitions::organization_id)
            .and(subjects::id.nullable().eq(access_tokens::subject_id.nullable()));
        let query = workspace_transitions::table
            .left_join(access_tokens::table.on(its_token))
            .left_join(subjects::table.on(its_subject))
            .filter(workspace_transitions::organization_id.eq(self.0.key()))
            .filter(workspace_transitions::agent_id.eq(agent.as_uuid()))
            .filter(workspace_transitions::workspace_id.eq(workspace.as_uuid()))
            .filter(workspace_transitions::number.lt(before.unwrap_or(i64::MAX)))
            .order(workspace_transitions::number.desc())
            .limit(limit)
            .select((
                TransitionRow::as_select(),
                (access_tokens::name, access_tokens::is_session, subjects::name).nullable(),
            ));
        let rows: Vec<(TransitionRow, Option<Named>)> = self.0.run(query.load(&mut self.0.raw())).await?;
        let by =
            |(token, is_session, member): Named| By { token: Some(token).filter(|_| !is_session), member };
        Ok(rows.into_iter().map(|(row, of)| (row, of.map(by))).collect())
    }

    /// When a generation of a workspace was asked for; `None` where that is forgotten.
    pub async fn generation_asked_at(
        &self,
        agent: AgentId,
        workspace: WorkspaceId,
        generation: Generation,
    ) -> Result<Option<Timestamp>, DbError> {
        let query = workspace_transitions::table
            .filter(workspace_transitions::organization_id.eq(self.0.key()))
            .filter(workspace_transitions::agent_id.eq(agent.as_uuid()))
            .filter(workspace_transitions::workspace_id.eq(workspace.as_uuid()))
            .filter(workspace_transitions::generation.eq(generation.get()))
            .order(workspace_transitions::number)
            .limit(1)
            .select(workspace_transitions::at);
        let at: Option<jiff_diesel::Timestamp> =
            self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(at.map(Into::into))
    }

    /// When a workspace was last told to be for that reason, and in which words, unless that was before `since`.
    pub async fn last_because(
        &self,
        agent: AgentId,
        workspace: WorkspaceId,
        reason: &str,
        since: Timestamp,
    ) -> Result<Option<(Timestamp, StateReason)>, DbError> {
        let is_that = sql::<Bool>("reason->>'reason' = ").bind::<Text, _>(reason.to_owned());
        let query = workspace_transitions::table
            .filter(workspace_transitions::organization_id.eq(self.0.key()))
            .filter(workspace_transitions::agent_id.eq(agent.as_uuid()))
            .filter(workspace_transitions::workspace_id.eq(workspace.as_uuid()))
            .filter(workspace_transitions::at.ge(jiff_diesel::Timestamp::from(since)))
            .filter(is_that)
            .order(workspace_transitions::number.desc())
            .limit(1)
            .select(TransitionRow::as_select());
        let row: Option<TransitionRow> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(row.and_then(|row| Some((row.at, row.reason?))))
    }

    /// The place from which a reader that knows everything until now has to read on. Everything that was written below it
    /// is visible to whoever asks later.
    pub async fn position(&self) -> Result<i64, DbError> {
        let query = diesel::select(sql::<BigInt>("pg_snapshot_xmin(pg_current_snapshot())::text::bigint"));
        self.0.run(query.get_result(&mut self.0.raw())).await
    }

    /// The workspaces with a transition at or behind a position, at most `limit`, and the position to read on from. What
    /// was written by transactions that were still open then comes again.
    pub async fn changed_since(&self, position: i64, limit: i64) -> Result<(Vec<WorkspaceId>, i64), DbError> {
        let query = workspace_transitions::table
            .filter(workspace_transitions::organization_id.eq(self.0.key()))
            .filter(workspace_transitions::written_in.ge(position))
            .select(workspace_transitions::workspace_id)
            .distinct()
            .limit(limit);
        // In this order: what commits between the two statements is seen by the second and comes again.
        let (next, changed) =
            try_join(self.position(), async { self.0.run(query.load::<Uuid>(&mut self.0.raw())).await })
                .await?;
        Ok((changed.into_iter().map(Into::into).collect(), next))
    }

    /// Writes down what the workspace is by now. The statement that changed it must have counted it (`transitions`).
    pub(crate) async fn record(
        &self,
        workspace: WorkspaceId,
        by: ChangedBy,
        now: Timestamp,
    ) -> Result<(), DbError> {
        self.record_all(vec![workspace.into()], by, now).await
    }

    /// The same for several that were changed together.
    pub(crate) async fn record_all(
        &self,
        workspaces: Vec<Uuid>,
        by: ChangedBy,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let statement = Record {
            organization: self.0.key(),
            workspaces,
            now: now.into(),
            cause: by.cause().as_str(),
            token: by.token(),
            subject: by.subject(),
        };
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(())
    }

    /// Forgets the transitions of up to `limit` workspaces that were gone by `before`, and says of how many.
    pub async fn forget_finished(&self, before: Timestamp, limit: i64) -> Result<usize, DbError> {
        let before = jiff_diesel::Timestamp::from(before);
        let finished = workspace_transitions::table
            .filter(workspace_transitions::organization_id.eq(self.0.key()))
            .filter(workspace_transitions::desired_state.eq(DesiredState::Terminated.as_str()))
            .filter(workspace_transitions::actual_state.eq(ActualState::Terminated.as_str()))
            .filter(workspace_transitions::at.lt(before))
            .order(workspace_transitions::at)
            .limit(limit)
            .select((workspace_transitions::agent_id, workspace_transitions::workspace_id));
        let finished: Vec<(Uuid, Uuid)> = self.0.run(finished.load(&mut self.0.raw())).await?;
        for (agent, workspace) in &finished {
            let statement = diesel::delete(
                workspace_transitions::table
                    .filter(workspace_transitions::organization_id.eq(self.0.key()))
                    .filter(workspace_transitions::agent_id.eq(agent))
                    .filter(workspace_transitions::workspace_id.eq(workspace)),
            );
            self.0.run(statement.execute(&mut self.0.raw())).await?;
        }
        Ok(finished.len())
    }
}

/// A fragment of its own so that it is prepared once.
#[derive(QueryId)]
struct Record {
    organization: Uuid,
    workspaces: Vec<Uuid>,
    now: jiff_diesel::Timestamp,
    cause: &'static str,
    token: Option<Uuid>,
    subject: Option<Uuid>,
}

impl QueryFragment<Pg> for Record {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH given AS (SELECT ");
        out.push_bind_param::<SqlUuid, _>(&self.organization)?;
        out.push_sql(" AS organization, ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.workspaces)?;
        out.push_sql(" AS workspaces, ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" AS now, ");
        out.push_bind_param::<Text, _>(&self.cause)?;
        out.push_sql(" AS cause, ");
        out.push_bind_param::<Nullable<SqlUuid>, _>(&self.token)?;
        out.push_sql(" AS token, ");
        out.push_bind_param::<Nullable<SqlUuid>, _>(&self.subject)?;
        out.push_sql(
            " AS subject), told AS (
    INSERT INTO workspace_transitions (organization_id, agent_id, workspace_id, number, at, desired_state, actual_state,
                                       reason, generation, applied_generation, cause, token_id, subject_id)
    SELECT w.organization_id, w.agent_id, w.id, w.transitions, $3, w.desired_state, w.actual_state, w.reason, w.generation,
           w.applied_generation, $4, $5, $6
    FROM workspaces w WHERE w.organization_id = $1 AND w.id = ANY ($2)
    RETURNING agent_id, workspace_id, number
), pruned AS (
    DELETE FROM workspace_transitions t USING told
    WHERE t.organization_id = $1 AND t.agent_id = told.agent_id AND t.workspace_id = told.workspace_id
      AND t.number <= told.number - ",
        );
        out.push_sql(&KEPT_TRANSITIONS.to_string());
        out.push_sql(") SELECT pg_notify('");
        out.push_sql(CHANNEL);
        out.push_sql("', $1::text) FROM told");
        Ok(())
    }
}
