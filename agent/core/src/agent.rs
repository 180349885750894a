//! The agent's mind: facts, work and memory together.

mod places;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use berth_schema::git::GitAsk;
use berth_schema::reconcile::{
    Action as Wish, MAX_WORKSPACES, OrphanVerdict, Received, ReconcileResponse, TerminationProgress,
    WorkspaceAgentInfo, WorkspaceDirective,
};
use berth_schema::variables::VariableBundle;
use berth_schema::{ActualState, Generation, WorkspaceId};

use jiff::Timestamp;

use crate::gate::{self, Admission, Gates};
use crate::home::Home;
use crate::index::Index;
use crate::memory::Memory;
use crate::plan::{self, Action, Applied, Outcome, Plan, Prepared, Task};
use crate::policy::Identity;
use crate::renewals::Renewals;
use crate::sealing::{Credentials, Opened};
use crate::secrets::SecretManifest;
use crate::settings::sane;
use crate::work::{Goal, Skip, Wanted, Work};
use crate::written::Written;

use places::Strays;

/// What was sealed for one workspace.
type Sealed = (Option<VariableBundle>, Option<Credentials>);

/// Everything the agent knows and decides by. It does nothing by itself.
#[derive(Debug)]
pub struct Agent {
    identity: Identity,
    index: Index,
    work: Work,
    memory: Memory,
    /// The most workspaces of one message.
    per_message: usize,
    written: Written,
    /// Whose report may be another one than the server has acknowledged; nobody else's is.
    unsure: BTreeSet<WorkspaceId>,
    git: Renewals,
    /// Where the server says that each workspace lives.
    homes: BTreeMap<WorkspaceId, Home>,
    strays: Strays,
    gates: Gates,
}

