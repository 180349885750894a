//! The agent's rounds while it leads: report, ask, act.

mod acting;
mod canary;
mod endure;
mod full;
mod proxy;
mod tending;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_agent_core::{Action, Applied, Backoff, KeyRing, Opened, sane};
use berth_schema::reconcile::{
    MAX_WAIT_SECONDS, Page, Received, ReconcileRequest, ReconcileResponse, Settings, UpdateType,
    WorkspaceAgentInfo,
};
use berth_schema::sealing::PublicKey;
use berth_schema::{Generation, TermId, WorkspaceId};
use k8s_openapi::jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::canary::Source;
use crate::cluster::Cluster;
use crate::keys::{KeyError, KeyStore};
use crate::metrics::Round;
use crate::server::{Server, ServerError};
use crate::shared::Shared;
use canary::NetworkChecking;
use proxy::ProxyKeeping;
use tending::Tending;

/// Changes that come together are told together.
const COALESCE: Duration = Duration::from_millis(20);
/// One change of the cluster shows in several watches.
const TOGETHER: Duration = Duration::from_millis(2);
/// How many workspaces are acted on at once.
const CONCURRENCY: usize = 16;
/// How soon a full report that the server asks for follows.
const REQUESTED: Duration = Duration::from_secs(2);
/// How often it is looked whether another key is due.
const KEYS_LOOKED_AT: Duration = Duration::from_mins(10);
const FAR_AWAY: Duration = Duration::from_hours(1);
/// Below the longest wait that the server allows, so that its own clock decides.
const HOLD_SECONDS: u64 = MAX_WAIT_SECONDS - 5;

/// What a term of leadership works with.
#[derive(Clone, Debug)]
pub struct Desk {
    pub cluster: Cluster,
    pub server: Server,
    pub keys: KeyStore,
    pub shared: Arc<Shared>,
    pub canary: Source,
}

/// Why a term ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deposed;

/// Why a round came to nothing.
#[derive(Debug, thiserror::Error)]
enum TermError {
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Keys(#[from] KeyError),
}

impl TermError {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Server(error) => error.kind(),
            Self::Keys(_) => "keys",
        }
    }
}

/// One term of leadership.
pub struct Term {
    desk: Desk,
    epoch: i64,
    id: TermId,
    sequence: i64,
    settings: Settings,
    full_due: Instant,
    /// The server wants the next full report compared with a fresh list.
    relist: bool,
    /// A server that never has enough, or a list that always fails, does not make it rush.
    relist_from: Instant,
    /// When what lies in foreign places may be told of again, out of turn.
    strays_from: Instant,
    tending: Tending,
    check: NetworkChecking,
    proxy: ProxyKeeping,
    keys: KeyRing,
    keys_due: Instant,
    registered: Option<PublicKey>,
    /// How often the token was replaced when that key was registered: with a token ends what was registered with it.
    token: u64,
    /// When changes of the cluster were last told.
    told: Instant,
    backoff: Backoff,
    actions: JoinSet<Action<Applied>>,
    /// Pods being let go to their nodes.
    admissions: JoinSet<()>,
    slots: Arc<Semaphore>,
    accepted: Option<Box<dyn FnOnce() + Send>>,
}

impl std::fmt::Debug for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Term")
            .field("epoch", &self.epoch)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

