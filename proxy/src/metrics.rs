//! What is counted, in the words of Prometheus. No label is a host's or a person's.

use std::fmt;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answer {
    /// `1xx` to `5xx`.
    pub(crate) status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Decided {
    /// `allowed`, `none` (no answer), or why not.
    pub(crate) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Kind {
    pub(crate) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Refused {
    /// `key`, or for a connection `keys` (too many), `slow`, `crowded` (others came meanwhile), `protocol`.
    pub(crate) reason: &'static str,
}

pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) answers: Family<Answer, Counter>,
    pub(crate) decisions: Family<Decided, Counter>,
    pub(crate) watch_errors: Family<Kind, Counter>,
    pub(crate) unbelieved: Family<Kind, Counter>,
    pub(crate) cut: Counter,
    pub(crate) heard: Counter,
    pub(crate) is_told: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) ssh: Gauge,
    pub(crate) ssh_refused: Family<Refused, Counter>,
    pub(crate) streams: Gauge,
    pub(crate) workspaces: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("berth_proxy"),
            answers: Family::default(),
            decisions: Family::default(),
            watch_errors: Family::default(),
            unbelieved: Family::default(),
            cut: Counter::default(),
            heard: Counter::default(),
            is_told: Gauge::default(),
            connections: Gauge::default(),
            ssh: Gauge::default(),
            ssh_refused: Family::default(),
            streams: Gauge::default(),
            workspaces: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("answers", "Answers to browsers", metrics.answers.clone());
        registry.register("decisions", "Decisions of the server", metrics.decisions.clone());
        registry.register(
            "watch_errors",
            "Watches that broke and were resumed",
            metrics.watch_errors.clone(),
        );
        registry.register("unbelieved", "Objects that are not served", metrics.unbelieved.clone());
        registry.register(
            "cut",
            "Streams that were closed because they are no longer allowed",
            metrics.cut.clone(),
        );
        registry.register(
            "changes_heard",
            "Whose connections the server had asked about again",
            metrics.heard.clone(),
        );
        registry.register(
            "feed_up",
            "1 while the server tells of what may end connections",
            metrics.is_told.clone(),
        );
        registry.register("connections", "Connections of browsers", metrics.connections.clone());
        registry.register("ssh_connections", "Connections of plain ssh", metrics.ssh.clone());
        registry.register(
            "ssh_refused",
            "Keys of plain ssh that opened nothing, and connections that ended before anybody was let in",
            metrics.ssh_refused.clone(),
        );
        registry.register(
            "streams",
            "Requests and upgraded connections that are open",
            metrics.streams.clone(),
        );
        registry.register("workspaces", "Workspaces that are known", metrics.workspaces.clone());
        metrics
    }
}

impl Metrics {
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    pub(crate) fn decided(&self, outcome: &'static str) {
        self.decisions.get_or_create(&Decided { outcome }).inc();
    }

    pub(crate) fn refused_ssh(&self, reason: &'static str) {
        self.ssh_refused.get_or_create(&Refused { reason }).inc();
    }

    pub(crate) fn answered(&self, status: http::StatusCode) {
        let status = match status.as_u16() {
            100..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        self.answers.get_or_create(&Answer { status }).inc();
    }
}
