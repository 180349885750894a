//! The agent's mind: facts, work and memory together.

use std::collections::BTreeSet;
use std::time::Instant;

use berth_schema::git::GitAsk;
use berth_schema::kubernetes::object_name;
use berth_schema::reconcile::{
    Action as Wish, MAX_PRESENT, MAX_WORKSPACES, OrphanVerdict, Received, ReconcileResponse,
    TerminationProgress, WorkspaceAgentInfo, WorkspaceDirective,
};
use berth_schema::variables::VariableBundle;
use berth_schema::{ActualState, Generation, WorkspaceId};

use jiff::Timestamp;

use crate::index::Index;
use crate::memory::Memory;
use crate::plan::{self, Action, Applied, Outcome, Plan, Prepared, Task};
use crate::policy::Identity;
use crate::renewals::Renewals;
use crate::report::{self, Pages};
use crate::sealing::{Credentials, Opened};
use crate::secrets::SecretManifest;
use crate::settings::sane;
use crate::work::{Entry, Goal, Skip, Wanted, Work};
use crate::written::Written;

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
        self.unsure = self.known().collect();
        self.git = Renewals::default();
    }

    /// What is to be said of Git credentials in a request. What it asks for is not asked for again before half a minute is
    /// over, so that a server which has none to give is left in peace.
    pub fn ask_for_credentials(&mut self, now: Timestamp) -> GitAsk {
        let due = self.git.due(&self.index, &self.work);
        let wanted: Vec<_> = due.filter(|(at, _)| *at <= now).map(|(_, workspace)| workspace).collect();
        self.git.asked(wanted, now)
    }

    /// When the next Git credentials are to be asked for.
    pub fn next_renewal(&self) -> Option<Timestamp> {
        self.git.due(&self.index, &self.work).map(|(at, _)| at).min()
    }

    /// The reports of everything, in messages' worth; the memory of acknowledgements begins anew.
    pub fn full(&mut self) -> Pages {
        self.memory.clear();
        let infos: Vec<_> = self.infos().collect();
        self.memory.tell(&infos);
        self.unsure = infos.iter().map(|info| info.workspace_id).collect();
        Pages::new(infos, self.per_message)
    }

    /// Everything that is there, for the last message of a full report: what the agent reports on, and what a list of the
    /// cluster has just held. Nothing when that is more than a message holds: then the server misses nothing.
    pub fn present(&self, listed: &BTreeSet<WorkspaceId>) -> Vec<WorkspaceId> {
        let mut present: BTreeSet<WorkspaceId> = self.infos().map(|info| info.workspace_id).collect();
        present.extend(listed);
        if present.len() > MAX_PRESENT { vec![] } else { present.into_iter().collect() }
    }

    /// Whether a list of the cluster held a workspace that the watches have not shown: it was claimed without being reported,
    /// so another full report has to follow.
    pub fn has_not_seen(&self, listed: &BTreeSet<WorkspaceId>) -> bool {
        let known: BTreeSet<WorkspaceId> = self.infos().map(|info| info.workspace_id).collect();
        !listed.is_subset(&known)
    }

    /// The reports that the server has not acknowledged, at most one message's worth.
    pub fn news(&mut self) -> Vec<WorkspaceAgentInfo> {
        self.look_at_what_changed();
        let unsure = std::mem::take(&mut self.unsure).into_iter();
        let news: Vec<_> = unsure.filter_map(|workspace| self.report(workspace)).collect();
        // They stay so until they are acknowledged.
        self.unsure = news.iter().map(|info| info.workspace_id).collect();
        let news = Pages::new(news, self.per_message).first();
        self.memory.tell(&news);
        news
    }

    pub fn has_news(&mut self) -> bool {
        self.look_at_what_changed();
        while let Some(workspace) = self.unsure.first().copied() {
            if self.report(workspace).is_some() {
                return true;
            }
            self.unsure.remove(&workspace);
        }
        debug_assert!(!self.known().any(|workspace| self.report(workspace).is_some()), "news was overlooked");
        false
    }

    fn look_at_what_changed(&mut self) {
        self.unsure.append(&mut self.index.take_touched());
        self.unsure.append(&mut self.work.take_touched());
    }

    /// The report of a workspace, if it is news.
    fn report(&self, workspace: WorkspaceId) -> Option<WorkspaceAgentInfo> {
        self.info(workspace).filter(|info| self.memory.is_news(info))
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
        self.git.version = response.git_version;
        self.set_workspaces_per_message(sane(response.settings).workspaces_per_message);
        let mut gone = sent
            .iter()
            .filter(|info| info.termination_progress == Some(TerminationProgress::Terminated))
            .map(|info| info.workspace_id)
            .collect::<BTreeSet<_>>();
        for orphan in response.orphans {
            if gone.remove(&orphan.workspace_id) {
                self.forget(orphan.workspace_id);
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
            } else if self.index.view(orphan.workspace_id).is_empty() {
                self.forget(orphan.workspace_id);
            }
        }
        for directive in response.workspaces {
            // Forgotten only after the echo: until then `Terminated` is told again and again.
            if gone.contains(&directive.workspace_id) && directive.actual_state == ActualState::Terminated {
                self.forget(directive.workspace_id);
                continue;
            }
            let workspace = directive.workspace_id;
            let sealed = (variables.variables(workspace), variables.credentials(workspace));
            self.follow(directive, sealed, now, jitter, &mut plan);
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

    /// When [`Agent::tick`] has something to do even if nothing happens.
    pub fn next_due(&self) -> Option<Instant> {
        self.work.next_due(&self.index)
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

    fn follow(
        &mut self,
        directive: WorkspaceDirective,
        sealed: Sealed,
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
            Wish::Create | Wish::Update => self.apply(directive, sealed, now, jitter, plan),
        }
    }

    /// New Git credentials for a workspace that is left as it is otherwise. While anything else is done about it they wait;
    /// they are asked for again.
    fn deliver(&mut self, directive: &WorkspaceDirective, credentials: Credentials, plan: &mut Plan) {
        let wanted = plan::wanted(directive, Goal::Applied);
        let name = object_name(&wanted.name, wanted.workspace, wanted.namespace.as_str());
        let view = self.index.view(wanted.workspace);
        let lives = view.deployment_at(&wanted.namespace, &name).is_some();
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
        now: Instant,
        jitter: &mut dyn FnMut() -> f64,
        plan: &mut Plan,
    ) {
        let mut wanted = plan::wanted(&directive, Goal::Applied);
        let workspace = wanted.workspace;
        let live = self.index.view(workspace).deployment().and_then(|fact| fact.applied_generation);
        wanted.puts_back = variables.is_some() && live == Some(wanted.generation);
        let prepared = self
            .work
            .admit(&wanted, now)
            .and_then(|()| plan::prepare(&self.identity, &self.index, directive, variables, credentials));
        match prepared {
            Ok(mut apply) => {
                self.written.begin(&wanted, &self.index.view(workspace), &mut apply);
                plan.actions.push(Action::new(&wanted, Task::Apply(Box::new(apply))));
                self.work.begin(wanted);
            }
            Err(skip) => {
                self.record(&skip, wanted, now, jitter());
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
                self.record(&skip, wanted, now, jitter());
                plan.skipped.push((workspace, skip));
            }
        }
    }

    /// What the local policy forbids is an error of the workspace, and rests like any other. A directive that the cluster
    /// has outrun was written without knowing it, so it is told again.
    fn record(&mut self, skip: &Skip, wanted: Wanted, now: Instant, jitter: f64) {
        let workspace = wanted.workspace;
        let outcome = match skip {
            Skip::Refused(refusal) => Outcome::Failed(plan::refused(refusal)),
            Skip::OlderThanLive { .. } | Skip::AlreadyProven => {
                self.repeat(workspace);
                return;
            }
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
    }

    /// A report of every workspace that is seen, worked on, or was told of before.
    fn infos(&self) -> impl Iterator<Item = WorkspaceAgentInfo> + '_ {
        self.known().filter_map(|workspace| self.info(workspace))
    }

    fn known(&self) -> impl Iterator<Item = WorkspaceId> + use<> {
        let mut all: BTreeSet<WorkspaceId> = self.index.workspaces().collect();
        all.extend(self.work.workspaces());
        all.extend(self.memory.workspaces());
        all.into_iter()
    }

    fn info(&self, workspace: WorkspaceId) -> Option<WorkspaceAgentInfo> {
        let view = self.index.view(workspace);
        let entry = self.work.get(workspace);
        let last = self.memory.known(workspace);
        // The first apply of a workspace is told when it is complete, or has failed: half of it says nothing.
        let begins = |entry: &Entry| entry.is_on_its_way() && !entry.terminates() && entry.trouble.is_none();
        if last.is_none() && view.deployment().is_none() && entry.is_some_and(begins) {
            return None;
        }
        let names = entry
            .map(|entry| (entry.name.clone(), entry.namespace.clone()))
            .or_else(|| view.names())
            .or_else(|| last.map(|info| (info.name.clone(), info.namespace.clone())))?;
        Some(report::info(workspace, names, &view, entry))
    }
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
