//! A row as it is stored, read column by column: what cannot be read of one workspace is the error of that workspace.

use berth_schema::api::StateReason;
use berth_schema::kubernetes::own_namespace;
use berth_schema::{
    ActualState, DesiredState, NamespaceName, ResourceVersion, State, WorkspaceId, WorkspaceName,
    WorkspaceSpec,
};
use diesel::deserialize;
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use super::WorkspaceRow;
use crate::columns::{Json, NullableJson, NullableParsed, Parsed, StoredGeneration, Tried};
use crate::schema::workspaces;

/// The reason of a workspace whose row cannot be read.
const UNREADABLE: &str = "RowUnreadable";

/// The columns of a [`WorkspaceRow`], each by itself.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = workspaces)]
pub struct RawRow {
    id: Uuid,
    agent_id: Uuid,
    name: Tried<Parsed<WorkspaceName>>,
    namespace: Tried<Parsed<NamespaceName>>,
    desired_state: Tried<Parsed<DesiredState>>,
    actual_state: Tried<Parsed<ActualState>>,
    reason: Tried<NullableJson<StateReason>>,
    generation: StoredGeneration,
    applied_generation: StoredGeneration,
    variables_generation: StoredGeneration,
    applied_epoch: Option<i64>,
    applied_sequence: Option<i64>,
    deployment_resource_version: Tried<NullableParsed<ResourceVersion>>,
    spec: Tried<Json<WorkspaceSpec>>,
    created_at: jiff_diesel::Timestamp,
    desired_state_changed_at: jiff_diesel::Timestamp,
    actual_state_changed_at: jiff_diesel::Timestamp,
    ran_at: Option<jiff_diesel::Timestamp>,
    transitions: i64,
    extended_hours: i32,
}

impl Selectable<Pg> for WorkspaceRow {
    type SelectExpression = <RawRow as Selectable<Pg>>::SelectExpression;

    fn construct_selection() -> Self::SelectExpression {
        <RawRow as Selectable<Pg>>::construct_selection()
    }
}

impl<ST> Queryable<ST, Pg> for WorkspaceRow
where
    RawRow: Queryable<ST, Pg>,
{
    type Row = <RawRow as Queryable<ST, Pg>>::Row;

    fn build(row: Self::Row) -> deserialize::Result<Self> {
        RawRow::build(row).map(Into::into)
    }
}

impl From<RawRow> for WorkspaceRow {
    fn from(raw: RawRow) -> Self {
        let id = WorkspaceId::from(raw.id);
        let mut damaged = Damaged(vec![]);
        let name = damaged.or("name", raw.name.read(), || stand_in(id));
        let namespace = damaged.or("namespace", raw.namespace.read(), || home(&name, id));
        // What is wanted of it is not known, so nothing is.
        let desired_state = damaged.or("desired_state", raw.desired_state.read(), || DesiredState::Stopped);
        let actual_state = damaged.or("actual_state", raw.actual_state.read(), || ActualState::Error);
        let reason = damaged.or("reason", raw.reason.read(), || None);
        let version = raw.deployment_resource_version.read();
        let version = damaged.or("deployment_resource_version", version, || None);
        let spec = damaged.or("spec", raw.spec.read(), || WorkspaceSpec::from_image(""));
        let finished = State { desired: desired_state, actual: actual_state }.is_finished();
        let mut row = Self {
            id,
            agent_id: raw.agent_id.into(),
            name,
            namespace,
            desired_state,
            actual_state,
            reason,
            generation: raw.generation.into(),
            applied_generation: raw.applied_generation.into(),
            variables_generation: raw.variables_generation.into(),
            applied_epoch: raw.applied_epoch,
            applied_sequence: raw.applied_sequence,
            deployment_resource_version: version,
            spec,
            created_at: raw.created_at.into(),
            desired_state_changed_at: raw.desired_state_changed_at.into(),
            actual_state_changed_at: raw.actual_state_changed_at.into(),
            ran_at: raw.ran_at.map(Into::into),
            transitions: raw.transitions,
            extended_hours: raw.extended_hours,
            unreadable: !damaged.0.is_empty(),
        };
        if let Some(reason) = damaged.reason().filter(|_| !finished) {
            row.actual_state = ActualState::Error;
            row.reason = Some(reason);
        }
        row
    }
}

/// The columns that cannot be read.
struct Damaged(Vec<&'static str>);

impl Damaged {
    fn or<T>(&mut self, column: &'static str, read: Option<T>, other: impl FnOnce() -> T) -> T {
        read.unwrap_or_else(|| {
            self.0.push(column);
            other()
        })
    }

    fn reason(&self) -> Option<StateReason> {
        let columns = self.0.join(", ");
        let message = format!("this version of the server cannot read in its row: {columns}");
        (!self.0.is_empty()).then(|| StateReason { reason: UNREADABLE.into(), message: message.into() })
    }
}

/// The namespace that it has if it shares none.
pub(crate) fn home(name: &WorkspaceName, id: WorkspaceId) -> NamespaceName {
    NamespaceName::new(own_namespace(name, id)).unwrap_or_else(|_| name.clone().into())
}

/// A name by which it can be told from others.
pub(crate) fn stand_in(id: WorkspaceId) -> WorkspaceName {
    let id = id.to_string();
    WorkspaceName::new(format!("unreadable-{}", &id[..8])).unwrap_or_else(|_| WorkspaceName::generate(0))
}
