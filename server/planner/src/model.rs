//! What the planner is given and what it answers. All of it is plain data: the caller loads it, the caller stores it.

use crate::config::AgentConfig;
use berth_schema::api::StateReason;
use berth_schema::reconcile::{Orphan, WorkspaceDirective};
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, OrganizationId, WorkspaceId,
    WorkspaceName, WorkspaceSpec,
};

/// One workspace as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: WorkspaceName,
    pub namespace: NamespaceName,
    pub desired_state: DesiredState,
    pub actual_state: ActualState,
    pub reason: Option<StateReason>,
    pub generation: Generation,
    /// The generation that the cluster proved last; zero: none.
    pub applied_generation: Generation,
    pub deployment_resource_version: Option<String>,
    /// Epoch and sequence of the report that the columns above come from.
    pub reported: Option<(i64, i64)>,
    pub spec: WorkspaceSpec,
}

/// What the database says of one agent's workspaces at one moment.
///
/// Full: every workspace that is not Terminated in both states. Partial: those with something to do. Either way also each
/// one that the request reports and that is this agent's, finished ones included.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub organization_id: OrganizationId,
    pub agent_id: AgentId,
    pub config: AgentConfig,
    pub workspaces: Vec<Workspace>,
}

/// What the caller shall store, answer and log.
#[derive(Debug)]
pub struct Plan {
    /// Only rows that change.
    pub updates: Vec<WorkspaceUpdate>,
    pub directives: Vec<PlannedDirective>,
    pub orphans: Vec<Orphan>,
    /// Why each workspace with a directive got it, and what it waits for.
    pub report: Vec<Explanation>,
    /// Whether the answer says anything that the agent does not hold already. When not, the caller may hold it back for
    /// as long as the agent said that it would wait.
    pub has_news: bool,
}

/// New values of one row. It is stored only if the row's generation is still `seen_generation` or the change leaves
/// intent alone: a user's newer change wins over a transition that was decided without knowing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceUpdate {
    pub workspace_id: WorkspaceId,
    pub seen_generation: Generation,
    pub actual_state: ActualState,
    pub reason: Option<StateReason>,
    pub applied_generation: Generation,
    pub deployment_resource_version: Option<String>,
    /// A change of intent that the server makes by itself.
    pub intent: Option<IntentChange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntentChange {
    pub desired_state: DesiredState,
    /// The generation that the row gets.
    pub generation: Generation,
}

#[derive(Debug)]
pub struct PlannedDirective {
    /// Without variables: the caller decrypts those that are wanted.
    pub directive: WorkspaceDirective,
    pub variables_wanted: bool,
}

/// Why a workspace got its directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub workspace_id: WorkspaceId,
    pub cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nothing to do: the entry acknowledges a report.
    Acknowledged,
    /// Nothing of it is proven to be in the cluster, or somebody has scaled it by hand.
    NeverApplied,
    /// The cluster has an older generation than the user wants.
    GenerationBehind,
    /// A full report does not hold it although it was applied before.
    MissingInCluster,
    /// Its Secrets are gone.
    VariablesMissing,
    /// It is to be removed and not yet proven gone.
    NotYetGone,
    /// It was terminated long ago and is reported again.
    Resurrected,
}

impl Cause {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::NeverApplied => "never_applied",
            Self::GenerationBehind => "generation_behind",
            Self::MissingInCluster => "missing_in_cluster",
            Self::VariablesMissing => "variables_missing",
            Self::NotYetGone => "not_yet_gone",
            Self::Resurrected => "resurrected",
        }
    }
}
