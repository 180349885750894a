//! Doing one action on one workspace.

use std::time::{Duration, Instant};

use berth_agent_core::{Action, Applied, Outcome, Prepared, Task};

use futures::TryFutureExt as _;

use crate::failure::Failure;
use crate::metrics::Done;
use crate::rounds::Desk;
use crate::{apply, remove};

/// How long one action may take.
const ACTION_SECONDS: u64 = 60;

/// Does one action and tells what became of it.
pub async fn perform(desk: &Desk, action: Action<Prepared>) -> Action<Applied> {
    let began = Instant::now();
    let Prepared(task) = &action.stage;
    let limit = Duration::from_secs(ACTION_SECONDS);
    let (name, result) = match task {
        Task::Apply(set) => {
            let work = apply::run(&desk.cluster, &action, set);
            ("apply", tokio::time::timeout(limit, work).await)
        }
        Task::Deliver(secret) => {
            let work = apply::deliver(&desk.cluster, &action, secret).map_ok(|outcome| (outcome, vec![]));
            ("deliver", tokio::time::timeout(limit, work).await)
        }
        Task::Terminate => {
            let work = remove::run(&desk.cluster, &action).map_ok(|outcome| (outcome, vec![]));
            ("terminate", tokio::time::timeout(limit, work).await)
        }
    };
    let seconds = ACTION_SECONDS;
    let (outcome, left) = match result.unwrap_or(Err(Failure::TimedOut { seconds })) {
        Ok((outcome, left)) => {
            tracing::info!(task = name, workspace = %action.workspace, generation = action.generation.get(), ?outcome, "done");
            (outcome, left)
        }
        Err(failure) => {
            let (workspace, generation) = (action.workspace, action.generation.get());
            tracing::warn!(task = name, %workspace, generation, %failure, "action failed");
            let outcome = match failure {
                Failure::Leaving { .. } => Outcome::Waits,
                failure if failure.is_unanswered() => Outcome::Unanswered,
                failure => Outcome::Failed(failure.details()),
            };
            (outcome, vec![])
        }
    };
    count(desk, name, &outcome, began.elapsed());
    action.left(outcome, left)
}

fn count(desk: &Desk, task: &'static str, outcome: &Outcome, took: Duration) {
    let outcome = match outcome {
        Outcome::Applied => "applied",
        Outcome::Delivered => "delivered",
        Outcome::OlderThanLive { .. } => "older_than_live",
        Outcome::Leaving => "leaving",
        Outcome::VolumesLeft => "volumes_left",
        Outcome::Gone => "gone",
        Outcome::Failed(_) => "failed",
        Outcome::Waits => "waits",
        Outcome::Unanswered => "unanswered",
    };
    let metrics = &desk.shared.metrics;
    metrics.actions.get_or_create(&Done { task, outcome }).inc();
    metrics.action_seconds.observe(took.as_secs_f64());
}
