//! Background tasks: what the server does beside requests, how often, and how it went.
//!
//! Every one is in the registry ([`Tasks`]): its last run and its failures are metrics, and `berth-server status` shows them.

mod registry;

pub use registry::{Status, Tasks};

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{Instrument as _, info_span, warn};

use crate::identity::{Actor, Run};
use crate::{Context, Error};

/// Something that is done again and again.
pub(crate) trait Task: Send + 'static {
    /// One of a fixed set: it is a label, and the actor of what the task does.
    const NAME: &'static str;
    const PERIOD: Duration;
    /// Once more when the server has drained, for what is kept in memory.
    const AT_THE_END: bool = false;

    /// From the server's start until the first run.
    fn first(&self, _context: &Context) -> Duration {
        Self::PERIOD
    }

    /// One run. What it cannot do it leaves to the next one.
    fn run(&mut self, run: &Run<Arc<Context>>) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Runs a task until the server drains.
pub(crate) async fn keep<T: Task>(context: Arc<Context>, mut task: T) {
    context.tasks.announce(T::NAME, Some(T::PERIOD));
    let mut ticks = interval_at(Instant::now() + task.first(&context), T::PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_over = tokio::select! {
            _ = ticks.tick() => false,
            () = context.draining.cancelled() => true,
        };
        if is_over && T::AT_THE_END {
            // The last requests add to what is kept; and the connections that the threads of requests have made end with them.
            context.drained.cancelled().await;
        }
        if !is_over || T::AT_THE_END {
            once(&context, &mut task).await;
        }
        if is_over {
            return;
        }
    }
}

async fn once<T: Task>(context: &Arc<Context>, task: &mut T) {
    let run = Run::begin(Actor::Task(T::NAME), Arc::clone(context));
    let begun = Instant::now();
    let result = task.run(&run).instrument(info_span!("task", name = T::NAME)).await;
    if let Err(error) = &result {
        warn!(
            task = T::NAME,
            error = berth_logging::causes(error),
            "a task failed; its next run tries again"
        );
    }
    context.tasks.ran(T::NAME, run.now, begun.elapsed(), result.is_ok());
}
