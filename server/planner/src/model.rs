//! What the planner is given and what it answers. All of it is plain data: the caller loads it, the caller stores it.

use std::collections::BTreeSet;

use crate::config::AgentConfig;
use berth_schema::api::{StateReason, SuspectedLoss};
use berth_schema::reconcile::{Orphan, WorkspaceDirective};
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, OrganizationId, ResourceVersion, State,
    WorkspaceId, WorkspaceName, WorkspaceSpec,
};
use jiff::Timestamp;

use crate::orphans::OrphanRule;

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
    /// The generation with which its variables last became others; zero: they are those of its creation.
    pub variables_generation: Generation,
    pub deployment_resource_version: Option<ResourceVersion>,
    /// Epoch and sequence of the report that the columns above come from.
    pub reported: Option<(i64, i64)>,
    pub spec: WorkspaceSpec,
    /// Its row holds what this server cannot read: what stands here in its place must go nowhere. It can be removed, and
    /// nothing else.
    pub unreadable: bool,
}

impl Workspace {
    /// What is wanted of it, and what is there.
    pub const fn state(&self) -> State {
        State { desired: self.desired_state, actual: self.actual_state }
    }

    /// Whether the agent has something to do that it has not proven yet.
    pub fn is_pending(&self) -> bool {
        self.state().is_pending(self.generation > self.applied_generation)
    }
}

/// What the database says of one agent's workspaces at one moment: each one that the request reports and that is this
/// agent's, finished ones included, those with something to do, and those that are missing.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub organization_id: OrganizationId,
    pub agent_id: AgentId,
    pub config: AgentConfig,
    pub workspaces: Vec<Workspace>,
    /// For a complete report.
    pub census: Option<Census>,
    /// What was suspected before.
    pub loss: Option<SuspectedLoss>,
    /// An administrator wants a full report.
    pub full_wanted: bool,
    /// Of the organisation's Git hosts.
    pub git_version: i64,
    pub brake: Brake,
    /// What is on record of this agent's orphans, when the message concerns any.
    pub orphans: Vec<OrphanRecord>,
    pub orphan_rule: OrphanRule,
    /// Those that would restart and are not taken by this agent any more: they stay stopped.
    pub refused: BTreeSet<WorkspaceId>,
}

/// Something that the agent has and the server does not know, as it is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrphanRecord {
    pub workspace_id: WorkspaceId,
    pub first_seen_at: Timestamp,
    /// An administrator allowed its removal.
    pub removal_allowed: bool,
}

/// What is to be put on record of orphans. Only changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrphanChanges {
    pub seen: Vec<Orphan>,
    pub gone: Vec<WorkspaceId>,
}

impl Snapshot {
    /// For a message that is no complete report, with nothing on record beside the workspaces.
    pub fn new(
        organization_id: OrganizationId,
        agent_id: AgentId,
        config: AgentConfig,
        workspaces: Vec<Workspace>,
    ) -> Self {
        Self {
            organization_id,
            agent_id,
            config,
            workspaces,
            census: None,
            loss: None,
            full_wanted: false,
            git_version: 0,
            brake: Brake::default(),
            orphans: vec![],
            orphan_rule: OrphanRule::default(),
            refused: BTreeSet::new(),
        }
    }
}

/// A complete report compared with what was proven before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// How many workspaces should be in the cluster.
    pub applied: usize,
    /// Those of them that are not.
    pub missing: BTreeSet<WorkspaceId>,
}

/// How many workspaces may be missing at once without a second look: more than `count` and more than `percent` of those
/// that should be there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brake {
    pub count: usize,
    pub percent: usize,
}

impl Default for Brake {
    fn default() -> Self {
        Self { count: 5, percent: 20 }
    }
}

/// What the caller shall store, answer and log.
#[derive(Debug, Default)]
pub struct Plan {
    /// Only rows that change.
    pub updates: Vec<WorkspaceUpdate>,
    pub directives: Vec<PlannedDirective>,
    pub orphans: Vec<Orphan>,
    pub orphan_changes: OrphanChanges,
    /// Why each workspace with a directive got it, and what it waits for.
    pub report: Vec<Explanation>,
    /// Whether the answer says anything that the agent does not hold already. When not, the caller may hold it back for
    /// as long as the agent said that it would wait.
    pub has_news: bool,
    /// The loss that is suspected from now on.
    pub loss: Option<SuspectedLoss>,
    /// The agent shall list its cluster anew and report everything.
    pub full_reconcile_requested: bool,
    /// Of the organisation's Git hosts.
    pub git_version: i64,
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
    pub variables_generation: Generation,
    pub deployment_resource_version: Option<ResourceVersion>,
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
    /// Without variables and credentials: the caller decrypts and issues those that are wanted.
    pub directive: WorkspaceDirective,
    pub variables_wanted: bool,
    pub credentials_wanted: bool,
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
    /// Objects of it are not as its agent left them.
    Drifted,
    /// Its agent asks for Git credentials.
    CredentialsWanted,
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
            Self::Drifted => "drifted",
            Self::CredentialsWanted => "credentials_wanted",
            Self::NotYetGone => "not_yet_gone",
            Self::Resurrected => "resurrected",
        }
    }
}
