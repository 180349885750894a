//! What is known of each task.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use serde::{Deserialize, Serialize};

/// How a task is. Durations are in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Absent: it works whenever there is a reason to.
    pub period_seconds: Option<f64>,
    /// When its last run began; absent: it has not run yet.
    pub last_run_at: Option<Timestamp>,
    /// What that took.
    pub last_duration_seconds: Option<f64>,
    pub runs: u64,
    /// Runs that failed.
    pub failures: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabel {
    task: &'static str,
}

type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;

/// Every task of this server. The clones are one.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    known: Arc<Mutex<BTreeMap<&'static str, Status>>>,
    runs: Family<TaskLabel, Counter>,
    failures: Family<TaskLabel, Counter>,
    period: Family<TaskLabel, Seconds>,
    last_run: Family<TaskLabel, Seconds>,
    last_duration: Family<TaskLabel, Seconds>,
}

impl Tasks {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("task_runs", "Runs of background tasks", self.runs.clone());
        registry.register("task_failures", "Those that failed", self.failures.clone());
        let period = self.period.clone();
        registry.register_with_unit("task_period", "From run to run", Unit::Seconds, period);
        registry.register_with_unit(
            "task_last_run_timestamp",
            "When the last run began, since 1970",
            Unit::Seconds,
            self.last_run.clone(),
        );
        registry.register_with_unit(
            "task_last_duration",
            "What the last run took",
            Unit::Seconds,
            self.last_duration.clone(),
        );
    }

    /// There is such a task from now on.
    pub(crate) fn announce(&self, task: &'static str, period: Option<Duration>) {
        let period = period.map(|period| period.as_secs_f64());
        self.lock().entry(task).or_default().period_seconds = period;
        let label = TaskLabel { task };
        if let Some(seconds) = period {
            self.period.get_or_create(&label).set(seconds);
        }
        // So that both are there before anything went wrong.
        drop((self.runs.get_or_create(&label), self.failures.get_or_create(&label)));
    }

    /// A run has ended.
    pub(crate) fn ran(&self, task: &'static str, began: Timestamp, took: Duration, succeeded: bool) {
        {
            let mut known = self.lock();
            let status = known.entry(task).or_default();
            status.last_run_at = Some(began);
            status.last_duration_seconds = Some(took.as_secs_f64());
            status.runs += 1;
            status.failures += u64::from(!succeeded);
        }
        let label = TaskLabel { task };
        self.runs.get_or_create(&label).inc();
        if !succeeded {
            self.failures.get_or_create(&label).inc();
        }
        self.last_run.get_or_create(&label).set(began.as_duration().as_secs_f64());
        self.last_duration.get_or_create(&label).set(took.as_secs_f64());
    }

    /// By name.
    pub fn all(&self) -> BTreeMap<&'static str, Status> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Status>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_failed_is_counted_and_the_last_one_is_shown() {
        let tasks = Tasks::default();
        tasks.announce("sweep", Some(Duration::from_secs(60)));
        let at = |seconds| Timestamp::from_second(seconds).expect("a time");
        tasks.ran("sweep", at(60), Duration::from_secs(1), false);
        tasks.ran("sweep", at(120), Duration::from_millis(500), true);
        let status = Status {
            period_seconds: Some(60.0),
            last_run_at: Some(at(120)),
            last_duration_seconds: Some(0.5),
            runs: 2,
            failures: 1,
        };
        assert_eq!(tasks.all(), BTreeMap::from([("sweep", status)]));
        let mut registry = Registry::with_prefix("berth");
        tasks.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("metrics");
        for line in [
            "berth_task_runs_total{task=\"sweep\"} 2",
            "berth_task_failures_total{task=\"sweep\"} 1",
            "berth_task_period_seconds{task=\"sweep\"} 60.0",
            "berth_task_last_run_timestamp_seconds{task=\"sweep\"} 120.0",
            "berth_task_last_duration_seconds{task=\"sweep\"} 0.5",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
