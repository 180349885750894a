//! The server: users' changes, and an agent's round in two steps, so that a user may come between them.

use berth_planner::intent::{Transition, Wish, transition};
use berth_schema::DesiredState;
use berth_schema::reconcile::{Action, UpdateType};

use crate::config::{Proof, Repeat, Rules};
use crate::network::{Answer, Directive, Request, Response};
use crate::planner;
use crate::state::{Begun, Row, State, Workspace};

impl Workspace {
    /// The desired state that a wish leads to, when it changes anything.
    pub fn change(&self, wish: Wish) -> Option<DesiredState> {
        match transition(self.row.desired_state, self.row.actual_state, wish) {
            Ok(Transition::Change(desired_state)) => Some(desired_state),
            Ok(Transition::AlreadySo) | Err(_) => None,
        }
    }

    /// A user's change: the new state and the next generation in one statement, and then the promise.
    pub fn wish(&mut self, wish: Wish) {
        let Some(desired_state) = self.change(wish) else { return };
        self.row.desired_state = desired_state;
        self.row.generation += 1;
        self.row.unanswered = true;
        self.acknowledged = desired_state;
        if desired_state == DesiredState::RestartRequested {
            self.interrupted = self.live.is_none_or(|live| !live.object.pod);
        }
    }

    /// The first half of a user's transaction: its timestamp is taken.
    pub fn begin(&mut self, wish: Wish) {
        self.begun = Some(Begun { wish, overtaken: false });
    }

    /// The second half: it becomes visible, with the timestamp of the first.
    pub fn commit(&mut self) {
        let Some(begun) = self.begun.take() else { return };
        let before = self.row.unanswered;
        self.wish(begun.wish);
        self.row.unanswered = before || !begun.overtaken;
    }

    /// `pending` of the table: the agent has something to do that it has not proven yet.
    pub fn is_pending(&self, rules: Rules) -> bool {
        let row = &self.row;
        match rules.repeat {
            Repeat::UntilProven => row.state().is_pending(row.generation > row.applied_generation),
            Repeat::UntilAnswered | Repeat::ByTimestamp => row.unanswered && row.state().is_living(),
        }
    }
}

/// Reads what a request is about; the answer follows with [`store`]. A stale epoch is refused at once.
pub fn load(state: &mut State, rules: Rules, request: Request) {
    if request.epoch < state.heard.0 {
        state.responses.push(Response {
            epoch: request.epoch,
            sequence: request.sequence,
            answer: Answer::Stale,
        });
        return;
    }
    for (workspace, info) in state.workspaces.iter_mut().zip(&request.infos) {
        let wanted = match request.update_type {
            UpdateType::Full => !workspace.row.state().is_finished(),
            UpdateType::Partial => workspace.is_pending(rules),
        };
        workspace.read = (wanted || info.is_some()).then_some(workspace.row);
    }
    state.planned = Some(request);
}

/// Decides upon what was read, writes what still holds, and answers.
pub fn store(state: &mut State, rules: Rules) {
    let Some(request) = state.planned.take() else { return };
    let news = take_note(state, rules, &request);
    let directives = state.workspaces.iter_mut().zip(&request.infos).map(|(workspace, info)| {
        let read = workspace.read.take()?;
        let (next, directive) = planner::decide(rules, &read, *info, &request);
        let outdated = news && !workspace.write(rules, &read, &next, &request);
        let directive = directive.filter(|_| !outdated);
        workspace.stamp(rules, news && info.is_some(), directive);
        directive
    });
    let answer = Answer::Directives(directives.collect());
    state.responses.push(Response { epoch: request.epoch, sequence: request.sequence, answer });
}

/// Whether the message is newer than every one before.
fn take_note(state: &mut State, rules: Rules, request: &Request) -> bool {
    let place = if request.reports() { request.position() } else { (request.epoch, 0) };
    if place > state.heard {
        state.heard = place;
        return true;
    }
    rules.proof == Proof::Arrival || !request.reports()
}

impl Workspace {
    /// Stores a row that was decided upon an older reading of it. `false`: it is outdated, nothing was written, and
    /// nothing may be acknowledged.
    fn write(&mut self, rules: Rules, read: &Row, next: &Row, request: &Request) -> bool {
        let columns = |row: &Row| (row.actual_state, row.applied_generation, row.deployment_resource_version);
        let intent = |row: &Row| (row.desired_state, row.generation);
        let changes_intent = intent(read) != intent(next);
        if columns(read) == columns(next) && !changes_intent {
            return true;
        }
        let row = &mut self.row;
        let newer = rules.proof == Proof::Arrival || row.reported < Some(request.position());
        let unchanged = row.generation == read.generation && row.desired_state != DesiredState::Terminated;
        if row.state().is_finished() || !newer || (rules.compare_and_swap && changes_intent && !unchanged) {
            return columns(row) == columns(next) && (!changes_intent || intent(row) == intent(next));
        }
        row.actual_state = next.actual_state;
        row.applied_generation = next.applied_generation;
        row.deployment_resource_version = next.deployment_resource_version;
        row.reported = Some(request.position());
        if changes_intent {
            row.desired_state = next.desired_state;
            row.generation = next.generation;
            row.unanswered = next.unanswered;
        }
        self.finished |= self.row.state().is_finished();
        true
    }

    /// What the rejected rules write down beside.
    fn stamp(&mut self, rules: Rules, reported: bool, directive: Option<Directive>) {
        match rules.repeat {
            Repeat::UntilProven => self.row.unanswered = false,
            Repeat::UntilAnswered => {
                self.row.unanswered &= directive.is_none_or(|directive| directive.action == Action::None);
            }
            Repeat::ByTimestamp if reported => {
                self.row.unanswered = false;
                if let Some(begun) = &mut self.begun {
                    begun.overtaken = true;
                }
            }
            Repeat::ByTimestamp => {}
        }
    }
}
