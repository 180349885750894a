//! The agent's rounds while it leads: report, ask, act.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use berth_agent_core::{Action, Applied, Backoff, Kind, Opened, Outcome, Prepared, Task, Watched, sane};
use berth_schema::reconcile::{
    ErrorDetails, ErrorType, MAX_WAIT_SECONDS, Orphan, OrphanVerdict, Page, Received, ReconcileRequest,
    ReconcileResponse, Settings, UpdateType, WorkspaceAgentInfo,
};
use berth_schema::variables::VariableBundle;
use berth_schema::{Generation, TermId, WorkspaceId};
use futures::StreamExt as _;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::leader::Verdict;
use super::{AgentProcess, apply, remove};
use crate::bugs::Bug;
use crate::cluster::{ApiError, ClusterApi as _};
use crate::faults::Talk;
use crate::network::{NoAnswer, Sender};
use crate::server::{Refused, Speaker, reconcile};

/// Changes that come together are told together.
const COALESCE: Duration = Duration::from_millis(20);
/// How long one action may take.
const ACTION: Duration = Duration::from_secs(60);
/// How soon a full report that the server asks for follows.
const REQUESTED: Duration = Duration::from_secs(2);
/// How long the watches have to show what a fresh list has held, and how long that list may take.
const CATCH_UP: Duration = Duration::from_secs(10);
const RELIST: Duration = Duration::from_secs(30);
/// Below the longest wait that the server allows.
const HOLD_SECONDS: u64 = MAX_WAIT_SECONDS - 5;
/// How long an answer may take beyond the time that it may be held.
const PATIENCE: Duration = Duration::from_secs(20);

type Held = BTreeSet<(WorkspaceId, Generation)>;
type Answer = Result<Result<ReconcileResponse, Refused>, NoAnswer>;

/// One term of leadership. Dropping it ends what it has begun.
pub(super) struct Term {
    process: Rc<AgentProcess>,
    epoch: i64,
    id: TermId,
    sequence: i64,
    settings: Settings,
    full_due: Instant,
    /// The server wants the next full report compared with a fresh list.
    relist: bool,
    /// A server that never has enough, or a list that always fails, does not make it rush.
    relist_from: Instant,
    backoff: Backoff,
    actions: FuturesUnordered<LocalBoxFuture<'static, Action<Applied>>>,
    verdicts: Option<mpsc::Sender<Verdict>>,
}

