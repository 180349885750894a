//! One process of an agent: `berth_agent_core` with its term of leadership.

use berth_schema::reconcile::{Action, TerminationProgress, UpdateType};
use berth_schema::{ActualState, DesiredState};

use crate::config::Rules;
use crate::network::{Answer, Directive, Info, Request};
use crate::state::{Epoch, Generation, Object, Sequence, Version, Workspace};

/// A process that leads, or believes so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    pub epoch: Epoch,
    pub sequence: Sequence,
    /// The reports in the request whose answer is awaited.
    pub awaiting: Option<Vec<Option<Info>>>,
    pub full_due: bool,
    /// The server has called its epoch stale.
    pub told_stale: bool,
    pub minds: Vec<Mind>,
}

/// What a process knows and does of one workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mind {
    /// What the watch has shown; the cluster may be further.
    pub seen: Option<Object>,
    /// The last report that the server has echoed.
    pub acknowledged: Option<Info>,
    /// A report was sent that the server has not echoed.
    pub told: bool,
    /// To be told again although nothing changed.
    pub again: bool,
    pub entry: Option<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Goal {
    Applied { scaled_up: bool },
    Gone,
}

/// What is being done about a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub generation: Generation,
    pub goal: Goal,
    pub phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The action has begun and has not looked at the cluster.
    Prepared,
    /// It has looked, and found this version of the Deployment or none.
    Looked {
        found: Option<Version>,
    },
    Unproven,
    Leaving,
    Gone,
}

impl Process {
    pub fn new(epoch: Epoch, workspaces: &[Workspace]) -> Self {
        let minds = workspaces
            .iter()
            .map(|workspace| Mind { seen: workspace.live.map(|live| live.object), ..Mind::default() });
        Self { epoch, sequence: 0, awaiting: None, full_due: true, told_stale: false, minds: minds.collect() }
    }

    /// The next request: everything, or what the server has not acknowledged.
    pub fn send(&mut self, rules: Rules) -> Request {
        self.sequence += 1;
        let update_type = if self.full_due { UpdateType::Full } else { UpdateType::Partial };
        let infos: Vec<_> = self.minds.iter_mut().map(|mind| mind.report(update_type, rules)).collect();
        self.awaiting = Some(infos.clone());
        let received = self.minds.iter().map(|mind| mind.entry.map(|entry| entry.generation)).collect();
        Request { update_type, epoch: self.epoch, sequence: self.sequence, infos, received }
    }

    /// Follows an answer. `false`: the epoch is stale, and the process is to end.
    pub fn answered(&mut self, answer: &Answer, rules: Rules) -> bool {
        let Some(sent) = self.awaiting.take() else { return true };
        match answer {
            Answer::Stale => {
                self.told_stale = true;
                !rules.deposed_stops
            }
            Answer::Directives(directives) => {
                self.full_due = false;
                for ((mind, info), directive) in self.minds.iter_mut().zip(sent).zip(directives) {
                    mind.respond(info, *directive);
                }
                true
            }
        }
    }

    /// The watch delivers.
    pub fn watch(&mut self, workspace: usize, seen: Option<Object>) {
        self.minds[workspace].seen = seen;
        self.minds[workspace].settle();
    }

    /// Nothing is under way, and nothing is to be told.
    pub fn is_at_rest(&self) -> bool {
        let rests = |mind: &Mind| mind.entry.is_none() && mind.news().is_none();
        !self.full_due && self.minds.iter().all(rests)
    }
}

impl Mind {
    fn info(&self) -> Option<Info> {
        let terminates = self.entry.filter(|entry| entry.goal == Goal::Gone);
        let told = self.acknowledged.is_some() || self.told;
        // The first apply of a workspace is told once it shows.
        let hidden = !told && self.seen.is_none() && self.entry.is_some() && terminates.is_none();
        let known = told || self.seen.is_some() || self.entry.is_some();
        let progress = terminates.map(|entry| match entry.phase {
            Phase::Gone => TerminationProgress::Terminated,
            _ => TerminationProgress::Terminating,
        });
        (known && !hidden).then_some(Info { object: self.seen, progress })
    }

