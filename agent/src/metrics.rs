//! What is counted, in the words of Prometheus.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Round {
    /// `full` or `partial`.
    pub update_type: &'static str,
    /// `answered`, `dropped` (something changed while the server held its answer), or the kind of an error.
    pub outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Done {
    /// `apply` or `terminate`.
    pub task: &'static str,
    pub outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Kind {
    pub kind: &'static str,
}

/// The agent's metrics; cheap to clone parts of.
pub struct Metrics {
    registry: Registry,
    pub rounds: Family<Round, Counter>,
    pub actions: Family<Done, Counter>,
    pub action_seconds: Histogram,
    pub watch_events: Family<Kind, Counter>,
    pub watch_errors: Family<Kind, Counter>,
    pub doubts: Family<Kind, Counter>,
    pub objects: Family<Kind, Gauge>,
    pub workspaces: Gauge,
    /// The epoch that this process leads in; 0 on standby.
    pub epoch: Gauge<i64>,
    pub answered: Gauge<f64, AtomicU64>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("berth_agent"),
            rounds: Family::default(),
            actions: Family::default(),
            action_seconds: Histogram::new(exponential_buckets(0.01, 2.0, 14)),
            watch_events: Family::default(),
            watch_errors: Family::default(),
            doubts: Family::default(),
            objects: Family::default(),
            workspaces: Gauge::default(),
            epoch: Gauge::default(),
            answered: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("rounds", "Messages to the server", self.rounds.clone());
        registry.register("actions", "Actions on workspaces", self.actions.clone());
        let seconds = self.action_seconds.clone();
        registry.register_with_unit("action", "How long an action took", Unit::Seconds, seconds);
        registry.register("watch_events", "Events of the watches", self.watch_events.clone());
        registry.register("watch_errors", "Watches that broke and were resumed", self.watch_errors.clone());
        registry.register("doubted_lists", "Lists that lacked too much at once", self.doubts.clone());
        registry.register("objects", "Objects of workspaces in the cluster", self.objects.clone());
        registry.register("workspaces", "Workspaces in the cluster", self.workspaces.clone());
        registry.register("epoch", "The epoch this process leads in; 0 on standby", self.epoch.clone());
        let answered = self.answered.clone();
        registry.register(
            "server_answered_timestamp",
            "When the server last answered (Unix time, seconds)",
            answered,
        );
    }

    /// All of them as text, in the OpenMetrics format.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