impl Term {
    pub(super) fn new(
        process: Rc<AgentProcess>,
        epoch: i64,
        settings: Settings,
        verdicts: mpsc::Sender<Verdict>,
    ) -> Self {
        process.agent.borrow_mut().begin_term();
        Self {
            epoch,
            id: TermId::from_uuid(process.env.dice.uuid()),
            sequence: 0,
            settings,
            full_due: process.now(),
            relist: false,
            relist_from: process.now(),
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_mins(1)),
            actions: FuturesUnordered::new(),
            verdicts: Some(verdicts),
            process,
        }
    }

    pub(super) const fn settings(&self) -> Settings {
        self.settings
    }

    /// Goes round until the server says that somebody else leads.
    pub(super) async fn run(&mut self) {
        while !self.process.agent.borrow().index().is_synced() {
            self.process.changed.notified().await;
        }
        loop {
            self.act_on_what_is_due();
            let answer =
                if self.full_due <= self.process.now() { self.full().await } else { self.partial().await };
            match answer {
                Ok(Ok(())) => {}
                Ok(Err(Refused::StaleEpoch)) => {
                    self.process.say(|| "deposed".to_owned());
                    return;
                }
                Ok(Err(Refused::Store(_))) | Err(NoAnswer) => {
                    let pause = self.backoff.next(self.process.env.dice.unit());
                    self.work_for(pause).await;
                }
            }
        }
    }

    /// Everything, page by page.
    async fn full(&mut self) -> Result<Result<(), Refused>, NoAnswer> {
        let mut listed = None;
        if std::mem::take(&mut self.relist) {
            self.relist_from = self.process.now() + CATCH_UP;
            listed = self.relist().await;
        }
        let pages = self.process.agent.borrow_mut().full();
        let interval = Duration::from_secs(self.settings.full_reconciliation_interval_seconds);
        self.full_due = self.process.now() + interval.mul_f64(1.0 - 0.1 * self.process.env.dice.unit());
        let mut result = Ok(Ok(()));
        for (page, infos) in pages {
            let mut request = self.request(UpdateType::Full, infos, page);
            if page.is_some_and(|page| page.last) || (page.is_none() && listed.is_some()) {
                let nothing = BTreeSet::new();
                request.relisted = listed.is_some();
                request.present = self.process.agent.borrow().present(listed.as_ref().unwrap_or(&nothing));
            }
            match self.ask(&request, None).await {
                Some(Ok(Ok(response))) => self.answered(&request, response).await,
                Some(Ok(Err(refused))) => result = Ok(Err(refused)),
                Some(Err(NoAnswer)) => result = Err(NoAnswer),
                None => {}
            }
            if !matches!(result, Ok(Ok(()))) {
                (self.full_due, self.relist) = (self.process.now(), listed.is_some());
                break;
            }
        }
        if listed.is_some_and(|listed| self.process.agent.borrow().has_not_seen(&listed)) {
            self.full_due = self.full_due.min(self.process.now() + CATCH_UP);
        }
        result
    }

    /// A fresh list of the cluster.
    async fn relist(&mut self) -> Option<BTreeSet<WorkspaceId>> {
        let process = Rc::clone(&self.process);
        let listing = async {
            let mut found = BTreeSet::new();
            for kind in [Kind::Namespace, Kind::PersistentVolumeClaim, Kind::Deployment] {
                let listing = process.cluster.list(Watched::Applied(kind), true).await?;
                found.extend(listing.objects.iter().filter_map(|object| object.workspace()));
            }
            Ok::<_, ApiError>(found)
        };
        tokio::select! {
            biased;
            listed = listing => listed.ok(),
            () = process.clock.sleep(RELIST) => None,
            () = self.work(None) => None,
        }
    }

    /// What is new; with nothing new, the server may hold its answer.
    async fn partial(&mut self) -> Result<Result<(), Refused>, NoAnswer> {
        let news = self.process.agent.borrow_mut().news();
        let mut request = self.request(UpdateType::Partial, news, None);
        let mut held = None;
        if request.workspace_agent_infos.is_empty() {
            let left = self.full_due.saturating_duration_since(self.process.now()).as_secs();
            request.wait_seconds = left.clamp(1, HOLD_SECONDS);
            held = Some(generations(&request.received));
        }
        match self.ask(&request, held).await {
            None => Ok(Ok(())),
            Some(Ok(Ok(response))) => {
                self.answered(&request, response).await;
                Ok(Ok(()))
            }
            Some(Ok(Err(refused))) => Ok(Err(refused)),
            Some(Err(NoAnswer)) => {
                self.take_for_answered(&request);
                Err(NoAnswer)
            }
        }
    }

    fn request(
        &mut self,
        update_type: UpdateType,
        workspace_agent_infos: Vec<WorkspaceAgentInfo>,
        page: Option<Page>,
    ) -> ReconcileRequest {
        self.sequence += 1;
        let received = self.process.agent.borrow().received();
        let (epoch, sequence) = (self.epoch, self.sequence);
        ReconcileRequest {
            update_type,
            epoch,
            term: Some(self.id),
            sequence,
            workspace_agent_infos: workspace_agent_infos.into(),
            received,
            page,
            ..ReconcileRequest::default()
        }
    }

    /// Sends a request and goes on with the work while the answer is awaited. `None`: the server held its answer, and
    /// there is news now.
    async fn ask(&mut self, request: &ReconcileRequest, held: Option<Held>) -> Option<Answer> {
        let process = Rc::clone(&self.process);
        process.say(|| tell(request));
        let speaker = Speaker { agent: process.id, process: process.owner };
        let sender = Sender {
            talk: Talk::Agent,
            owner: process.owner,
            patience: Duration::from_secs(request.wait_seconds) + PATIENCE,
        };
        let asked = request.clone();
        let call = process.network.call(sender, move |server| reconcile(server, speaker, asked.clone()));
        tokio::select! {
            biased;
            answer = call => Some(answer),
            () = self.work(held) => None,
        }
    }

    /// Ends actions and begins those that become due. Returns when a held request has become outdated; without one, never.
    async fn work(&mut self, held: Option<Held>) {
        let process = Rc::clone(&self.process);
        loop {
            let due = process.agent.borrow().next_due().unwrap_or(process.now() + Duration::from_hours(1));
            tokio::select! {
                biased;
                () = process.changed.notified() => process.clock.sleep(COALESCE).await,
                Some(action) = self.actions.next() => {
                    let jitter = process.env.dice.unit();
                    process.agent.borrow_mut().finish(action, process.now(), jitter);
                }
                () = process.clock.sleep_until(due) => {}
            }
            self.act_on_what_is_due();
            let Some(held) = &held else { continue };
            let mut agent = process.agent.borrow_mut();
            let outdated = !held.is_subset(&generations(&agent.received()));
            if outdated || agent.has_news() {
                return;
            }
        }
    }

    /// Follows an answer.
    async fn answered(&mut self, request: &ReconcileRequest, response: ReconcileResponse) {
        if let Some(verdicts) = self.verdicts.take() {
            // A verdict that finds the election busy is superseded by that one.
            let _ = verdicts.try_send(Verdict::Accepted);
        }
        self.settings = sane(response.settings);
        let sent = &request.workspace_agent_infos;
        let dice = self.process.env.dice.clone();
        let now = self.process.now();
        let sealed = response.workspaces.iter().filter(|directive| directive.variables.is_some());
        let variables = sealed.map(|directive| (directive.workspace_id, VariableBundle::default())).collect();
        let mut jitter = || dice.unit();
        let plan = self.process.agent.borrow_mut().respond(sent, response, variables, now, &mut jitter);
        if plan.full_requested {
            let soon = (self.process.now() + REQUESTED).max(self.relist_from);
            self.full_due = self.full_due.min(soon);
            self.relist = true;
        }
        for (workspace, skip) in &plan.skipped {
            self.process.say(|| format!("does not follow the directive for {workspace}: {skip:?}"));
        }
        for action in plan.actions {
            self.begin(action);
        }
        if plan.acknowledged < sent.len() {
            let pause = self.backoff.next(dice.unit());
            self.work_for(pause).await;
        } else {
            self.backoff.reset();
        }
    }

    /// The planted mistake: what was sent counts as told.
    fn take_for_answered(&self, request: &ReconcileRequest) {
        if !self.process.env.has(Bug::DroppedAcknowledgement) {
            return;
        }
        let sent = &request.workspace_agent_infos;
        let orphans = sent.iter().map(|info| Orphan {
            workspace_id: info.workspace_id,
            name: info.name.clone(),
            namespace: info.namespace.clone(),
            verdict: OrphanVerdict::Keep,
        });
        let response = ReconcileResponse {
            orphans: orphans.collect(),
            settings: self.settings,
            ..ReconcileResponse::default()
        };
        let now = self.process.now();
        self.process.agent.borrow_mut().respond(sent, response, Opened::default(), now, &mut || 0.0);
    }

    async fn work_for(&mut self, pause: Duration) {
        let process = Rc::clone(&self.process);
        tokio::select! {
            biased;
            () = process.clock.sleep(pause) => {}
            () = self.work(None) => {}
        }
    }

    fn act_on_what_is_due(&mut self) {
        let due = self.process.agent.borrow_mut().tick(self.process.now());
        for action in due {
            self.begin(action);
        }
    }

    fn begin(&mut self, action: Action<Prepared>) {
        self.actions.push(Box::pin(perform(Rc::clone(&self.process), action)));
    }
}

