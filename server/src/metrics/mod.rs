//! What Prometheus is told. Labels come from fixed sets (route templates, operation names), never from a request.

mod process;
mod server;

pub use server::serve;

use std::sync::Arc;
use std::time::Duration;

use berth_planner::Cause;
use berth_schema::reconcile::UpdateType;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::tasks::Tasks;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    /// The template, as in `/api/v1/organizations/{organization}/agents`.
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpdateTypeLabel {
    update_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabel {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
    outcome: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

fn seconds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0])
}

/// Every metric of the server. The clones are one.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Histograms<RequestLabels>,
    rounds: Family<UpdateTypeLabel, Counter>,
    directives: Family<CauseLabel, Counter>,
    denials: Family<OutcomeLabel, Counter>,
    foreign_reports: Counter,
    unreadable_reports: Counter,
    unreadable_variables: Counter,
    failed_git_credentials: Counter,
    operations: Histograms<OperationLabels>,
    held_polls: Gauge,
    open_streams: Gauge,
    pool_open: Gauge,
    pool_idle: Gauge,
    pool_waiting: Gauge,
}

impl Metrics {
    /// With those of the background tasks.
    pub fn new(tasks: &Tasks) -> Self {
        let mut registry = Registry::with_prefix("berth");
        let requests = Histograms::new_with_constructor(seconds as fn() -> Histogram);
        let operations = Histograms::new_with_constructor(seconds as fn() -> Histogram);
        let rounds = Family::default();
        let directives = Family::default();
        let denials = Family::default();
        let (foreign_reports, unreadable_variables) = (Counter::default(), Counter::default());
        let unreadable_reports = Counter::default();
        let failed_git_credentials = Counter::default();
        let (held_polls, pool_open, pool_idle, pool_waiting) =
            (Gauge::default(), Gauge::default(), Gauge::default(), Gauge::default());
        let open_streams = Gauge::default();
        registry.register_with_unit("request", "Requests by their time", Unit::Seconds, requests.clone());
        registry.register("reconcile_rounds", "Reconcile messages", rounds.clone());
        registry.register("directives", "Directives by their cause", directives.clone());
        registry.register(
            "denials",
            "Denials by whether they are on record, counted with others, or neither",
            denials.clone(),
        );
        registry.register(
            "foreign_reports",
            "Reports on workspaces that are not the agent's",
            foreign_reports.clone(),
        );
        registry.register(
            "unreadable_reports",
            "Reports on single workspaces that cannot be read",
            unreadable_reports.clone(),
        );
        registry.register(
            "unreadable_variables",
            "Workspaces whose variables did not open",
            unreadable_variables.clone(),
        );
        registry.register(
            "failed_git_credentials",
            "Git credentials that could not be had when a workspace wanted them",
            failed_git_credentials.clone(),
        );
        registry.register_with_unit(
            "database_operation",
            "Operations by their time",
            Unit::Seconds,
            operations.clone(),
        );
        registry.register("held_polls", "Answers that are held until there is news", held_polls.clone());
        registry.register("open_streams", "Streams of events that are open", open_streams.clone());
        registry.register("database_connections_open", "Connections of the pool", pool_open.clone());
        registry.register("database_connections_idle", "Connections that nobody uses", pool_idle.clone());
        registry.register(
            "database_connections_waiting",
            "Operations that wait for one",
            pool_waiting.clone(),
        );
        tasks.register(&mut registry);
        process::register(&mut registry);
        Self {
            registry: Arc::new(registry),
            requests,
            rounds,
            directives,
            denials,
            foreign_reports,
            unreadable_reports,
            unreadable_variables,
            failed_git_credentials,
            operations,
            held_polls,
            open_streams,
            pool_open,
            pool_idle,
            pool_waiting,
        }
    }

    pub fn request(&self, method: &'static str, route: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&RequestLabels { method, route, status }).observe(took.as_secs_f64());
    }

    pub fn round(&self, update_type: UpdateType) {
        self.rounds.get_or_create(&UpdateTypeLabel { update_type: update_type.as_str() }).inc();
    }

    pub fn directive(&self, cause: Cause) {
        self.directives.get_or_create(&CauseLabel { cause: cause.as_str() }).inc();
    }

    /// A denial: `recorded`, `counted` with equal ones, `dropped`, or `failed` to be put on record.
    pub(crate) fn denial(&self, outcome: &'static str) {
        self.denials.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Reports on workspaces that the agent does not own, which are ignored.
    pub fn foreign_reports(&self, count: usize) {
        self.foreign_reports.inc_by(count as u64);
    }

    /// Reports on single workspaces that cannot be read: each is the error of its workspace.
    pub fn unreadable_reports(&self, count: usize) {
        self.unreadable_reports.inc_by(count as u64);
    }

    pub fn unreadable_variables(&self) {
        self.unreadable_variables.inc();
    }

    pub fn failed_git_credential(&self) {
        self.failed_git_credentials.inc();
    }

    pub fn operation(&self, sample: &berth_db::OperationSample) {
        let labels = OperationLabels { operation: sample.operation, outcome: sample.outcome.as_str() };
        self.operations.get_or_create(&labels).observe(sample.duration.as_secs_f64());
    }

    /// Counts a held poll until the guard is dropped.
    pub fn hold(&self) -> Held {
        self.held_polls.inc();
        Held(self.held_polls.clone())
    }

    /// Counts an open stream until the guard is dropped.
    pub fn watch(&self) -> Held {
        self.open_streams.inc();
        Held(self.open_streams.clone())
    }

    fn pool(&self, status: berth_db::PoolStatus) {
        let value = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.pool_open.set(value(status.open));
        self.pool_idle.set(value(status.idle));
        self.pool_waiting.set(value(status.waiting));
    }
}

/// See [`Metrics::hold`] and [`Metrics::watch`].
#[derive(Debug)]
pub struct Held(Gauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}
