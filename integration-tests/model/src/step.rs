//! What may happen next.

use berth_planner::intent::Wish;

use crate::cluster;
use crate::config::{Bounds, Repeat, Rules};
use crate::network::{Request, Response};
use crate::server;
use crate::state::State;

/// One thing that happens. Processes and workspaces are counted from 0, processes from the oldest leader on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A user's change is accepted.
    User { workspace: usize, wish: Wish },
    /// A user's transaction takes its timestamp (timestamp rule only) …
    Begin { workspace: usize, wish: Wish },
    /// … and becomes visible.
    Commit { workspace: usize },
    /// Another process takes the Lease. The older one may still run.
    Elect,
    Crash { process: usize },
    Send { process: usize },
    /// The process waits for an answer no longer; the request may still arrive.
    GiveUp { process: usize },
    /// The server reads what a request is about.
    Load(Request),
    /// The same, and the network keeps a copy.
    LoadAndRepeat(Request),
    Lose(Request),
    /// The server decides, writes and answers.
    Store,
    Deliver(Response),
    Watch { process: usize, workspace: usize },
    /// An action looks at the cluster, or writes.
    Act { process: usize, workspace: usize },
    TimeOut { process: usize, workspace: usize },
    /// Kubernetes makes the pod, or removes what is to go.
    Kubernetes { workspace: usize },
    /// Somebody deletes the workspace's namespace.
    DeleteByHand { workspace: usize },
}

impl Step {
    /// Whether it counts as a fault.
    fn is_fault(&self, state: &State) -> bool {
        match self {
            Self::Crash { .. } | Self::Lose(_) | Self::LoadAndRepeat(_) | Self::DeleteByHand { .. } => true,
            Self::GiveUp { process } => state.may_be_answered(*process),
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

    /// Everything that may happen within the bounds.
    pub fn steps(&self, bounds: &Bounds, rules: &Rules, steps: &mut Vec<Step>) {
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
            steps.extend(self.requests.iter().cloned().map(Step::Load));
        }
        steps.extend(self.responses.iter().cloned().map(Step::Deliver));
        for (workspace, place) in self.workspaces.iter().enumerate() {
            if place.is_moving() {
                steps.push(Step::Kubernetes { workspace });
            }
        }
        if self.faults_left > 0 {
            self.faults(steps);
        }
    }

    fn steps_of_users(&self, rules: &Rules, steps: &mut Vec<Step>) {
        for (workspace, place) in self.workspaces.iter().enumerate() {
            if place.begun.is_some() {
                steps.push(Step::Commit { workspace });
            }
            let wishes = Wish::ALL.into_iter().filter(|wish| {
                self.wishes_left > 0 && place.begun.is_none() && place.change(*wish).is_some()
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
        } else if !self.may_be_answered(process) {
            steps.push(Step::GiveUp { process });
        }
        for (workspace, (mind, place)) in this.minds.iter().zip(&self.workspaces).enumerate() {
            if mind.seen != place.live.map(|live| live.object) {
                steps.push(Step::Watch { process, workspace });
            }
            if mind.entry.is_some_and(|entry| entry.phase.is_under_way()) {
                steps.push(Step::Act { process, workspace });
            } else if mind.entry.is_some_and(|entry| entry.phase.waits()) {
                steps.push(Step::TimeOut { process, workspace });
            }
        }
    }

    fn faults(&self, steps: &mut Vec<Step>) {
        for (process, this) in self.processes.iter().enumerate() {
            steps.push(Step::Crash { process });
            if this.awaiting.is_some() && self.may_be_answered(process) {
                steps.push(Step::GiveUp { process });
            }
        }
        for request in &self.requests {
            steps.push(Step::Lose(request.clone()));
            if self.planned.is_none() {
                steps.push(Step::LoadAndRepeat(request.clone()));
            }
        }
        for (workspace, place) in self.workspaces.iter().enumerate() {
            if place.live.is_some_and(|live| !live.leaving) {
                steps.push(Step::DeleteByHand { workspace });
            }
        }
    }

    /// Takes a step in place.
    pub fn take(&mut self, rules: &Rules, step: &Step) {
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
            Step::GiveUp { process } => self.processes[*process].awaiting = None,
            Step::Load(request) => {
                self.withdraw(request);
                server::load(self, rules, request.clone());
            }
            Step::LoadAndRepeat(request) => server::load(self, rules, request.clone()),
            Step::Lose(request) => self.withdraw(request),
            Step::Store => server::store(self, rules),
            Step::Deliver(response) => self.deliver(rules, response),
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
        }
        self.tidy();
    }

    fn withdraw(&mut self, request: &Request) {
        if let Some(at) = self.requests.iter().position(|other| other == request) {
            self.requests.remove(at);
        }
    }

    fn deliver(&mut self, rules: &Rules, response: &Response) {
        self.responses.retain(|other| other != response);
        let place = (response.epoch, response.sequence);
        let waits = self.processes.iter().position(|process| (process.epoch, process.sequence) == place);
        if let Some(process) = waits
            && !self.processes[process].answered(&response.answer, rules)
        {
            self.processes.remove(process);
        }
    }
}
