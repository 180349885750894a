//! Counts what goes through connections, and tells the server in which workspaces something happened: each minute, and within seconds
//! where it is the first thing since the last minute's look. Whoever comes back just before a workspace is stopped is seen in time.
//!
//! What is counted as that is decided by [`is_active`]. That a connection is opened is, too.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use berth_proxy_core::{Amount, Carried, Passed, Traffic, is_active};
use berth_schema::WorkspaceId;
use berth_schema::activity::{ActiveWorkspace, MAX_SECONDS_AGO, MAX_TOLD, TOLD_EVERY_SECONDS, TellActivity};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::{InspectReader, InspectWriter};

use crate::authorise::without_answer;
use crate::shared::Shared;

/// So often in an interval it is looked whether something began.
const GLANCES: u32 = 12;

/// All that is known of what happens, by workspace. Cheap to clone; the clones are of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Mutex<HashMap<WorkspaceId, Seen>>>);

#[derive(Debug, Default)]
struct Seen {
    /// When something happened that the server was not told of yet.
    untold: Option<Instant>,
    /// The server knows already that something happened since the last look.
    is_known: bool,
    /// Of its requests, together.
    requests: Arc<Counts>,
    /// Of its upgraded connections, by a number that none of before has had.
    connections: HashMap<u64, (Carried, Arc<Counts>)>,
    next: u64,
}

/// What went through since it was looked at last.
#[derive(Debug, Default)]
struct Counts {
    to_workspace: Count,
    to_person: Count,
}

#[derive(Debug, Default)]
struct Count {
    bytes: AtomicU64,
    pieces: AtomicU64,
}

impl Count {
    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.pieces.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self) -> Amount {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Amount { bytes: take(&self.bytes), pieces: take(&self.pieces) }
    }

    fn so_far(&self) -> Amount {
        let so_far = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Amount { bytes: so_far(&self.bytes), pieces: so_far(&self.pieces) }
    }
}

impl Counts {
    fn take(&self) -> Traffic {
        Traffic { to_workspace: self.to_workspace.take(), to_person: self.to_person.take() }
    }

    fn so_far(&self) -> Traffic {
        Traffic { to_workspace: self.to_workspace.so_far(), to_person: self.to_person.so_far() }
    }
}

/// What went through by what somebody was let in by, since they came.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    requests: Counts,
    connections: Counts,
}

impl Totals {
    pub(crate) fn passed(&self) -> Passed {
        Passed { requests: self.requests.so_far(), connections: self.connections.so_far() }
    }
}

/// Counts one connection, or the requests of one workspace, until it is dropped.
#[derive(Debug)]
pub(crate) struct Meter {
    all: Activity,
    workspace: WorkspaceId,
    counts: Arc<Counts>,
    /// Of whoever it is, and for longer.
    totals: Arc<Totals>,
    /// `None`: requests, which all count together.
    connection: Option<u64>,
}

impl Meter {
    /// What goes on its way to the workspace.
    pub(crate) fn to_workspace(&self, bytes: usize) {
        self.counts.to_workspace.add(bytes);
        self.total().to_workspace.add(bytes);
    }

    /// What goes on its way to the person.
    pub(crate) fn to_person(&self, bytes: usize) {
        self.counts.to_person.add(bytes);
        self.total().to_person.add(bytes);
    }

    fn total(&self) -> &Counts {
        of_kind(&self.totals, self.connection.is_some())
    }

    /// Counts what is read of that, which is on its way to the person.
    pub(crate) fn reads<R: AsyncRead>(&self, reader: R) -> InspectReader<R, impl FnMut(&[u8]) + use<R>> {
        let (counts, totals, is_connection) =
            (Arc::clone(&self.counts), Arc::clone(&self.totals), self.connection.is_some());
        InspectReader::new(reader, move |bytes: &[u8]| {
            // At the end there is nothing.
            if !bytes.is_empty() {
                counts.to_person.add(bytes.len());
                of_kind(&totals, is_connection).to_person.add(bytes.len());
            }
        })
    }

    /// Counts what is written there, which is on its way to the workspace.
    pub(crate) fn writes<W: AsyncWrite>(&self, writer: W) -> InspectWriter<W, impl FnMut(&[u8]) + use<W>> {
        let (counts, totals, is_connection) =
            (Arc::clone(&self.counts), Arc::clone(&self.totals), self.connection.is_some());
        InspectWriter::new(writer, move |bytes: &[u8]| {
            counts.to_workspace.add(bytes.len());
            of_kind(&totals, is_connection).to_workspace.add(bytes.len());
        })
    }
}

