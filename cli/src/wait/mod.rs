//! Waits until a workspace is what was asked for, and shows the way there.

mod goal;
mod progress;
mod watcher;

use std::time::Duration;

use berth_schema::api::Workspace;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{Organization, interruptible};
use crate::error::{Error, why};
use crate::names::WorkspaceRef;
use crate::terminal::Talk;
use goal::{Goal, OLD_ERROR_GRACE, Verdict};
use progress::Progress;
use watcher::Watcher;

/// The server gets at least this long for its answer, however little time is left.
const LEAST: Duration = Duration::from_millis(200);
/// How often the time on a terminal is redrawn.
const REDRAW: Duration = Duration::from_millis(100);

/// `--wait` and what belongs to it.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Waiting")]
pub(crate) struct WaitArgs {
    /// Wait until it is done, and show the way there
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,

    /// Return as soon as the server has taken the request (the default)
    #[arg(long)]
    no_wait: bool,

    /// How long to wait at most, for all of them together: 90s, 5m, 1h30m
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_timeout, requires = "wait")]
    timeout: Duration,
}

impl WaitArgs {
    /// As long as it takes by default.
    pub(crate) const fn until_done() -> Self {
        Self { wait: true, no_wait: false, timeout: Duration::from_mins(5) }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wait && !self.no_wait
    }

    /// How long to wait, if that was asked for.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.is_wanted().then_some(self.timeout)
    }

    /// Waits, if that was asked for, until `changed` (the server's answer to a change) has become true.
    pub(crate) async fn wait(
        &self,
        organization: &Organization,
        changed: Workspace,
        talk: Talk,
    ) -> Result<Workspace, Error> {
        self.wait_since(Instant::now(), organization, changed, talk).await
    }

    /// The same for one of several that were asked for at `started`: they have one time-out together.
    pub(crate) async fn wait_since(
        &self,
        started: Instant,
        organization: &Organization,
        changed: Workspace,
        talk: Talk,
    ) -> Result<Workspace, Error> {
        if !self.is_wanted() {
            return Ok(changed);
        }
        interruptible(Box::pin(until(organization, changed, (started, self.timeout), Progress::new(talk))))
            .await
    }
}

async fn until(
    organization: &Organization,
    changed: Workspace,
    (started, timeout): (Instant, Duration),
    mut progress: Progress,
) -> Result<Workspace, Error> {
    let goal = Goal::of(&changed);
    let mut watcher = Watcher::new(organization, WorkspaceRef::from(changed.id));
    let mut seen = changed;
    if started.elapsed() >= timeout {
        // Its turn comes when the time is over: it may have become what was asked for meanwhile.
        seen = match organization.workspace(&WorkspaceRef::from(seen.id)).await {
            Ok(now) => now,
            Err(error) => watcher::gone(&seen, &error).filter(|_| goal == Goal::Gone).ok_or(error)?,
        };
    }
    loop {
        let waited = started.elapsed();
        progress.show(&seen, waited);
        let waits_for = match goal.judge(&seen, waited) {
            Verdict::Reached => return Ok(seen),
            Verdict::Failed => return Err(failed(&seen)),
            Verdict::Overtaken(change) => {
                return Err(Error::Overtaken { workspace: seen.name.into(), change });
            }
            Verdict::Pending(waits_for) => waits_for,
        };
        let Some(left) = timeout.checked_sub(waited).filter(|left| !left.is_zero()) else {
            return Err(timed_out(&seen, timeout, &waits_for));
        };
        // A server that is being restarted is no reason to give up, but neither may it outlast the time-out.
        // An old error has to be judged anew when its time is over, even if nothing changes.
        let grace = OLD_ERROR_GRACE.checked_sub(waited).filter(|grace| !grace.is_zero());
        let until = Instant::now() + left.min(grace.unwrap_or(left)).max(LEAST);
        match look(&mut watcher, &seen, until, &mut progress, started).await {
            Some(Ok(now)) => seen = now,
            Some(Err(error)) => {
                let gone = watcher::gone(&seen, &error).filter(|_| goal == Goal::Gone);
                match gone {
                    Some(gone) => seen = gone,
                    None if error.passes_by_itself() => progress.note(&error.to_string(), started.elapsed()),
                    None => return Err(error),
                }
            }
            None => {}
        }
    }
}

/// The next look at the workspace; `None` when there is none by then. The time on a terminal goes on meanwhile.
async fn look(
    watcher: &mut Watcher<'_>,
    seen: &Workspace,
    until: Instant,
    progress: &mut Progress,
    started: Instant,
) -> Option<Result<Workspace, Error>> {
    let next = watcher.next(seen);
    tokio::pin!(next);
    loop {
        tokio::select! {
            biased;
            looked = &mut next => return Some(looked),
            () = sleep_until(until) => return None,
            () = sleep(REDRAW) => progress.redraw(started.elapsed()),
        }
    }
}

fn failed(workspace: &Workspace) -> Error {
    let name = &workspace.name;
    let reason = workspace.reason.as_ref().map(|reason| format!("{}: {}", reason.reason, reason.message));
    Error::Failed {
        state: workspace.actual_state,
        reason,
        hint: format!(
            "correct it with `berth rebuild {name} --image IMAGE` (or --devfile FILE), or remove it with `berth delete \
             {name}`; where the cause lies in the cluster it recovers by itself once that is cured"
        ),
        workspace: name.to_string(),
    }
}

fn timed_out(workspace: &Workspace, after: Duration, waits_for: &str) -> Error {
    let reason = workspace.reason.as_ref().map(|reason| format!(" ({}: {})", reason.reason, reason.message));
    let (name, state) = (&workspace.name, workspace.actual_state);
    let state = format!("{state}{}", reason.unwrap_or_default());
    Error::TimeOut {
        after,
        seen: format!("workspace '{name}' is {state}; it waits for {waits_for}"),
        hint: why(name.as_str()),
    }
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let wanted = "a time as in 90s, 5m or 1h30m";
    let duration: jiff::SignedDuration = text.parse().map_err(|_| format!("not {wanted}"))?;
    Duration::try_from(duration)
        .ok()
        .filter(|d| !d.is_zero())
        .ok_or_else(|| format!("must be above zero, {wanted}"))
}
