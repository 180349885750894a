//! What is being done about each workspace, what went wrong, and when to try again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use berth_schema::reconcile::{ErrorDetails, Received};
use berth_schema::{Generation, NamespaceName, WorkspaceId, WorkspaceName};

use crate::backoff::Backoff;
use crate::home::Home;
use crate::index::Index;
use crate::plan::Outcome;
use crate::policy::Refusal;

/// How long the watches have to show what was applied, before the server is asked for it again.
const PROOF: Duration = Duration::from_secs(10);
/// How long a workspace rests in which something was put back. Beyond so many times it rests twice as long each time that
/// happens again, up to the longest rest: a person who tries one thing after another is followed, and whoever keeps changing it
/// does not keep everybody busy.
const PUT_BACK: Duration = Duration::from_secs(2);
const PATIENT: u32 = 8;
const LONGEST_REST: Duration = Duration::from_mins(2);
/// After so long without that, it counts as the first time again.
const QUIET: Duration = Duration::from_mins(10);
/// How long a deletion may take before it is looked at again without an event.
const DELETION: Duration = Duration::from_secs(10);
/// How long what was found to be gone, and is shown all the same, is left alone.
const DOUBTFUL: Duration = Duration::from_mins(1);
/// How soon after a look the next one may follow, and how often volumes are looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const VOLUMES: Duration = Duration::from_secs(2);

/// Why a directive leads to no action now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// An action for the workspace is running; the directive comes again.
    InFlight,
    /// It was applied; the watch has not shown it yet.
    AwaitingProof,
    /// It failed before and rests alone.
    BackingOff { remaining: Duration },
    /// The workspace is being removed here and does not come back.
    BeingTerminated,
    /// The cluster has a newer generation: it is never lowered.
    OlderThanLive { live: Generation },
    /// It is in the cluster, whole: the answer was written before the server knew.
    AlreadyProven,
    /// The local policy forbids it.
    Refused(Refusal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    Applied,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// An action is running.
    Running,
    /// Applied; the watch has to show it.
    Unproven { until: Instant },
    /// After an error, or where the server was told and disagrees.
    Resting { until: Instant },
    /// The rest is over; the directive is awaited.
    Idle,
    /// Deleted, and something is left; looked at again `until` then, or `from` then on when the watches show nothing.
    Leaving { from: Instant, until: Instant },
    /// Nothing is left.
    Gone,
    /// The server knows that nothing is left, and the watches show something all the same: it is looked at again `until` then,
    /// and told of no more.
    Doubtful { until: Instant },
}

#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) details: ErrorDetails,
    backoff: Backoff,
}

/// What is being done about one workspace.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: WorkspaceName,
    pub(crate) namespace: NamespaceName,
    pub(crate) generation: Generation,
    pub(crate) goal: Goal,
    pub(crate) phase: Phase,
    /// What the cluster has is of the same generation, and what somebody has changed of it is written again.
    puts_back: bool,
    /// A newer directive that came while an action was running; it is wanted again afterwards.
    deferred: Option<Generation>,
    /// The newest error, until a success.
    pub(crate) trouble: Option<Trouble>,
}

impl Entry {
    pub(crate) fn home(&self, workspace: WorkspaceId) -> Home {
        Home::new(workspace, &self.name, &self.namespace)
    }

    pub(crate) fn terminates(&self) -> bool {
        self.goal == Goal::Gone
    }

    /// What the watches show may be half of it.
    pub(crate) fn is_on_its_way(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Unproven { .. })
    }

    fn fail(&mut self, details: ErrorDetails, now: Instant, jitter: f64) {
        let old = self.trouble.take().map(|trouble| trouble.backoff);
        let mut backoff = old.unwrap_or(Backoff::new(Duration::from_secs(10), Duration::from_mins(1)));
        self.phase = Phase::Resting { until: now + backoff.next(jitter) };
        self.trouble = Some(Trouble { details, backoff });
    }
}

/// How long an API server that does not answer is left alone: everyone waits for it, so not longer than need be.
fn unanswered(jitter: f64) -> Duration {
    Duration::from_secs(1) + Duration::from_secs(2).mul_f64(jitter)
}

/// How long a namespace that somebody has deleted is given to go.
fn waits(jitter: f64) -> Duration {
    Duration::from_secs(3) + Duration::from_secs(2).mul_f64(jitter)
}

/// What a directive wants of a workspace.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) workspace: WorkspaceId,
    pub(crate) name: WorkspaceName,
    pub(crate) namespace: NamespaceName,
    pub(crate) generation: Generation,
    pub(crate) goal: Goal,
    /// What the cluster has is of the same generation, but for what somebody has changed.
    pub(crate) puts_back: bool,
}

