//! What is on its way between an agent and the server. Messages arrive in any order, late, twice or never.

use berth_schema::reconcile::{Action, TerminationProgress, UpdateType};
use berth_schema::{ActualState, DesiredState};

use crate::state::{Epoch, Generation, Object, Sequence, Version};

/// `ReconcileRequest`: a place for each workspace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub update_type: UpdateType,
    pub epoch: Epoch,
    pub sequence: Sequence,
    pub infos: Vec<Option<Info>>,
    /// The generation of the directive that the agent holds without being able to prove it.
    pub received: Vec<Option<Generation>>,
}

/// `WorkspaceAgentInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Info {
    pub object: Option<Object>,
    pub progress: Option<TerminationProgress>,
}

/// `ReconcileResponse`, or 409 `stale-epoch`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Response {
    pub epoch: Epoch,
    /// Of the request: an answer belongs to its connection.
    pub sequence: Sequence,
    pub answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Stale,
    Directives(Vec<Option<Directive>>),
}

/// `WorkspaceDirective`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Directive {
    pub action: Action,
    pub desired_state: DesiredState,
    pub actual_state: ActualState,
    pub generation: Generation,
    pub deployment_resource_version: Option<Version>,
}

impl Request {
    pub fn position(&self) -> (Epoch, Sequence) {
        (self.epoch, self.sequence)
    }

    /// It says something, be it that there is nothing.
    pub fn reports(&self) -> bool {
        self.update_type == UpdateType::Full || self.infos.iter().any(Option::is_some)
    }
}