impl Agent {
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            index: Index::default(),
            work: Work::default(),
            memory: Memory::default(),
            written: Written::default(),
            unsure: BTreeSet::new(),
            git: Renewals::default(),
            homes: BTreeMap::new(),
            strays: Strays::default(),
            gates: Gates::default(),
            per_message: MAX_WORKSPACES,
        }
    }

    /// Reports at most so many workspaces in a message from now on, within what any server takes.
    pub fn set_workspaces_per_message(&mut self, count: usize) {
        self.per_message = count.clamp(1, MAX_WORKSPACES);
    }

    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub const fn index(&self) -> &Index {
        &self.index
    }

    pub const fn index_mut(&mut self) -> &mut Index {
        &mut self.index
    }

    /// Another term of leadership begins: nothing is known of what was done or told before.
    pub fn begin_term(&mut self) {
        self.work.clear();
        self.memory.clear();
        self.written.clear();
        self.homes.clear();
        self.strays = Strays::default();
        self.unsure = self.known().collect();
        self.look_for_strays(&self.unsure.clone());
        self.git = Renewals::default();
    }

    /// What is to be said of Git credentials in a request. What it asks for is not asked for again before half a minute is
    /// over, so that a server which has none to give is left in peace.
    pub fn ask_for_credentials(&mut self, now: Timestamp) -> GitAsk {
        let due = self.git.due(&self.index, &self.work, |workspace| self.home(workspace));
        let wanted: Vec<_> = due.filter(|(at, _)| *at <= now).map(|(_, workspace)| workspace).collect();
        self.git.asked(wanted, now)
    }

    /// When the next Git credentials are to be asked for.
    pub fn next_renewal(&self) -> Option<Timestamp> {
        self.git.due(&self.index, &self.work, |workspace| self.home(workspace)).map(|(at, _)| at).min()
    }

    /// The directives that are held and not proven yet.
    pub fn received(&self) -> Vec<Received> {
        self.work.received()
    }

    /// What the server's answer to a request that held the reports `sent` leads to. `variables` are those of the answer.
    /// `jitter` draws numbers from 0 up to 1.
    pub fn respond(
        &mut self,
        sent: &[WorkspaceAgentInfo],
        response: ReconcileResponse,
        mut variables: Opened,
        now: Instant,
        jitter: &mut dyn FnMut() -> f64,
    ) -> Plan {
        let mut plan = Plan {
            acknowledged: self.memory.acknowledge(sent, &response),
            full_requested: response.full_reconcile_requested,
            ..Plan::default()
        };
        let heard = sent.iter().filter(|info| self.memory.is_acknowledged(info));
        let heard: BTreeSet<_> = heard.map(|info| info.workspace_id).collect();
        self.git.version = response.git_version;
        self.set_workspaces_per_message(sane(response.settings).workspaces_per_message);
        let mut gone = sent
            .iter()
            .filter(|info| info.termination_progress == Some(TerminationProgress::Terminated))
            .map(|info| info.workspace_id)
            .collect::<BTreeSet<_>>();
        for orphan in response.orphans {
            if gone.remove(&orphan.workspace_id) {
                self.leave(orphan.workspace_id, now);
            } else if orphan.verdict == OrphanVerdict::Remove {
                let wanted = Wanted {
                    workspace: orphan.workspace_id,
                    name: orphan.name,
                    namespace: orphan.namespace,
                    generation: Generation::default(),
                    goal: Goal::Gone,
                    puts_back: false,
                };
                self.terminate(wanted, now, jitter, &mut plan);
            } else if self.shows_nothing_of(orphan.workspace_id) {
                self.forget(orphan.workspace_id);
            }
        }
        for directive in response.workspaces {
            // Forgotten only after the echo: until then `Terminated` is told again and again.
            if gone.contains(&directive.workspace_id) && directive.actual_state == ActualState::Terminated {
                self.leave(directive.workspace_id, now);
                continue;
            }
            let workspace = directive.workspace_id;
            self.learn_home(workspace, &directive);
            let sealed = (variables.variables(workspace), variables.credentials(workspace));
            self.follow(directive, sealed, heard.contains(&workspace), now, jitter, &mut plan);
        }
        plan
    }

    /// Actions that are due without an answer of the server: deletions that go on. To be called after every change and at
    /// [`Agent::next_due`].
    pub fn tick(&mut self, now: Instant) -> Vec<Action<Prepared>> {
        let due = self.work.tick(&self.index, now);
        for workspace in due.repeat {
            self.repeat(workspace);
        }
        for workspace in due.over {
            self.forget(workspace);
        }
        let mut actions = vec![];
        for workspace in due.leaving {
            actions.extend(self.work.resume(workspace).map(|entry| Action {
                workspace,
                name: entry.name.clone(),
                namespace: entry.namespace.clone(),
                generation: entry.generation,
                stage: Prepared(Task::Terminate),
            }));
        }
        actions
    }

    /// Pods that may go to a node now, at most one of a workspace. To be called like [`Agent::tick`].
    pub fn admissions(&mut self, now: Instant) -> Vec<Admission> {
        for workspace in self.gates.pass(self.index.take_torn(), now) {
            self.unsure.insert(workspace);
        }
        let mut admissions = vec![];
        for workspace in self.index.waiting_pods() {
            let Some(home) = self.home(workspace) else { continue };
            let view = self.index.view(workspace, Some(&home));
            let Some((key, pod)) = gate::admissible(&view) else { continue };
            if !self.gates.waits_for_forced(workspace) && self.gates.let_go(workspace, &pod.uid, now) {
                let (pod, uid) = (key.name.clone(), pod.uid.clone());
                admissions.push(Admission { workspace, namespace: home.namespace.clone(), pod, uid });
            }
        }
        self.gates.expire(now);
        admissions
    }

    /// When [`Agent::tick`] or [`Agent::admissions`] has something to do even if nothing happens.
    pub fn next_due(&self) -> Option<Instant> {
        self.work.next_due(&self.index).into_iter().chain(self.gates.next_due()).min()
    }

    /// An action ended. `jitter` is a random number from 0 up to 1.
    pub fn finish(&mut self, action: Action<Applied>, now: Instant, jitter: f64) {
        let Applied { outcome, left } = action.stage;
        match outcome {
            Outcome::Applied => self.written.finish(action.workspace, left),
            // Somebody else has written.
            Outcome::OlderThanLive { .. } => self.written.forget(action.workspace),
            _ => {}
        }
        self.work.finish(action.workspace, outcome, now, jitter);
    }

    /// `heard`: the server had the workspace's newest report when it wrote this.
    fn follow(
        &mut self,
        directive: WorkspaceDirective,
        sealed: Sealed,
        heard: bool,
        now: Instant,
        jitter: &mut dyn FnMut() -> f64,
        plan: &mut Plan,
    ) {
        match directive.action {
            Wish::None => {
                self.work.settle(directive.workspace_id, directive.generation, &self.index);
                if let (_, Some(credentials)) = sealed {
                    self.deliver(&directive, credentials, plan);
                }
            }
            Wish::Terminate => self.terminate(plan::wanted(&directive, Goal::Gone), now, jitter, plan),
            Wish::Create | Wish::Update => self.apply(directive, sealed, heard, now, jitter, plan),
        }
    }

    /// New Git credentials for a workspace that is left as it is otherwise. While anything else is done about it they wait;
    /// they are asked for again.
    fn deliver(&mut self, directive: &WorkspaceDirective, credentials: Credentials, plan: &mut Plan) {
        let wanted = plan::wanted(directive, Goal::Applied);
        let home = wanted.home();
        let lives = self.index.view(wanted.workspace, Some(&home)).deployment().is_some();
        let allowed = self.identity.allows_namespace(wanted.workspace, &wanted.name, &wanted.namespace);
        if lives && allowed.is_ok() && self.work.get(wanted.workspace).is_none() {
            let secret = SecretManifest::credentials(self.identity.agent, directive, credentials);
            plan.actions.push(Action::new(&wanted, Task::Deliver(Box::new(secret))));
            self.work.begin(wanted);
        }
    }

    fn apply(
        &mut self,
        directive: WorkspaceDirective,
        (variables, credentials): Sealed,
        heard: bool,
        now: Instant,
        jitter: &mut dyn FnMut() -> f64,
        plan: &mut Plan,
    ) {
        let mut wanted = plan::wanted(&directive, Goal::Applied);
        let workspace = wanted.workspace;
        let home = wanted.home();
        let deployment = self.index.view(workspace, Some(&home)).deployment();
        let live = deployment.and_then(|fact| fact.applied_generation);
        wanted.puts_back = live == Some(wanted.generation);
        let prepared = self
            .work
            .admit(&wanted, now)
            .and_then(|()| plan::prepare(&self.identity, &self.index, directive, variables, credentials));
        match prepared {
            Ok(mut apply) => {
                self.written.begin(&wanted, &self.index.view(workspace, Some(&home)), &mut apply);
                plan.actions.push(Action::new(&wanted, Task::Apply(Box::new(apply))));
                self.work.begin(wanted);
            }
            Err(skip) => {
                self.record(&skip, wanted, heard, now, jitter());
                plan.skipped.push((workspace, skip));
            }
        }
    }

    fn terminate(&mut self, wanted: Wanted, now: Instant, jitter: &mut dyn FnMut() -> f64, plan: &mut Plan) {
        let workspace = wanted.workspace;
        let allowed = self.work.admit(&wanted, now).and_then(|()| {
            let allowed = self.identity.allows_namespace(wanted.workspace, &wanted.name, &wanted.namespace);
            allowed.map_err(Skip::Refused)
        });
        match allowed {
            Ok(()) => {
                self.written.forget(workspace);
                plan.actions.push(Action::new(&wanted, Task::Terminate));
                self.work.begin(wanted);
            }
            Err(skip) => {
                self.record(&skip, wanted, false, now, jitter());
                plan.skipped.push((workspace, skip));
            }
        }
    }

    /// What the local policy forbids is an error of the workspace, and rests like any other. A directive that the cluster
    /// has outrun was written without knowing it, so it is told again: at once, or where the server did know, after a while.
    fn record(&mut self, skip: &Skip, wanted: Wanted, heard: bool, now: Instant, jitter: f64) {
        let workspace = wanted.workspace;
        let outcome = match skip {
            Skip::Refused(refusal) => Outcome::Failed(plan::refused(refusal)),
            Skip::OlderThanLive { .. } | Skip::AlreadyProven if heard => {
                return self.work.disagree(wanted, now);
            }
            Skip::OlderThanLive { .. } | Skip::AlreadyProven => return self.repeat(workspace),
            Skip::InFlight | Skip::AwaitingProof | Skip::BackingOff { .. } | Skip::BeingTerminated => return,
        };
        self.work.begin(wanted);
        self.work.finish(workspace, outcome, now, jitter);
    }

    /// To be told again although nothing changed.
    fn repeat(&mut self, workspace: WorkspaceId) {
        self.memory.repeat(workspace);
        self.unsure.insert(workspace);
    }

    fn forget(&mut self, workspace: WorkspaceId) {
        self.work.forget(workspace);
        self.memory.forget(workspace);
        self.written.forget(workspace);
        self.index.forget_parted(workspace);
        // Where it lived stays known for as long as anything carries its labels: that is a stray, and no workspace.
        if self.index.everywhere(workspace).next().is_none() {
            self.homes.remove(&workspace);
        }
    }

    /// The server knows that nothing is left of a workspace.
    fn leave(&mut self, workspace: WorkspaceId, now: Instant) {
        if self.work.leave(workspace, &self.index, now) {
            self.forget(workspace);
        }
    }
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