impl Wanted {
    pub(crate) fn home(&self) -> Home {
        Home::new(self.workspace, &self.name, &self.namespace)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Work {
    entries: BTreeMap<WorkspaceId, Entry>,
    /// Workspaces whose entry has changed since somebody took this.
    touched: BTreeSet<WorkspaceId>,
    repairs: BTreeMap<WorkspaceId, Repairs>,
}

/// What was put back of one workspace.
#[derive(Debug)]
struct Repairs {
    count: u32,
    /// When the rest after the last one ends.
    until: Instant,
}

/// The rest after something was put back.
fn rest(repairs: &mut BTreeMap<WorkspaceId, Repairs>, workspace: WorkspaceId, now: Instant) -> Duration {
    repairs.retain(|_, repairs| repairs.until + QUIET > now);
    let count = repairs.get(&workspace).map_or(1, |repairs| repairs.count.saturating_add(1));
    let doubled = 2_u32.saturating_pow(count.saturating_sub(PATIENT));
    let rest = PUT_BACK.saturating_mul(doubled).min(LONGEST_REST);
    repairs.insert(workspace, Repairs { count, until: now + rest });
    rest
}

/// What has become due.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// Deletions to look at again.
    pub(crate) leaving: Vec<WorkspaceId>,
    /// Gone for the watches, too: to be forgotten.
    pub(crate) over: Vec<WorkspaceId>,
    /// To be reported again, so that the server repeats its directive.
    pub(crate) repeat: Vec<WorkspaceId>,
}

impl Work {
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(crate) fn get(&self, workspace: WorkspaceId) -> Option<&Entry> {
        self.entries.get(&workspace)
    }

    pub(crate) fn forget(&mut self, workspace: WorkspaceId) {
        self.entries.remove(&workspace);
        self.touched.insert(workspace);
    }

    pub(crate) fn take_touched(&mut self) -> BTreeSet<WorkspaceId> {
        std::mem::take(&mut self.touched)
    }

    pub(crate) fn workspaces(&self) -> impl Iterator<Item = WorkspaceId> + '_ {
        self.entries.keys().copied()
    }

    /// Whether an action may begin for a directive, and if not, why.
    pub(crate) fn admit(&mut self, wanted: &Wanted, now: Instant) -> Result<(), Skip> {
        let Some(entry) = self.entries.get_mut(&wanted.workspace) else {
            return Ok(());
        };
        if entry.terminates() && wanted.goal == Goal::Applied {
            return Err(Skip::BeingTerminated);
        }
        let same = entry.generation == wanted.generation && entry.goal == wanted.goal;
        match entry.phase {
            Phase::Running => {
                entry.deferred = Some(wanted.generation).filter(|_| !same);
                Err(Skip::InFlight)
            }
            Phase::Unproven { .. } | Phase::Leaving { .. } | Phase::Gone | Phase::Doubtful { .. } if same => {
                Err(Skip::AwaitingProof)
            }
            // Another generation is another attempt: whoever changed something may have cured it.
            Phase::Resting { until } if same && until > now => {
                Err(Skip::BackingOff { remaining: until - now })
            }
            _ => Ok(()),
        }
    }

    /// An action begins.
    pub(crate) fn begin(&mut self, wanted: Wanted) {
        let trouble = self.entries.remove(&wanted.workspace).and_then(|entry| entry.trouble);
        let entry = Entry {
            name: wanted.name,
            namespace: wanted.namespace,
            generation: wanted.generation,
            goal: wanted.goal,
            phase: Phase::Running,
            puts_back: wanted.puts_back,
            deferred: None,
            trouble,
        };
        self.entries.insert(wanted.workspace, entry);
        self.touched.insert(wanted.workspace);
    }

    /// Nothing is to be done for a directive, the server was told so, and wants it all the same. It is held for a while: telling the
    /// same again at once would bring the same answer, as fast as the two can speak, and keep others from being told of.
    pub(crate) fn disagree(&mut self, wanted: Wanted, now: Instant) {
        let workspace = wanted.workspace;
        self.begin(Wanted { puts_back: false, ..wanted });
        if let Some(entry) = self.entries.get_mut(&workspace) {
            entry.phase = Phase::Resting { until: now + PROOF };
        }
    }

    /// An action ended. What was forgotten meanwhile is left alone.
    pub(crate) fn finish(&mut self, workspace: WorkspaceId, outcome: Outcome, now: Instant, jitter: f64) {
        let Some(entry) = self.entries.get_mut(&workspace) else {
            return;
        };
        self.touched.insert(workspace);
        if outcome == Outcome::Delivered {
            // Nothing else was asked for; the Secret itself tells what it holds.
            self.entries.remove(&workspace);
            return;
        }
        entry.deferred = None;
        entry.phase = match outcome {
            Outcome::Applied | Outcome::Delivered | Outcome::OlderThanLive { .. } => {
                Phase::Unproven { until: now + PROOF }
            }
            Outcome::Leaving => Phase::Leaving { from: now + LOOK_AGAIN, until: now + DELETION },
            Outcome::VolumesLeft => Phase::Leaving { from: now + VOLUMES, until: now + VOLUMES },
            Outcome::Gone => Phase::Gone,
            Outcome::Failed(details) => return entry.fail(details, now, jitter),
            Outcome::Waits => Phase::Resting { until: now + waits(jitter) },
            Outcome::Unanswered => return entry.phase = Phase::Resting { until: now + unanswered(jitter) },
        };
        entry.trouble = None;
    }