impl Term {
    /// Begins a term. `settings` are the last that the server gave; `accepted` is called at its first answer.
    pub fn new(desk: Desk, epoch: i64, settings: Settings, accepted: impl FnOnce() + Send + 'static) -> Self {
        desk.shared.agent().begin_term();
        Self {
            desk,
            epoch,
            id: TermId::random(),
            sequence: 0,
            settings,
            full_due: Instant::now(),
            relist: false,
            relist_from: Instant::now(),
            strays_from: Instant::now(),
            tending: Tending::default(),
            check: NetworkChecking::default(),
            proxy: ProxyKeeping::default(),
            keys: KeyRing::default(),
            keys_due: Instant::now(),
            registered: None,
            token: 0,
            told: Instant::now(),
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_mins(1)),
            actions: JoinSet::new(),
            admissions: JoinSet::new(),
            slots: Arc::new(Semaphore::new(CONCURRENCY)),
            accepted: Some(Box::new(accepted)),
        }
    }

    /// Goes round until the server says that somebody else leads. Dropping the future stops all writing at once.
    pub async fn run(&mut self) -> Deposed {
        while !self.desk.shared.agent().index().is_synced() {
            self.desk.shared.changed.notified().await;
        }
        loop {
            self.act_on_what_is_due();
            let full = self.full_due <= Instant::now();
            // With the first full report comes the namespace that it is kept in.
            if !full {
                if self.tending.lacks_secrets() {
                    self.proxy.hasten();
                }
                self.proxy.begin_when_due(&self.desk);
                self.tending.begin_when_due(&self.desk);
            }
            let result = match self.register().await {
                Ok(()) if full => self.everything().await,
                Ok(()) if self.check.is_done() || self.tending.has_news() => self.tell_of_the_cluster().await,
                Ok(()) => self.partial().await,
                Err(error) => Err(error),
            };
            let update_type = if full { "full" } else { "partial" };
            let outcome = match result {
                Ok(outcome) => outcome,
                Err(TermError::Server(ServerError::StaleEpoch { detail })) => {
                    tracing::warn!(epoch = self.epoch, %detail, "deposed");
                    return Deposed;
                }
                Err(error) => {
                    self.endure(&error).await;
                    error.kind()
                }
            };
            let rounds = &self.desk.shared.metrics.rounds;
            rounds.get_or_create(&Round { update_type, outcome }).inc();
        }
    }

    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// Sees to it that the server knows the key to seal variables to. A standby that became the leader finds the keys of
    /// the leader before it.
    async fn register(&mut self) -> Result<(), TermError> {
        let token = self.desk.server.refresh_token();
        if std::mem::replace(&mut self.token, token) != token {
            self.registered = None;
        }
        if self.keys_due <= Instant::now() {
            self.keys = self.desk.keys.load(Timestamp::now()).await?;
            self.keys_due = Instant::now() + KEYS_LOOKED_AT;
        }
        let newest = self.keys.newest().filter(|newest| self.registered != Some(*newest));
        if let Some(newest) = newest {
            self.desk.server.register_key(newest).await?;
            self.registered = Some(newest);
            tracing::info!(key = %newest, "the server seals variables to this key now");
        }
        Ok(())
    }

    /// What is new; with nothing new, the server may hold its answer.
    async fn partial(&mut self) -> Result<&'static str, TermError> {
        let news = self.desk.shared.agent().news();
        let mut request = self.request(UpdateType::Partial, news, None);
        let held = if request.workspace_agent_infos.is_empty() {
            request.wait_seconds = self.hold_seconds();
            Some(generations(&request.received))
        } else {
            self.told = Instant::now();
            None
        };
        let Some(response) = self.ask(&request, held).await.transpose()? else {
            return Ok("dropped");
        };
        self.answered(&request, Some(response)).await;
        Ok("answered")
    }

    /// The server hears of the agent at least once in each partial interval, and the next full report is not delayed.
    fn hold_seconds(&self) -> u64 {
        let left = self.full_due.saturating_duration_since(Instant::now());
        let interval = self.settings.partial_reconciliation_interval_seconds;
        left.as_secs().min(interval).clamp(1, HOLD_SECONDS)
    }

    fn request(
        &mut self,
        update_type: UpdateType,
        workspace_agent_infos: Vec<WorkspaceAgentInfo>,
        page: Option<Page>,
    ) -> ReconcileRequest {
        self.sequence += 1;
        let git = self.desk.shared.agent().ask_for_credentials(Timestamp::now());
        ReconcileRequest {
            git: Some(git),
            update_type,
            epoch: self.epoch,
            term: Some(self.id),
            sequence: self.sequence,
            workspace_agent_infos: workspace_agent_infos.into(),
            received: self.desk.shared.agent().received(),
            page,
            ..ReconcileRequest::default()
        }
    }

    /// Sends a request and goes on with the work while the answer is awaited. `None`: the server held its answer, and there
    /// is news now. `held`: the directives that the request called received.
    async fn ask(
        &mut self,
        request: &ReconcileRequest,
        held: Option<BTreeSet<(WorkspaceId, Generation)>>,
    ) -> Option<Result<ReconcileResponse, ServerError>> {
        let server = self.desk.server.clone();
        tokio::select! {
            response = server.reconcile(request) => Some(response),
            () = self.work(held) => None,
        }
    }

    /// How long further changes are waited for: the first after a while is told at once, and what follows comes together.
    fn pause(&self) -> Duration {
        COALESCE.saturating_sub(self.told.elapsed()).max(TOGETHER)
    }

    /// Ends actions and begins those that become due. Returns when a held request has become outdated; without one, never.
    async fn work(&mut self, held: Option<BTreeSet<(WorkspaceId, Generation)>>) {
        let shared = Arc::clone(&self.desk.shared);
        loop {
            let due = self.next_due(held.is_some());
            tokio::select! {
                () = shared.changed.notified() => tokio::time::sleep(self.pause()).await,
                Some(ended) = self.actions.join_next() => self.end(ended),
                () = sleep_until(due.unwrap_or(far_away()).into()) => {}
            }
            self.act_on_what_is_due();
            let Some(held) = &held else { continue };
            let mut agent = shared.agent();
            let outdated = !held.is_subset(&generations(&agent.received()));
            let renewal = agent.next_renewal().is_some_and(|at| at <= Timestamp::now());
            let full = self.full_due <= Instant::now();
            if outdated
                || renewal
                || full
                || agent.has_news()
                || self.check.is_done()
                || self.tending.has_news()
            {
                return;
            }
        }
    }

    /// When something is to be done although nothing happens. Git credentials wait for the next request in any case, so only
    /// a request that is `held` is worth waking for.
    fn next_due(&self, held: bool) -> Option<Instant> {
        let agent = self.desk.shared.agent();
        let renewal = agent.next_renewal().filter(|_| held).map(|at| {
            // In the past: at once.
            let left = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default();
            Instant::now() + left.min(FAR_AWAY)
        });
        agent.next_due().into_iter().chain(renewal).min()
    }

    /// Follows an answer.
    async fn answered(&mut self, request: &ReconcileRequest, response: Option<ReconcileResponse>) {
        let Some(response) = response else { return };
        if let Some(accepted) = self.accepted.take() {
            accepted();
        }
        self.settings = sane(response.settings);
        if response.sealing_key_requested {
            tracing::warn!("the server has lost this agent's key; it is registered again");
            self.registered = None;
        }
        let interval = Duration::from_secs(self.settings.full_reconciliation_interval_seconds);
        self.full_due = self.full_due.min(Instant::now() + interval);
        let sent = &request.workspace_agent_infos;
        let variables =
            Opened::of(&response, &self.keys, self.desk.cluster.agent, self.epoch, Timestamp::now());
        let plan = {
            let mut jitter = fastrand::f64;
            self.desk.shared.agent().respond(sent, response, variables, Instant::now(), &mut jitter)
        };
        self.note_answer();
        if plan.full_requested {
            let soon = (Instant::now() + REQUESTED).max(self.relist_from);
            self.full_due = self.full_due.min(soon);
            // A restored database may know an older key. It asks until the report is there, and is told once.
            if !std::mem::replace(&mut self.relist, true) {
                self.registered = None;
            }
        }
        for (workspace, skip) in &plan.skipped {
            tracing::debug!(%workspace, ?skip, "directive not followed now");
        }
        for action in plan.actions {
            self.begin(action);
        }
        if plan.acknowledged < sent.len() {
            // It would be told again at once, for ever.
            let (told, acknowledged) = (sent.len(), plan.acknowledged);
            tracing::warn!(told, acknowledged, "the server does not acknowledge every report");
            let pause = self.backoff.next(fastrand::f64());
            self.work_for(pause).await;
        } else {
            self.backoff.reset();
        }
    }

    fn note_answer(&self) {
        let mut health = self.desk.shared.health();
        if health.server_error.take().is_some() {
            tracing::info!("the server answers again");
        }
        health.answered = Some(Instant::now());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        self.desk.shared.metrics.answered.set(now.map_or(0.0, |since| since.as_secs_f64()));
    }

    async fn work_for(&mut self, pause: Duration) {
        // Running out of time is the purpose.
        let _ = tokio::time::timeout(pause, self.work(None)).await;
    }
}

fn generations(received: &[Received]) -> BTreeSet<(WorkspaceId, Generation)> {
    received.iter().map(|held| (held.workspace_id, held.generation)).collect()
}

fn far_away() -> Instant {
    Instant::now() + FAR_AWAY
}
