//! What may happen next.

use berth_planner::intent::Wish;

use crate::agent::Phase;
use crate::cluster;
use crate::config::{Bounds, Repeat, Rules};
use crate::network::Request;
use crate::server;
use crate::state::{Generation, State, Workspace};

/// One thing that happens. Processes and workspaces are counted from 0, processes from the oldest leader on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A user's change is accepted.
    User {
        workspace: usize,
        wish: Wish,
    },
    /// A user's transaction takes its timestamp (timestamp rule only) …
    Begin {
        workspace: usize,
        wish: Wish,
    },
    /// … and becomes visible.
    Commit {
        workspace: usize,
    },
    /// Another process takes the Lease. The older one may still run.
    Elect,
    Crash {
        process: usize,
    },
    Send {
        process: usize,
    },
    /// The process waits for an answer no longer; the request may still arrive.
    GiveUp {
        process: usize,
    },
    /// The server reads what a request is about.
    Load {
        request: usize,
    },
    /// The same, and the network keeps a copy.
    LoadAndRepeat {
        request: usize,
    },
    Lose {
        request: usize,
    },
    /// The server decides, writes and answers.
    Store,
    Deliver {
        response: usize,
    },
    Watch {
        process: usize,
        workspace: usize,
    },
    /// An action looks at the cluster, or writes.
    Act {
        process: usize,
        workspace: usize,
    },
    TimeOut {
        process: usize,
        workspace: usize,
    },
    /// Kubernetes makes the pod, or removes what is to go.
    Kubernetes {
        workspace: usize,
    },
    /// Somebody deletes the workspace's namespace, …
    DeleteByHand {
        workspace: usize,
    },
    /// … or scales its Deployment.
    ScaleByHand {
        workspace: usize,
    },
}

impl Step {
    /// Whether it counts as a fault.
    fn is_fault(&self, state: &State) -> bool {
        match self {
            Self::Crash { .. }
            | Self::Lose { .. }
            | Self::LoadAndRepeat { .. }
            | Self::DeleteByHand { .. }
            | Self::ScaleByHand { .. } => true,
            Self::GiveUp { process } => state.may_be_answered(*process) && !state.polls(*process),
            Self::TimeOut { process, workspace } => !state.waits_in_vain(*process, *workspace),
            _ => false,
        }
    }
}

impl State {
    /// Whether an answer to the process' request can still come.
    pub fn may_be_answered(&self, process: usize) -> bool {
        let process = &self.processes[process];
        let place = (process.epoch, process.sequence);
        self.requests.iter().chain(&self.planned).any(|request| request.position() == place)
            || self.responses.iter().any(|response| (response.epoch, response.sequence) == place)
    }

    /// Whether the process only waits for something new. It may drop that whenever it has news itself.
    fn polls(&self, process: usize) -> bool {
        let sent = &self.processes[process].awaiting;
        !self.processes[process].full_due
            && sent.as_ref().is_some_and(|sent| sent.iter().all(Option::is_none))
    }

    /// Whether what the process waits for will not come by itself.
    fn waits_in_vain(&self, process: usize, workspace: usize) -> bool {
        let (mind, live) = (&self.processes[process].minds[workspace], self.workspaces[workspace].live);
        match mind.entry {
            Some(entry) if entry.phase == Phase::Leaving => {
                mind.seen.is_none() || live.is_some_and(|live| !live.leaving)
            }
            Some(entry) => live.is_none_or(|live| live.object.generation < entry.generation),
            None => false,
        }
    }

    /// Whether the server holds its answer: it has nothing to say that the agent does not hold already.
    fn is_held(&self, rules: Rules, request: &Request) -> bool {
        let held = |(workspace, received): (&Workspace, &Option<Generation>)| {
            !workspace.is_pending(rules) || *received == Some(workspace.row.generation)
        };
        request.epoch >= self.heard.0
            && !request.reports()
            && self.workspaces.iter().zip(&request.received).all(held)
    }

    /// Everything that may happen within the bounds.
    pub fn steps(&self, bounds: &Bounds, rules: Rules, steps: &mut Vec<Step>) {
        self.steps_of_users(rules, steps);
        if self.lease < bounds.epochs && self.processes.len() < 2 {
            steps.push(Step::Elect);
        }
        for process in 0..self.processes.len() {
            self.steps_of_process(process, steps);
        }
        if self.planned.is_some() {
            steps.push(Step::Store);
        } else {
            let answered = (0..self.requests.len()).filter(|at| !self.is_held(rules, &self.requests[*at]));
            steps.extend(answered.map(|request| Step::Load { request }));
        }
        steps.extend((0..self.responses.len()).map(|response| Step::Deliver { response }));
        for (workspace, place) in self.workspaces.iter().enumerate() {
            if place.is_moving() {
                steps.push(Step::Kubernetes { workspace });
            }
        }
        if self.faults_left > 0 {
            self.faults(steps);
        }
    }

