//! Everything that there is at one moment, on all sides at once.
//!
//! The names are those of the code. Numbers are small on purpose: a state is hashed and copied millions of times.

use berth_planner::intent::Wish;
use berth_schema::{ActualState, DesiredState};

use crate::agent::Process;
use crate::config::Bounds;
use crate::network::{Request, Response};

/// `berth_schema::Generation`, small.
pub type Generation = u8;
/// Transitions of the Lease.
pub type Epoch = u8;
/// A request's place among those of its epoch.
pub type Sequence = u8;
/// A resource version: compared for equality alone.
pub type Version = u8;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub workspaces: Vec<Workspace>,
    /// Highest epoch that the server has seen, and the highest sequence of it whose report was taken.
    pub heard: (Epoch, Sequence),
    /// A transaction that has read and not yet written.
    pub planned: Option<Request>,
    /// Transitions of the Lease.
    pub lease: Epoch,
    /// Those that lead or believe so, the oldest first.
    pub processes: Vec<Process>,
    pub requests: Vec<Request>,
    pub responses: Vec<Response>,
    pub wishes_left: u8,
    pub faults_left: u8,
    /// An agent has put an older generation in the place of a newer one.
    pub lowered: bool,
    /// An agent has written after it was told that its epoch is stale.
    pub wrote_after_told: bool,
}

/// One workspace on all sides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Workspace {
    pub row: Row,
    /// What the transaction under way has read.
    pub read: Option<Row>,
    pub live: Option<Live>,
    /// The last wish that a user was told is accepted.
    pub acknowledged: DesiredState,
    /// There was a moment without a pod since the last restart was asked for.
    pub interrupted: bool,
    /// It was once Terminated in both states.
    pub finished: bool,
    /// A user's transaction that has taken its timestamp and is not committed (timestamp rule only).
    pub begun: Option<Begun>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Begun {
    pub wish: Wish,
    /// A report was stored since.
    pub overtaken: bool,
}

/// A row of `workspaces`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    pub desired_state: DesiredState,
    pub actual_state: ActualState,
    pub generation: Generation,
    pub applied_generation: Generation,
    pub deployment_resource_version: Option<Version>,
    /// Epoch and sequence of the report that the columns above come from.
    pub reported: Option<(Epoch, Sequence)>,
    /// What the rejected rules decide by: the change is not answered, or not older than the newest report.
    pub unanswered: bool,
}

/// The live Deployment and its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Live {
    pub object: Object,
    /// Its namespace is being deleted.
    pub leaving: bool,
}

/// What is seen of a Deployment and its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// The annotation: the proof of application.
    pub generation: Generation,
    /// `spec.replicas` is 1, not 0.
    pub scaled_up: bool,
    /// There is a pod.
    pub pod: bool,
    pub version: Version,
}

impl State {
    /// Every workspace was just created, and the first agent has just been elected.
    pub fn first(bounds: &Bounds) -> Self {
        let row = Row {
            desired_state: DesiredState::Running,
            actual_state: ActualState::CreationRequested,
            generation: 1,
            applied_generation: 0,
            deployment_resource_version: None,
            reported: None,
            unanswered: true,
        };
        let workspace = Workspace {
            row,
            read: None,
            live: None,
            acknowledged: DesiredState::Running,
            interrupted: false,
            finished: false,
            begun: None,
        };
        let mut state = Self {
            workspaces: vec![workspace; bounds.workspaces],
            heard: (0, 0),
            planned: None,
            lease: 0,
            processes: vec![],
            requests: vec![],
            responses: vec![],
            wishes_left: bounds.wishes,
            faults_left: bounds.faults,
            lowered: false,
            wrote_after_told: false,
        };
        state.elect();
        state
    }

    /// A new leader lists the cluster and begins with an empty memory. The older one, if there is one, does not know yet.
    pub fn elect(&mut self) {
        self.lease += 1;
        self.processes.push(Process::new(self.lease, &self.workspaces));
    }
}

impl Row {
    /// What is wanted of it, and what is there.
    pub const fn state(&self) -> berth_schema::State {
        berth_schema::State { desired: self.desired_state, actual: self.actual_state }
    }
}

impl Workspace {
    /// What the user was promised is in the cluster and on record.
    pub fn in_force(&self) -> bool {
        let object = self.live.filter(|live| !live.leaving).map(|live| live.object);
        let at = |scaled_up: bool| {
            object.is_some_and(|object| {
                object.generation == self.row.generation
                    && object.scaled_up == scaled_up
                    && object.pod == scaled_up
            })
        };
        match self.row.desired_state {
            DesiredState::Running => at(true) && self.row.actual_state == ActualState::Running,
            DesiredState::Stopped => at(false) && self.row.actual_state == ActualState::Stopped,
            DesiredState::Terminated => {
                self.live.is_none() && self.row.actual_state == ActualState::Terminated
            }
            // The server has to end it.
            DesiredState::RestartRequested => false,
        }
    }
}