const fn of_kind(totals: &Totals, is_connection: bool) -> &Counts {
    if is_connection { &totals.connections } else { &totals.requests }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let Some(connection) = self.connection else { return };
        let mut all = self.all.lock();
        if let Some(seen) = all.get_mut(&self.workspace)
            && let Some((carried, counts)) = seen.connections.remove(&connection)
            && is_active(carried, counts.take(), TOLD_EVERY_SECONDS)
        {
            seen.untold = Some(Instant::now());
        }
    }
}

impl Activity {
    /// Somebody does something there.
    pub(crate) fn happens(&self, workspace: WorkspaceId) {
        self.lock().entry(workspace).or_default().untold = Some(Instant::now());
    }

    /// Counts requests.
    pub(crate) fn requests(&self, workspace: WorkspaceId, totals: Arc<Totals>) -> Meter {
        let counts = Arc::clone(&self.lock().entry(workspace).or_default().requests);
        Meter { all: self.clone(), workspace, counts, totals, connection: None }
    }

    /// Counts a connection that was opened, which is something that happens.
    pub(crate) fn connection(&self, workspace: WorkspaceId, carried: Carried, totals: Arc<Totals>) -> Meter {
        let counts = Arc::<Counts>::default();
        let mut all = self.lock();
        let seen = all.entry(workspace).or_default();
        seen.untold = Some(Instant::now());
        let number = seen.next;
        seen.next += 1;
        seen.connections.insert(number, (carried, Arc::clone(&counts)));
        drop(all);
        Meter { all: self.clone(), workspace, counts, totals, connection: Some(number) }
    }

    /// Looks at what was counted for so long, and says what the server is to be told.
    pub(crate) fn look(&self, over: Duration, now: Instant) -> Vec<(WorkspaceId, Instant)> {
        let mut untold = Vec::new();
        self.lock().retain(|workspace, seen| {
            seen.is_known = false;
            let requests = (Carried::Requests, Arc::clone(&seen.requests));
            let of_all = seen.connections.values().chain(std::iter::once(&requests));
            // Each is emptied, whatever the others were.
            let busy = of_all.filter(|(carried, counts)| is_active(*carried, counts.take(), over.as_secs()));
            if busy.count() > 0 {
                seen.untold = Some(now);
            }
            let is_old = |at: &Instant| now.duration_since(*at).as_secs() > u64::from(MAX_SECONDS_AGO);
            seen.untold = seen.untold.filter(|at| !is_old(at));
            untold.extend(seen.untold.map(|at| (*workspace, at)));
            drop(requests);
            seen.untold.is_some() || !seen.connections.is_empty() || Arc::strong_count(&seen.requests) > 1
        });
        untold
    }

    /// Where something happened since the last look that the server does not know of. A minute's worth of it is enough, however little
    /// of the minute has passed.
    fn glance(&self, now: Instant) -> Vec<(WorkspaceId, Instant)> {
        let mut untold = Vec::new();
        for (workspace, seen) in self.lock().iter_mut().filter(|(_, seen)| !seen.is_known) {
            let requests = (Carried::Requests, Arc::clone(&seen.requests));
            let mut of_all = seen.connections.values().chain(std::iter::once(&requests));
            if of_all.any(|(carried, counts)| is_active(*carried, counts.so_far(), TOLD_EVERY_SECONDS)) {
                seen.untold = Some(now);
            }
            untold.extend(seen.untold.map(|at| (*workspace, at)));
        }
        untold
    }