    fn steps_of_users(&self, rules: Rules, steps: &mut Vec<Step>) {
        for (workspace, place) in self.workspaces.iter().enumerate() {
            if place.begun.is_some() {
                steps.push(Step::Commit { workspace });
            }
            // To the protocol a resize is a rebuild, and so are other variables: another generation of the same wish.
            let wishes = Wish::ALL.into_iter().filter(|wish| {
                !matches!(wish, Wish::Resize | Wish::ChangeVariables)
                    && self.wishes_left > 0
                    && place.begun.is_none()
                    && place.change(*wish).is_some()
            });
            steps.extend(wishes.map(|wish| match rules.repeat {
                Repeat::ByTimestamp => Step::Begin { workspace, wish },
                _ => Step::User { workspace, wish },
            }));
        }
    }

    fn steps_of_process(&self, process: usize, steps: &mut Vec<Step>) {
        let this = &self.processes[process];
        if this.awaiting.is_none() {
            steps.push(Step::Send { process });
        } else if !self.may_be_answered(process) || (self.polls(process) && !this.is_at_rest()) {
            steps.push(Step::GiveUp { process });
        }
        for (workspace, (mind, place)) in this.minds.iter().zip(&self.workspaces).enumerate() {
            if mind.seen != place.live.map(|live| live.object) {
                steps.push(Step::Watch { process, workspace });
            }
            if mind.entry.is_some_and(|entry| entry.phase.is_under_way()) {
                steps.push(Step::Act { process, workspace });
            } else if mind.entry.is_some_and(|entry| entry.phase.waits())
                && (self.faults_left > 0 || self.waits_in_vain(process, workspace))
            {
                steps.push(Step::TimeOut { process, workspace });
            }
        }
    }

    fn faults(&self, steps: &mut Vec<Step>) {
        for (process, this) in self.processes.iter().enumerate() {
            steps.push(Step::Crash { process });
            if this.awaiting.is_some() && self.may_be_answered(process) && !self.polls(process) {
                steps.push(Step::GiveUp { process });
            }
        }
        for request in 0..self.requests.len() {
            steps.push(Step::Lose { request });
            if self.planned.is_none() && self.requests[request].reports() {
                steps.push(Step::LoadAndRepeat { request });
            }
        }
        for (workspace, place) in self.workspaces.iter().enumerate() {
            if place.live.is_some_and(|live| !live.leaving) {
                steps.push(Step::DeleteByHand { workspace });
                steps.push(Step::ScaleByHand { workspace });
            }
        }
    }

    /// Takes a step and counts anew.
    pub fn take(&mut self, rules: Rules, step: &Step) {
        self.perform(rules, step);
        // Nobody can come between the reading and the writing of a transaction any more: the two are one.
        if self.planned.is_some() && self.wishes_left == 0 {
            self.perform(rules, &Step::Store);
        }
        self.tidy();
    }

    pub(crate) fn perform(&mut self, rules: Rules, step: &Step) {
        if step.is_fault(self) {
            self.faults_left = self.faults_left.saturating_sub(1);
        }
        match step {
            Step::User { workspace, wish } => {
                self.wishes_left -= 1;
                self.workspaces[*workspace].wish(*wish);
            }
            Step::Begin { workspace, wish } => {
                self.wishes_left -= 1;
                self.workspaces[*workspace].begin(*wish);
            }
            Step::Commit { workspace } => self.workspaces[*workspace].commit(),
            Step::Elect => self.elect(),
            Step::Crash { process } => drop(self.processes.remove(*process)),
            Step::Send { process } => self.requests.push(self.processes[*process].send(rules)),
            Step::GiveUp { process } => self.give_up(*process),
            Step::Load { request } => {
                let request = self.requests.remove(*request);
                server::load(self, rules, request);
            }
            Step::LoadAndRepeat { request } => server::load(self, rules, self.requests[*request].clone()),
            Step::Lose { request } => drop(self.requests.remove(*request)),
            Step::Store => server::store(self, rules),
            Step::Deliver { response } => self.deliver(rules, *response),
            Step::Watch { process, workspace } => {
                let seen = self.workspaces[*workspace].live.map(|live| live.object);
                self.processes[*process].watch(*workspace, seen);
            }
            Step::Act { process, workspace } => {
                cluster::act(self, rules, *process, *workspace);
            }
            Step::TimeOut { process, workspace } => {
                self.processes[*process].minds[*workspace].time_out();
            }
            Step::Kubernetes { workspace } => {
                let version = self.fresh_version(*workspace);
                self.workspaces[*workspace].move_on(version);
            }
            Step::DeleteByHand { workspace } => self.workspaces[*workspace].delete_by_hand(),
            Step::ScaleByHand { workspace } => {
                let version = self.fresh_version(*workspace);
                self.workspaces[*workspace].scale_by_hand(version);
            }
        }
    }

    /// With a poll its connection ends; what reports something may still arrive.
    fn give_up(&mut self, process: usize) {
        if self.polls(process) {
            let place = (self.processes[process].epoch, self.processes[process].sequence);
            self.requests.retain(|request| request.position() != place);
        }
        self.processes[process].awaiting = None;
    }

    fn deliver(&mut self, rules: Rules, response: usize) {
        let response = self.responses.remove(response);
        let place = (response.epoch, response.sequence);
        let waits = self.processes.iter().position(|process| (process.epoch, process.sequence) == place);
        if let Some(process) = waits
            && !self.processes[process].answered(&response.answer, rules)
        {
            self.processes.remove(process);
        }
    }
}
