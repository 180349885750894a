//! What goes wrong. Every fault is an entry of the scenario, so that a failing run can be shrunk by leaving entries out.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::dice::Dice;
use crate::trace::Trace;

/// Whose messages a fault of the network hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Talk {
    Agent,
    User,
}

/// A fault that lies in wait for the next occasion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trap {
    /// A request is lost: refused at once, or never answered.
    RequestLost(Talk),
    /// It was done, and nobody is told.
    AnswerLost(Talk),
    /// It arrives twice, the second time much later.
    RequestRepeated(Talk),
    /// It arrives when the sender has given up and gone on.
    RequestDelayed(Talk),
    AnswerDelayed(Talk),
    /// The database refuses or loses a transaction before its commit.
    StoreFails,
    /// The connection breaks during the commit: done or not, the server cannot tell.
    CommitUnknown,
    /// The commit takes seconds.
    CommitSlow,
    /// A notification between database and server is lost.
    HintLost,
    /// The API server answers 500 and did nothing.
    ApiFails,
    /// The connection breaks; what was asked is done all the same.
    ApiUnknown,
    /// A request to the API server takes seconds, and arrives even if its sender is dead by then.
    ApiSlow,
    /// The write of a Deployment takes very long, and arrives all the same.
    DeploymentSlow,
    /// The agent's process is stopped between looking at the Deployment and writing it.
    StalledBeforeWrite,
    /// Somebody else wrote first: 409.
    ApiConflict,
    /// An admission webhook refuses.
    ApiRefuses,
    /// A list comes from a cache that is behind.
    ListStale,
    /// A list comes back empty.
    ListEmpty,
    /// A watch shows an event twice.
    EventRepeated,
    /// A watch shows nothing for seconds, then everything.
    EventLate,
    /// A watch is dead and nobody notices until it is due to end.
    WatchSilent,
    /// The next pod does not come up at first.
    PodTrouble,
    /// The Deployment controller sleeps for seconds.
    ControllerSlow,
}

/// A fault that happens at its time. Numbers name a process, a workspace's place or a database, modulo how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blow {
    AgentCrashes(usize),
    /// Stopped and continued, as a machine that is out of memory or migrated.
    AgentFreezes(usize),
    /// A second process with the same name and token runs for a while.
    AgentCloned(usize),
    /// An agent's process and the servers cannot reach each other for a while.
    Partition(usize),
    ServerRestarts(usize),
    /// Postgres crashes and is up again at once: what was not committed is lost.
    DatabaseRestarts,
    /// A server's wall clock is set, by up to minutes.
    ServerClockJumps(usize),
    AgentClockJumps(usize),
    /// All watches of a cluster end and are taken up again.
    WatchesEnd(usize),
    /// All watches of a cluster end, and their place is too old: 410 Gone.
    WatchesExpire(usize),
    /// A person removes objects of a workspace.
    DeploymentDeleted(usize),
    SecretsDeleted(usize),
    /// A person changes values in Secrets of a workspace. Stories have it, drawn worlds do not.
    SecretsEdited(usize),
    NamespaceDeleted(usize),
    /// A person removes the Lease: a new process cannot know which epochs were heard.
    LeaseDeleted(usize),
    /// A person edits the Deployment's replicas.
    DeploymentScaled(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Trap(Trap),
    Blow(Blow),
}

const TRAPS: [Trap; 27] = [
    Trap::RequestLost(Talk::Agent),
    Trap::AnswerLost(Talk::Agent),
    Trap::RequestRepeated(Talk::Agent),
    Trap::RequestDelayed(Talk::Agent),
    Trap::AnswerDelayed(Talk::Agent),
    Trap::RequestLost(Talk::User),
    Trap::AnswerLost(Talk::User),
    Trap::RequestDelayed(Talk::User),
    Trap::AnswerDelayed(Talk::User),
    Trap::StoreFails,
    Trap::CommitUnknown,
    Trap::CommitSlow,
    Trap::HintLost,
    Trap::ApiFails,
    Trap::ApiUnknown,
    Trap::ApiSlow,
    Trap::DeploymentSlow,
    Trap::StalledBeforeWrite,
    Trap::ApiConflict,
    Trap::ApiRefuses,
    Trap::ListStale,
    Trap::ListEmpty,
    Trap::EventRepeated,
    Trap::EventLate,
    Trap::WatchSilent,
    Trap::PodTrouble,
    Trap::ControllerSlow,
];

const BLOWS: [fn(usize) -> Blow; 15] = [
    Blow::AgentCrashes,
    Blow::AgentFreezes,
    Blow::AgentCloned,
    Blow::Partition,
    Blow::ServerRestarts,
    |_| Blow::DatabaseRestarts,
    Blow::ServerClockJumps,
    Blow::AgentClockJumps,
    Blow::WatchesEnd,
    Blow::WatchesExpire,
    Blow::DeploymentDeleted,
    Blow::SecretsDeleted,
    Blow::NamespaceDeleted,
    Blow::DeploymentScaled,
    Blow::LeaseDeleted,
];

/// The kinds of faults that one run has. Few kinds, often, find more than all of them, rarely.
#[derive(Debug)]
pub struct Kinds {
    traps: Vec<Trap>,
    blows: Vec<fn(usize) -> Blow>,
}

impl Kinds {
    pub fn draw(dice: &Dice) -> Self {
        let share = dice.pick(&[15, 40, 100]);
        let mut kinds = Self {
            traps: TRAPS.into_iter().filter(|_| dice.chance(share)).collect(),
            blows: BLOWS.into_iter().filter(|_| dice.chance(share)).collect(),
        };
        if kinds.traps.is_empty() {
            kinds.traps.push(dice.pick(&TRAPS));
        }
        if kinds.blows.is_empty() {
            kinds.blows.push(dice.pick(&BLOWS));
        }
        kinds
    }

    pub fn one(&self, dice: &Dice) -> Fault {
        if dice.chance(55) {
            Fault::Trap(dice.pick(&self.traps))
        } else {
            Fault::Blow(dice.pick(&self.blows)(dice.below(8)))
        }
    }

    pub fn blow(&self, dice: &Dice) -> Fault {
        Fault::Blow(dice.pick(&self.blows)(dice.below(8)))
    }
}

/// The traps that are set, and how many faults there were.
#[derive(Debug, Default)]
pub struct Faults {
    armed: RefCell<BTreeMap<Trap, u32>>,
    hits: Cell<u32>,
}

impl Faults {
    pub fn arm(&self, trap: Trap) {
        *self.armed.borrow_mut().entry(trap).or_default() += 1;
    }

    /// Faults end: what was not sprung yet never will be.
    pub fn disarm(&self) {
        self.armed.borrow_mut().clear();
    }

    /// Whether the trap was set; it is not any more.
    pub fn spring(&self, trap: Trap, trace: &Trace) -> bool {
        let mut armed = self.armed.borrow_mut();
        let Some(count) = armed.get_mut(&trap) else { return false };
        *count -= 1;
        if *count == 0 {
            armed.remove(&trap);
        }
        self.hit();
        trace.say("fault", || format!("{trap:?}"));
        true
    }

    /// A fault happened.
    pub fn hit(&self) {
        self.hits.set(self.hits.get() + 1);
    }

    pub fn hits(&self) -> u32 {
        self.hits.get()
    }
}
