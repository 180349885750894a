//! What users want: the only writes of desired states, besides the end of a restart.

use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, ProjectId, WorkspaceId, WorkspaceName,
    WorkspaceSpec,
};
use diesel::dsl::{Eq, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use super::{WorkspaceView, Workspaces};
use crate::error::{Conflict, DbError};
use crate::lifecycle::SHORTEST_RULE;
use crate::schema::workspaces;
use crate::subjects::Author;
use crate::transitions::ChangedBy;

/// The actual state, unless it is one that can be believed only when it was proven on purpose.
pub(crate) const NOT_TERMINATED: &str =
    "CASE actual_state WHEN 'Terminated' THEN 'Unknown' ELSE actual_state END";

#[diesel::declare_sql_function]
extern "SQL" {
    /// The earlier of two times; a NULL is passed over.
    fn least(one: Nullable<Timestamptz>, other: Nullable<Timestamptz>) -> Nullable<Timestamptz>;
}

/// What is stored of a new workspace.
#[derive(Clone, Debug)]
pub struct NewWorkspace {
    pub id: WorkspaceId,
    pub agent_id: AgentId,
    pub name: WorkspaceName,
    pub namespace: NamespaceName,
    pub desired_state: DesiredState,
    pub spec: WorkspaceSpec,
    /// As it was given, for people.
    pub devfile: Option<String>,
    pub created_by: Author,
    /// What it is made for.
    pub project: Option<ProjectId>,
}

/// A change of what a user wants.
#[derive(Clone, Debug)]
pub enum Intent {
    Desired(DesiredState),
    /// Replaces what the workspace is made of.
    Rebuild {
        spec: WorkspaceSpec,
        devfile: Option<String>,
    },
    /// The same with other resources.
    Resize {
        spec: WorkspaceSpec,
    },
    /// Its variables are others from that generation on, and it starts anew where that is said.
    Variables {
        restart: Option<DesiredState>,
    },
}

impl Workspaces<'_> {
    /// Stores a workspace at its first generation, `CreationRequested`. [`crate::constraints::WORKSPACE_NAME`] when a
    /// living workspace has the name: the transaction is lost then, and another name needs another one.
    pub async fn insert(&self, workspace: &NewWorkspace, moment: Timestamp) -> Result<(), DbError> {
        let now = jiff_diesel::Timestamp::from(moment);
        let statement = diesel::insert_into(workspaces::table).values((
            workspaces::organization_id.eq(self.0.key()),
            workspaces::agent_id.eq(workspace.agent_id.as_uuid()),
            workspaces::id.eq(workspace.id.as_uuid()),
            workspaces::name.eq(workspace.name.as_str()),
            workspaces::namespace.eq(workspace.namespace.as_str()),
            workspaces::desired_state.eq(workspace.desired_state.as_str()),
            workspaces::actual_state.eq(ActualState::CreationRequested.as_str()),
            workspaces::generation.eq(Generation::FIRST.get()),
            written(&workspace.spec)?,
            workspaces::devfile.eq(workspace.devfile.as_deref()),
            workspaces::created_at.eq(now),
            workspaces::created_by.eq(workspace.created_by.token.as_uuid()),
            workspaces::created_by_subject.eq(workspace.created_by.subject.as_uuid()),
            workspaces::project_id.eq(workspace.project.map(Uuid::from)),
            workspaces::desired_state_changed_at.eq(now),
            workspaces::actual_state_changed_at.eq(now),
            workspaces::transitions.eq(1),
            workspaces::lifecycle_at.eq(jiff_diesel::Timestamp::from(first_look(moment))),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        self.0.transitions().record(workspace.id, ChangedBy::User(workspace.created_by), moment).await
    }

    /// Stores a change of intent and raises the generation in the same statement; answers with the workspace as it is
    /// then.
    ///
    /// With `expected`, a workspace at another generation is left alone ([`Conflict::Generation`]). One that is
    /// desired Terminated is never changed again ([`Conflict::Terminated`]). Whether the change makes sense otherwise is
    /// the caller's question; it is made even if it changes nothing but the generation.
    pub async fn change_intent(
        &self,
        id: WorkspaceId,
        expected: Option<Generation>,
        intent: &Intent,
        by: ChangedBy,
        now: Timestamp,
    ) -> Result<WorkspaceView, DbError> {
        let changed = self.change(id, expected, intent, by, now).await?;
        if changed {
            self.0.transitions().record(id, by, now).await?;
        }
        let current = self.find(id).await?.ok_or_else(DbError::not_found)?;
        if changed {
            Ok(current)
        } else if current.workspace.desired_state == DesiredState::Terminated {
            Err(Conflict::Terminated.into())
        } else {
            Err(Conflict::Generation { current: current.workspace.generation }.into())
        }
    }

    async fn change(
        &self,
        id: WorkspaceId,
        expected: Option<Generation>,
        intent: &Intent,
        by: ChangedBy,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let mut statement = diesel::update(workspaces::table)
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq(id.as_uuid()))
            .filter(workspaces::desired_state.ne(DesiredState::Terminated.as_str()))
            .into_boxed();
        if let Some(expected) = expected {
            statement = statement.filter(workspaces::generation.eq(expected.get()));
        }
        let (mut desired, mut spec_written, mut devfile_written, mut unproven) = (None, None, None, None);
        let (mut never, mut later, mut earlier) = (None, None, None);
        let mut others = None;
        if let Intent::Variables { .. } = intent {
            others = Some(workspaces::variables_generation.eq(next_generation()));
        }
        match intent {
            Intent::Desired(state) | Intent::Variables { restart: Some(state) } => {
                let changed_at = workspaces::desired_state_changed_at.eq(jiff_diesel::Timestamp::from(now));
                desired = Some((
                    workspaces::desired_state.eq(state.as_str()),
                    changed_at,
                    workspaces::extended_hours.eq(0),
                ));
                // The lifecycle has to look again before any rule can have something to do. A look that is due earlier stays,
                // unless it is the one that has just acted.
                let first = jiff_diesel::Timestamp::from(first_look(now));
                match (state, by) {
                    (DesiredState::Terminated, _) => {
                        never = Some(workspaces::lifecycle_at.eq(None::<jiff_diesel::Timestamp>));
                    }
                    (_, ChangedBy::Lifecycle) => later = Some(workspaces::lifecycle_at.eq(Some(first))),
                    (_, ChangedBy::User(_)) => {
                        earlier =
                            Some(workspaces::lifecycle_at.eq(least(workspaces::lifecycle_at, Some(first))));
                    }
                }
                // What was gone before it was wanted gone may be on its way back: the agent has to prove it anew.
                unproven = (*state == DesiredState::Terminated)
                    .then(|| workspaces::actual_state.eq(sql::<Text>(NOT_TERMINATED)));
            }
            Intent::Rebuild { spec, devfile } => {
                spec_written = Some(written(spec)?);
                devfile_written = Some(workspaces::devfile.eq(devfile.as_deref()));
            }
            Intent::Resize { spec } => spec_written = Some(written(spec)?),
            Intent::Variables { restart: None } => {}
        }
        let statement = statement.set((
            raised(),
            workspaces::transitions.eq(workspaces::transitions + 1),
            desired,
            spec_written,
            devfile_written,
            unproven,
            (never, later, earlier),
            others,
        ));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }
}

/// The columns of a raised generation.
type Raised =
    (Eq<workspaces::generation, SqlLiteral<BigInt>>, Eq<workspaces::applied_generation, SqlLiteral<BigInt>>);

/// Raises the generation, as [`Generation::next`] does: it can be raised whatever it is, so that what a user wants can always
/// be stored. Where the count begins anew nothing is proven.
pub(crate) fn raised() -> Raised {
    (
        workspaces::generation.eq(next_generation()),
        workspaces::applied_generation.eq(unless_anew("0", "applied_generation")),
    )
}

fn next_generation() -> SqlLiteral<BigInt> {
    unless_anew("1", "generation + 1")
}

/// One thing where the count begins anew, and another where it goes on.
fn unless_anew(first: &str, on: &str) -> SqlLiteral<BigInt> {
    sql(&format!("CASE WHEN generation >= {} THEN {first} ELSE {on} END", Generation::MAX))
}

/// No rule can have anything to do before.
fn first_look(now: Timestamp) -> Timestamp {
    now.checked_add(SHORTEST_RULE).unwrap_or(Timestamp::MAX)
}

/// A spec with what is counted of it.
type Written = (
    Eq<workspaces::spec, serde_json::Value>,
    Eq<workspaces::demanded_cpu_millis, i64>,
    Eq<workspaces::demanded_cpu_defaults, i64>,
    Eq<workspaces::demanded_memory_bytes, i64>,
    Eq<workspaces::demanded_memory_defaults, i64>,
);

fn written(spec: &WorkspaceSpec) -> Result<Written, DbError> {
    let json = serde_json::to_value(spec)
        .map_err(|error| DbError::from(DieselError::SerializationError(Box::new(error))))?;
    let demand = spec.demand();
    let bounded = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    Ok((
        workspaces::spec.eq(json),
        workspaces::demanded_cpu_millis.eq(bounded(demand.cpu_millis)),
        workspaces::demanded_cpu_defaults.eq(i64::from(demand.cpu_defaults)),
        workspaces::demanded_memory_bytes.eq(bounded(demand.memory_bytes)),
        workspaces::demanded_memory_defaults.eq(i64::from(demand.memory_defaults)),
    ))
}