    /// The server knows it, unless something happened since.
    pub(crate) fn told(&self, those: &[(WorkspaceId, Instant)]) {
        let mut all = self.lock();
        for (workspace, at) in those {
            if let Some(seen) = all.get_mut(workspace).filter(|seen| seen.untold == Some(*at)) {
                seen.untold = None;
                seen.is_known = true;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkspaceId, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Tells the server again and again: all of it each `every`, and what is new between two of those. What it could not be told is told
    /// the next time, with its age.
    pub(crate) async fn keep_telling(self: Arc<Self>, every: Duration) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(every / GLANCES);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut looked, mut was_said) = (Instant::now(), false);
        for glance in (0..GLANCES).cycle() {
            ticks.tick().await;
            let now = Instant::now();
            let activity = self.streams.activity();
            let untold = if glance == 0 {
                let over = now.duration_since(looked);
                looked = now;
                activity.look(over, now)
            } else {
                activity.glance(now)
            };
            // That nothing happened is worth knowing once in a while.
            if glance > 0 && untold.is_empty() {
                continue;
            }
            match self.tell(&untold).await {
                Ok(()) => was_said = false,
                Err(error) => {
                    if !was_said {
                        without_answer(&error);
                    }
                    was_said = true;
                }
            }
        }
        Ok(())
    }

    /// One message at least: that nothing happened is worth knowing.
    async fn tell(&self, untold: &[(WorkspaceId, Instant)]) -> Result<(), crate::server::ServerError> {
        let nothing = [untold];
        let messages: Box<dyn Iterator<Item = _> + Send> =
            if untold.is_empty() { Box::new(nothing.into_iter()) } else { Box::new(untold.chunks(MAX_TOLD)) };
        for message in messages {
            let active = message.iter().map(|(workspace, at)| ActiveWorkspace {
                workspace: *workspace,
                seconds_ago: u32::try_from(at.elapsed().as_secs()).unwrap_or(u32::MAX).min(MAX_SECONDS_AGO),
            });
            self.server.tell(&TellActivity { active: active.collect() }).await?;
            self.streams.activity().told(message);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(TOLD_EVERY_SECONDS);

    fn workspaces(untold: &[(WorkspaceId, Instant)]) -> Vec<WorkspaceId> {
        untold.iter().map(|(workspace, _)| *workspace).collect()
    }

    #[test]
    fn what_was_told_is_not_told_again_unless_more_happens() {
        let (activity, workspace, now) = (Activity::default(), WorkspaceId::random(), Instant::now());
        let meter = activity.connection(workspace, Carried::Tunnel, Arc::default());
        let first = activity.look(MINUTE, now);
        assert_eq!(workspaces(&first), [workspace], "it was opened");
        assert_eq!(activity.look(MINUTE, now), first, "the server did not answer");
        activity.told(&first);
        assert_eq!(activity.look(MINUTE, now), []);
        (0..4).for_each(|_| meter.to_workspace(100));
        assert_eq!(activity.look(MINUTE, now), [], "an idle terminal");
        (0..4).for_each(|_| meter.to_person(100));
        assert_eq!(activity.look(MINUTE, now), [], "each look begins anew");
        (0..60).for_each(|_| meter.to_workspace(36));
        assert_eq!(workspaces(&activity.look(MINUTE, now)), [workspace], "somebody types");
        // Something happened while the server was being told.
        let told = activity.look(MINUTE, now);
        activity.happens(workspace);
        activity.told(&told);
        assert_eq!(workspaces(&activity.look(MINUTE, now)), [workspace]);
    }

    #[test]
    fn what_begins_is_seen_before_the_minute_is_over_and_once() {
        let (activity, workspace, now) = (Activity::default(), WorkspaceId::random(), Instant::now());
        let meter = activity.connection(workspace, Carried::Tunnel, Arc::default());
        activity.told(&activity.look(MINUTE, now));
        assert_eq!(activity.look(MINUTE, now), []);
        (0..4).for_each(|_| meter.to_workspace(100));
        assert_eq!(activity.glance(now), [], "an idle terminal");
        (0..7).for_each(|_| meter.to_workspace(36));
        let seen = activity.glance(now);
        assert_eq!(workspaces(&seen), [workspace], "somebody types");
        assert_eq!(activity.glance(now), seen, "the server did not answer");
        activity.told(&seen);
        (0..90).for_each(|_| meter.to_workspace(36));
        assert_eq!(activity.glance(now), [], "it knows");
        let whole = activity.look(MINUTE, now);
        assert_eq!(workspaces(&whole), [workspace], "all of the minute counts");
        activity.told(&whole);
        // Somebody opens a door just after the look.
        assert_eq!(activity.look(MINUTE, now), []);
        activity.happens(workspace);
        assert_eq!(workspaces(&activity.glance(now)), [workspace]);
    }

    #[test]
    fn what_was_done_before_a_connection_ended_counts_and_nothing_is_kept_of_it() {
        let (activity, workspace) = (Activity::default(), WorkspaceId::random());
        let meter = activity.connection(workspace, Carried::WebSocket, Arc::default());
        activity.told(&activity.look(MINUTE, Instant::now()));
        meter.to_person(1_000_000);
        drop(meter);
        let untold = activity.look(MINUTE, Instant::now());
        assert_eq!(workspaces(&untold), [workspace]);
        activity.told(&untold);
        let requests = activity.requests(workspace, Arc::default());
        (0..90).for_each(|_| requests.to_workspace(500));
        assert_eq!(activity.look(MINUTE, Instant::now()), [], "a page that asks by itself");
        drop(requests);
        assert_eq!(activity.look(MINUTE, Instant::now()), []);
        assert!(activity.lock().is_empty());
    }

    #[test]
    fn what_the_server_was_not_told_for_an_hour_is_forgotten() {
        let (activity, workspace) = (Activity::default(), WorkspaceId::random());
        activity.happens(workspace);
        let in_time = Instant::now() + Duration::from_secs(u64::from(MAX_SECONDS_AGO));
        assert_eq!(workspaces(&activity.look(MINUTE, in_time)), [workspace]);
        assert_eq!(activity.look(MINUTE, in_time + Duration::from_secs(2)), []);
        assert!(activity.lock().is_empty());
    }
}
