//! The lifecycle scheduler: looks at every workspace whose time may have come, whatever its agent says or does not say.
//!
//! The queue (a role of its own, which sees ids and times alone) says which are to be looked at; each look happens in the
//! scope of its organisation, in bounded transactions, under locks that other servers pass by. What to do is decided by
//! `planner::lifecycle`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use berth_db::{DueWorkspace, LifecycleQueue, LifecycleRow, OrganizationConn};
use berth_planner::idle::decide;
use berth_planner::idle_rule::over;
use berth_planner::lifecycle::{Decision, Lifetime, deadline};
use berth_schema::audit::{Details, Event, Internal as Kind, Resource};
use berth_schema::lifecycle::LifecycleAction;
use berth_schema::{DesiredState, OrganizationId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use crate::identity::{Internal, Run};
use crate::services::workspaces::{rules_in_force, rules_of, uses_of};
use crate::tasks::Task;
use crate::{Context, Error, Op};

/// The most workspaces of one transaction.
const BATCH: i64 = 200;
/// What the queue's own statement may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long the transitions of what is gone are kept.
const MEMORY: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How many workspaces' transitions one pass forgets in one organisation.
const FORGOTTEN: i64 = 500;

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Looked at.
    pub looked: usize,
    pub stopped: usize,
    /// Of these, because nothing happened in them.
    pub idle: usize,
    pub terminated: usize,
    /// The most workspaces that one transaction held.
    pub largest_batch: usize,
    /// Workspaces whose transitions were forgotten.
    pub forgotten: usize,
}

/// The queue of the scheduler.
pub fn queue(url: &str) -> anyhow::Result<LifecycleQueue> {
    LifecycleQueue::new(url, TIMEOUT).context("the lifecycle's connection")
}

/// Looks every minute.
#[derive(Debug)]
pub(crate) struct Scheduler(pub(crate) LifecycleQueue);

impl Task for Scheduler {
    const NAME: &'static str = "lifecycle";
    const PERIOD: Duration = Duration::from_secs(60);

    /// Servers that start together do not look together.
    fn first(&self, context: &Context) -> Duration {
        Self::PERIOD.mul_f64(jitter(context))
    }

    /// With nothing due a look reads one page of one index and writes nothing.
    async fn run(&mut self, run: &Run<Arc<Context>>) -> Result<(), Error> {
        let pass = pass(run, &mut self.0).await?;
        if (pass.looked, pass.forgotten) != (0, 0) {
            info!(
                looked = pass.looked,
                stopped = pass.stopped,
                idle = pass.idle,
                terminated = pass.terminated,
                forgotten = pass.forgotten,
                "lifecycle"
            );
        }
        Ok(())
    }
}

/// From 0 up to 1.
fn jitter(context: &Context) -> f64 {
    let mut byte = [0; 1];
    // Without randomness they look together, which is harmless.
    let _ = context.random.fill(&mut byte);
    f64::from(byte[0]) / 256.0
}

/// Looks once at everything that is due by `now`. What fails, or is held by somebody else, is left to the next pass and
/// keeps nothing else from being looked at.
pub async fn pass(run: &Run<Arc<Context>>, queue: &mut LifecycleQueue) -> Result<Pass, Error> {
    let mut done = Pass::default();
    let mut last: Option<DueWorkspace> = None;
    loop {
        let due = queue.due(run.now, last.as_ref(), BATCH).await?;
        if due.is_empty() || run.context.draining.is_cancelled() {
            break;
        }
        last = due.last().copied();
        let mut organizations: BTreeMap<OrganizationId, Vec<WorkspaceId>> = BTreeMap::new();
        for workspace in due {
            organizations.entry(workspace.organization).or_default().push(workspace.id);
        }
        for (organization, ids) in organizations {
            match look(&run.within(organization), &ids).await {
                Ok(batch) => {
                    done.looked += batch.looked;
                    done.stopped += batch.stopped;
                    done.idle += batch.idle;
                    done.terminated += batch.terminated;
                    done.largest_batch = done.largest_batch.max(batch.looked);
                }
                Err(error) => {
                    let error = berth_logging::causes(&error);
                    warn!(%organization, error, "the lifecycle cannot look at an organisation");
                }
            }
        }
    }
    done.forgotten = forget(run, queue).await?;
    Ok(done)
}

