//! Workspaces: what users want of them and what their agent last proved.

mod adopt;
mod aside;
mod door;
mod find;
mod intent;
mod owner;
mod raw;
mod reconcile;
mod store;
mod update;
mod usage;

use berth_schema::api::{StateReason, VariableName};
use berth_schema::members::MemberRef;
use berth_schema::projects::ProjectRef;
use berth_schema::{
    ActualState, AgentId, AgentName, DesiredState, Generation, NamespaceName, ResourceVersion, State,
    WorkspaceId, WorkspaceName, WorkspaceSpec,
};
use diesel::prelude::*;
use jiff::Timestamp;

use crate::columns::{Json, NullableJson, Parsed, Tried};
use crate::schema::agents;
use crate::scope::OrganizationConn;

use aside::{BelongsTo, LastActive, MadeBy, VariableNames};

pub use door::WorkspaceDoor;
pub use find::WorkspaceFilter;
pub use intent::{Intent, NewWorkspace};
pub(crate) use intent::{NOT_TERMINATED, raised};
pub use owner::Owned;
pub(crate) use raw::{home, stand_in};
pub use reconcile::AgentPage;
pub use update::{IntentChange, Report, UpdateOutcome, WorkspaceUpdate};
pub use usage::{AgentUsage, Owner, Usage};

/// A row of `workspaces`, as the planner needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceRow {
    pub id: WorkspaceId,
    pub agent_id: AgentId,
    pub name: WorkspaceName,
    pub namespace: NamespaceName,
    pub desired_state: DesiredState,
    pub actual_state: ActualState,
    pub reason: Option<StateReason>,
    pub generation: Generation,
    /// What the cluster proved last; zero: nothing yet.
    pub applied_generation: Generation,
    /// The generation with which its variables last became others; zero: they are those of its creation.
    pub variables_generation: Generation,
    /// The place in the agent's reports of the one that the observed columns come from; both or none.
    pub applied_epoch: Option<i64>,
    pub applied_sequence: Option<i64>,
    pub deployment_resource_version: Option<ResourceVersion>,
    pub spec: WorkspaceSpec,
    pub created_at: Timestamp,
    pub desired_state_changed_at: Timestamp,
    pub actual_state_changed_at: Timestamp,
    /// When it came to run since it was last wanted to; older than the wish or absent: it has not yet, as far as is known.
    pub ran_at: Option<Timestamp>,
    /// The number of its newest transition.
    pub transitions: i64,
    /// What users added to the current period of activity, or of being stopped.
    pub extended_hours: i32,
    /// A column of it cannot be read: it was damaged, or a newer version wrote it. Something harmless stands in its place,
    /// the state is `Error`, and the reason names the columns.
    pub unreadable: bool,
}

impl WorkspaceRow {
    /// Epoch and sequence of the report that the observed columns come from.
    pub fn reported(&self) -> Option<(i64, i64)> {
        self.applied_epoch.zip(self.applied_sequence)
    }

    /// What is wanted of it, and what is there.
    pub const fn state(&self) -> State {
        State { desired: self.desired_state, actual: self.actual_state }
    }
}

/// A workspace as users see it.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = workspaces)]
pub struct WorkspaceView {
    #[diesel(embed)]
    pub workspace: WorkspaceRow,
    #[diesel(select_expression = agents::name, select_expression_type = agents::name, deserialize_as = Tried<Parsed<AgentName>>)]
    pub agent: AgentName,
    /// By kind and name; none once it is terminated.
    #[diesel(
        select_expression = VariableNames,
        select_expression_type = VariableNames,
        deserialize_as = Tried<Json<Vec<VariableName>>>
    )]
    pub variables: Vec<VariableName>,
    #[diesel(
        select_expression = BelongsTo,
        select_expression_type = BelongsTo,
        deserialize_as = Tried<NullableJson<ProjectRef>>
    )]
    pub belongs_to: Option<ProjectRef>,
    #[diesel(
        select_expression = MadeBy,
        select_expression_type = MadeBy,
        deserialize_as = Tried<NullableJson<MemberRef>>
    )]
    pub creator: Option<MemberRef>,
    #[diesel(
        select_expression = LastActive,
        select_expression_type = LastActive,
        deserialize_as = jiff_diesel::NullableTimestamp
    )]
    pub last_active_at: Option<Timestamp>,
}

/// The organisation's workspaces.
#[derive(Debug)]
pub struct Workspaces<'a>(pub(crate) &'a OrganizationConn<'a>);