fn tell(request: &ReconcileRequest) -> String {
    let infos = request.workspace_agent_infos.iter().map(|info| {
        let deployment = info.latest_k8s_deployment_info.as_ref();
        let version = deployment.and_then(|deployment| deployment.resource_version.as_deref());
        format!(
            "applied {:?} version {version:?} {:?} pods {} error {:?}",
            info.applied_generation.map(Generation::get),
            info.termination_progress,
            info.live_pods,
            info.error_details.as_ref().map(|error| error.error_message.as_str()),
        )
    });
    let (kind, wait) = (request.update_type.as_str(), request.wait_seconds);
    let place = (request.epoch, request.sequence);
    format!("asks {kind} {place:?} wait {wait}: {:?}", infos.collect::<Vec<_>>())
}

fn generations(received: &[Received]) -> Held {
    received.iter().map(|held| (held.workspace_id, held.generation)).collect()
}

/// Does one action and tells what became of it.
async fn perform(process: Rc<AgentProcess>, action: Action<Prepared>) -> Action<Applied> {
    let work = async {
        match &action.stage.0 {
            Task::Apply(set) => apply::run(&process, &action, set).await,
            Task::Deliver(_) => Err("nobody sets a Git host in this world".to_owned()),
            Task::Terminate => remove::run(&process, &action).await.map(|outcome| (outcome, vec![])),
        }
    };
    let result = tokio::select! {
        biased;
        result = work => result,
        () = process.clock.sleep(ACTION) => Err("the API server did not answer in time".to_owned()),
    };
    let (outcome, left) = result.unwrap_or_else(|error_message| {
        (
            Outcome::Failed(ErrorDetails {
                error_type: ErrorType::Kubernetes,
                error_message: error_message.into(),
            }),
            vec![],
        )
    });
    process.say(|| format!("{} at {}: {outcome:?}", action.workspace, action.generation));
    action.left(outcome, left)
}