    /// The server has taken note that nothing is left of a workspace. Tells whether it may be forgotten: while the watches
    /// show something of it, it rests, or all of it would be news again, for ever.
    pub(crate) fn leave(&mut self, workspace: WorkspaceId, index: &Index, now: Instant) -> bool {
        let entry = self.entries.get_mut(&workspace);
        let Some(entry) = entry.filter(|entry| !is_empty(index, workspace, entry)) else { return true };
        if entry.phase == Phase::Gone {
            entry.phase = Phase::Doubtful { until: now + DOUBTFUL };
        }
        false
    }

    /// A second action for a deletion that goes on.
    pub(crate) fn resume(&mut self, workspace: WorkspaceId) -> Option<&Entry> {
        let entry = self.entries.get_mut(&workspace)?;
        self.touched.insert(workspace);
        entry.phase = Phase::Running;
        Some(entry)
    }

    /// The server sees nothing left to do: whatever went wrong has been overtaken, if the cluster shows the same. Secrets
    /// do not count: a workspace that is stopped gets none.
    pub(crate) fn settle(&mut self, workspace: WorkspaceId, generation: Generation, index: &Index) {
        let done = self.entries.get(&workspace).is_some_and(|entry| {
            let home = entry.home(workspace);
            let deployment = index.view(workspace, Some(&home)).deployment();
            let live = deployment.and_then(|fact| fact.applied_generation);
            let over = match entry.phase {
                Phase::Idle => true,
                // One that was put back rests in any case.
                Phase::Resting { .. } => !entry.puts_back,
                _ => false,
            };
            over && entry.goal == Goal::Applied && live.is_some_and(|live| live.reaches(generation))
        });
        if done {
            self.forget(workspace);
        }
    }

    /// Moves on what time or the watches have moved on.
    pub(crate) fn tick(&mut self, index: &Index, now: Instant) -> Due {
        let mut due = Due::default();
        let (touched, repairs) = (&mut self.touched, &mut self.repairs);
        self.entries.retain(|workspace, entry| {
            match entry.phase {
                Phase::Unproven { .. } if is_proven(index, *workspace, entry, entry.generation) => {
                    touched.insert(*workspace);
                    if entry.puts_back {
                        entry.phase = Phase::Resting { until: now + rest(repairs, *workspace, now) };
                    }
                    return entry.puts_back;
                }
                // It was changed again before the watches could show it as it was left.
                Phase::Unproven { until } if until <= now && entry.puts_back => {
                    touched.insert(*workspace);
                    entry.phase = Phase::Resting { until: now + rest(repairs, *workspace, now) };
                }
                Phase::Unproven { until } if until <= now => {
                    touched.insert(*workspace);
                    due.repeat.push(*workspace);
                    return false;
                }
                Phase::Resting { until } if until <= now => {
                    touched.insert(*workspace);
                    entry.phase = Phase::Idle;
                    due.repeat.push(*workspace);
                }
                Phase::Leaving { .. } if look_at(index, *workspace, entry).is_some_and(|at| at <= now) => {
                    due.leaving.push(*workspace);
                }
                Phase::Doubtful { .. } if is_empty(index, *workspace, entry) => due.over.push(*workspace),
                Phase::Doubtful { until } if until <= now => due.leaving.push(*workspace),
                _ => {}
            }
            true
        });
        due
    }

    /// When [`Work::tick`] has something to do without an event.
    pub(crate) fn next_due(&self, index: &Index) -> Option<Instant> {
        let entries = self.entries.iter();
        entries
            .filter_map(|(workspace, entry)| match entry.phase {
                Phase::Unproven { until } | Phase::Resting { until } | Phase::Doubtful { until } => {
                    Some(until)
                }
                Phase::Leaving { .. } => look_at(index, *workspace, entry),
                Phase::Running | Phase::Idle | Phase::Gone => None,
            })
            .min()
    }

    /// The directives that are held without being proven: the server need not repeat them at once.
    pub(crate) fn received(&self) -> Vec<Received> {
        let entries = self.entries.iter();
        let held = entries.filter(|(_, entry)| entry.phase != Phase::Idle);
        held.flat_map(|(workspace, entry)| {
            let generations = [Some(entry.generation), entry.deferred].into_iter().flatten();
            generations.map(|generation| Received { workspace_id: *workspace, generation })
        })
        .collect()
    }
}

/// When a deletion is to be looked at again.
fn look_at(index: &Index, workspace: WorkspaceId, entry: &Entry) -> Option<Instant> {
    match entry.phase {
        Phase::Leaving { from, .. } if is_empty(index, workspace, entry) => Some(from),
        Phase::Leaving { until, .. } => Some(until),
        _ => None,
    }
}

fn is_empty(index: &Index, workspace: WorkspaceId, entry: &Entry) -> bool {
    index.view(workspace, Some(&entry.home(workspace))).is_empty()
}

fn is_proven(index: &Index, workspace: WorkspaceId, entry: &Entry, generation: Generation) -> bool {
    index.view(workspace, Some(&entry.home(workspace))).proves(generation)
}