/// One transaction's worth of one organisation.
async fn look(op: &Op<Internal>, ids: &[WorkspaceId]) -> Result<Pass, Error> {
    let now = op.now;
    op.changes("lifecycle", async |conn| {
        let rows = conn.workspaces().lock_for_lifecycle(ids, now).await?;
        let mut done = Pass { looked: rows.len(), ..Pass::default() };
        let mut rules = BTreeMap::new();
        for agent in rows.iter().map(|row| row.agent_id).collect::<BTreeSet<_>>() {
            rules.insert(agent, rules_of(conn, agent).await?);
        }
        let (uses, idle) = (uses_of(conn, &rows).await?, rules_in_force(conn, &rows, &rules).await?);
        // By what is to be done, and when to look at them next.
        let mut due: BTreeMap<(DesiredState, Option<Timestamp>), Vec<&LifecycleRow>> = BTreeMap::new();
        let mut events = Vec::new();
        for row in &rows {
            let (Some(lifetime), Some(rules)) = (lifetime(row), rules[&row.agent_id]) else {
                conn.workspaces().look_again(row.id, Some(later(now))).await?;
                continue;
            };
            let idle = idle.get(&row.id);
            let rules = &over(rules, idle);
            let (desired, kind) = match decide(rules, &lifetime, &uses[&row.id], now) {
                Decision::Wait(at) => {
                    conn.workspaces().look_again(row.id, Some(at)).await?;
                    continue;
                }
                Decision::Never => {
                    conn.workspaces().look_again(row.id, None).await?;
                    continue;
                }
                Decision::Act(end) => (desired(end.action), Kind::EndPeriod),
                Decision::StopIdle(minutes) => {
                    let by = (minutes, idle.map(|rule| &rule.said.by));
                    conn.activity().stopped((row.agent_id, row.id), by, now).await?;
                    done.idle += 1;
                    (DesiredState::Stopped, Kind::StopIdle)
                }
            };
            let then = lifetime.after_change(desired, now);
            let next = deadline(rules, &then).map(|deadline| deadline.at);
            due.entry((desired, next)).or_default().push(row);
            events.push(acted(row, desired, kind));
        }
        for ((desired, next), rows) in &due {
            act(conn, rows, (*desired, *next), now).await?;
        }
        let count = |wanted| -> usize {
            due.iter().filter(|((desired, _), _)| *desired == wanted).map(|(_, rows)| rows.len()).sum()
        };
        done.stopped = count(DesiredState::Stopped);
        done.terminated = count(DesiredState::Terminated);
        Ok::<_, Error>((done, events))
    })
    .await
}

/// What is on record of a rule that acted.
fn acted(row: &LifecycleRow, to: DesiredState, kind: Kind) -> Event {
    let (generation_before, generation) = (row.generation, row.generation.next());
    let details = match row.desired_state {
        Some(from) => Details::IntentChanged { from, to, generation_before, generation },
        None => Details::IntentReplaced { to, generation_before },
    };
    Event::internal(kind, Resource::workspace(row.id), details)
}

/// When to look again at what this version cannot read.
fn later(now: Timestamp) -> Timestamp {
    now.saturating_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX)
}

/// `None`: this server cannot read what is wanted of it.
fn lifetime(row: &LifecycleRow) -> Option<Lifetime> {
    Some(Lifetime {
        desired_state: row.desired_state?,
        created_at: row.created_at,
        desired_state_changed_at: row.desired_state_changed_at,
        extended_hours: u32::try_from(row.extended_hours).unwrap_or(0),
    })
}

const fn desired(action: LifecycleAction) -> DesiredState {
    match action {
        LifecycleAction::Stop => DesiredState::Stopped,
        LifecycleAction::Terminate => DesiredState::Terminated,
    }
}

/// The rows are locked: a user's change comes before, and then they are not due any more, or after.
async fn act(
    conn: &OrganizationConn<'_>,
    rows: &[&LifecycleRow],
    (desired, next): (DesiredState, Option<Timestamp>),
    now: Timestamp,
) -> Result<(), Error> {
    let ids: Vec<WorkspaceId> = rows.iter().map(|row| row.id).collect();
    conn.workspaces().end_periods(&ids, (desired, next), now).await?;
    let agents: BTreeSet<_> = rows.iter().map(|row| row.agent_id).collect();
    for agent in agents {
        conn.notifications().notify_agent(agent).await?;
    }
    for id in ids {
        info!(workspace = %id, %desired, "a lifecycle rule acts");
    }
    Ok(())
}

/// Forgets a bounded number of transitions of what is long gone.
async fn forget(run: &Run<Arc<Context>>, queue: &mut LifecycleQueue) -> Result<usize, Error> {
    let before = run.now.checked_sub(MEMORY).unwrap_or(Timestamp::MIN);
    let mut forgotten = 0;
    for organization in queue.with_finished(before, FORGOTTEN).await? {
        forgotten += run
            .within(organization)
            .upkeep("forget_transitions", async |conn| {
                Ok::<_, Error>(conn.transitions().forget_finished(before, FORGOTTEN).await?)
            })
            .await?;
    }
    Ok(forgotten)
}