    /// The report, when the server has not acknowledged it.
    pub fn news(&self) -> Option<Info> {
        self.info().filter(|info| self.again || self.told || self.acknowledged != Some(*info))
    }

    fn report(&mut self, update_type: UpdateType, rules: Rules) -> Option<Info> {
        if update_type == UpdateType::Full {
            *self = Self { seen: self.seen, entry: self.entry, ..Self::default() };
        }
        let info = self.news();
        if !rules.acknowledged_by_echo && info.is_some() {
            (self.acknowledged, self.again) = (info, false);
        }
        self.told |= info.is_some() && rules.remembers_what_was_told && rules.acknowledged_by_echo;
        info
    }

    fn respond(&mut self, sent: Option<Info>, directive: Option<Directive>) {
        let Some(directive) = directive else { return };
        if let Some(info) = sent
            && is_echo(info, directive)
        {
            (self.acknowledged, self.again, self.told) = (sent, false, false);
        }
        let told_gone = sent.is_some_and(|info| info.progress == Some(TerminationProgress::Terminated));
        if told_gone && directive.actual_state == ActualState::Terminated {
            // Forgotten only after the echo.
            *self = Self { seen: self.seen, ..Self::default() };
            return;
        }
        match directive.action {
            Action::None => {}
            Action::Terminate => self.begin(directive.generation, Goal::Gone),
            Action::Create | Action::Update => {
                let scaled_up = directive.desired_state == DesiredState::Running;
                self.begin(directive.generation, Goal::Applied { scaled_up });
            }
        }
    }

    fn begin(&mut self, generation: Generation, goal: Goal) {
        if !self.admits(generation, goal) {
            return;
        }
        let outrun = |seen: Object| match goal {
            Goal::Gone => false,
            Goal::Applied { scaled_up } => {
                seen.generation > generation || (seen.generation == generation && seen.scaled_up == scaled_up)
            }
        };
        if self.seen.is_some_and(outrun) {
            // The cluster has outrun the answer, which was written without knowing it.
            self.again = true;
            return;
        }
        self.entry = Some(Entry { generation, goal, phase: Phase::Prepared });
    }

    fn admits(&self, generation: Generation, goal: Goal) -> bool {
        let Some(entry) = self.entry else { return true };
        if entry.goal == Goal::Gone && goal != Goal::Gone {
            return false;
        }
        let same = entry.generation == generation && entry.goal == goal;
        match entry.phase {
            Phase::Prepared | Phase::Looked { .. } => false,
            Phase::Unproven | Phase::Leaving | Phase::Gone => !same,
        }
    }

    /// What was applied is proven once the watch shows it.
    pub fn settle(&mut self) {
        let proven = |entry: Entry| {
            entry.phase == Phase::Unproven
                && self.seen.is_some_and(|seen| seen.generation >= entry.generation)
        };
        if self.entry.is_some_and(proven) {
            self.entry = None;
        }
    }

    /// Time has passed: a proof did not come, or a deletion is to be looked at again. `false`: nothing waits.
    pub fn time_out(&mut self) -> bool {
        match &mut self.entry {
            Some(entry) if entry.phase == Phase::Leaving => entry.phase = Phase::Prepared,
            Some(entry) if entry.phase == Phase::Unproven => {
                self.entry = None;
                self.again = true;
            }
            _ => return false,
        }
        true
    }
}

/// The answer is of the report that was sent, not of an older one.
fn is_echo(info: Info, directive: Directive) -> bool {
    if info.progress == Some(TerminationProgress::Terminated) {
        return directive.actual_state == ActualState::Terminated;
    }
    let reported = info.object.map(|object| object.version);
    directive.desired_state == DesiredState::Terminated
        || reported.is_none()
        || reported == directive.deployment_resource_version
}

impl Phase {
    /// An action is running.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Prepared | Self::Looked { .. })
    }

    /// Time alone may move it on.
    pub fn waits(self) -> bool {
        matches!(self, Self::Unproven | Self::Leaving)
    }
}
