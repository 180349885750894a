//! Who leads: the decision about a Lease. Replacing it with its resource version as a precondition is the caller's part.
//!
//! Clocks are not compared: a Lease has run out when this process has seen it unchanged for its whole duration.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;

/// How long a Lease holds without being renewed.
pub const DURATION: Duration = Duration::from_secs(15);
/// How often its holder renews it.
pub const RENEWAL: Duration = Duration::from_secs(5);
/// How long after its last renewal the holder still acts. Less than [`DURATION`], so that it has stopped before another
/// begins.
pub const GRACE: Duration = Duration::from_secs(10);
/// How long whoever was deposed by a process with a Lease of its own lets that one lead. Two installations with one
/// identity are a mistake; taking turns all the time would make it worse.
pub const DEPOSED: Duration = Duration::from_mins(10);

/// What to do about the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nobody has made it yet.
    Create {
        epoch: i64,
    },
    /// It is free, has run out, or was held by this process' predecessor of the same name.
    Acquire {
        epoch: i64,
    },
    Renew {
        epoch: i64,
    },
    /// Somebody else holds it.
    Wait,
    /// This process held it and no longer does.
    Lost,
}

/// One candidate's view.
#[derive(Clone, Debug)]
pub struct Candidate {
    identity: String,
    /// The epoch that this process leads in.
    leads: Option<i64>,
    /// What was last seen, and since when it is unchanged.
    seen: Option<(LeaseSpec, Instant)>,
    /// The last epoch that this process led in.
    won: Option<i64>,
    /// Whether the server has accepted it.
    heard: bool,
    /// The epoch that was heard and then called stale, and when.
    deposed: Option<(i64, Instant)>,
    /// How often in a row the server has called the epoch stale.
    stale: u32,
    /// The highest epoch that was ever seen. A Lease that is deleted and made anew must not lead to an epoch that the
    /// server has heard of: it would take the new leader's reports for repetitions of the old one's.
    highest: i64,
}

impl Candidate {
    pub const fn new(identity: String) -> Self {
        Self {
            identity,
            leads: None,
            seen: None,
            won: None,
            heard: false,
            deposed: None,
            stale: 0,
            highest: 0,
        }
    }

    pub const fn leads(&self) -> Option<i64> {
        self.leads
    }

    /// Decides by the Lease as it is now (`None`: there is none).
    pub fn decide(&mut self, lease: Option<&Lease>, now: Instant) -> Decision {
        let Some(lease) = lease else {
            self.seen = None;
            let lost = self.leads.take().is_some();
            return if lost {
                Decision::Lost
            } else {
                Decision::Create { epoch: self.highest + self.step() }
            };
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let epoch = i64::from(spec.lease_transitions.unwrap_or_default());
        self.highest = self.highest.max(epoch);
        let holder = spec.holder_identity.clone().unwrap_or_default();
        let expired = self.is_expired(spec, now);
        if let Some(leads) = self.leads {
            if holder == self.identity && epoch == leads {
                return Decision::Renew { epoch };
            }
            self.leads = None;
            return Decision::Lost;
        }
        let own = holder == self.identity;
        // Nobody has taken the Lease, and yet somebody leads: by another Lease, and longer than this process is wanted.
        if own && self.is_deposed(epoch, now) {
            return Decision::Wait;
        }
        // Our own name in it was written by a process that is gone: there is one per pod. Unless it was written after we
        // led: then there are two, and the older one stands by.
        let gone = own && self.won.is_none_or(|won| epoch <= won);
        if holder.is_empty() || gone || expired {
            return Decision::Acquire { epoch: self.highest + self.step() };
        }
        Decision::Wait
    }

    /// Whether the server has heard a later leader while the Lease went on saying that this process leads. A Lease that has
    /// said something later in between was made anew since.
    fn is_deposed(&self, epoch: i64, now: Instant) -> bool {
        let went_on = self.highest == epoch;
        let at = self.deposed.filter(|(deposed, _)| went_on && *deposed == epoch);
        at.is_some_and(|(_, since)| now.duration_since(since) < DEPOSED)
    }

    /// When a Lease that somebody else holds will have run out, as far as is seen now.
    pub fn runs_out(&self) -> Option<Instant> {
        self.seen.as_ref().map(|(spec, since)| *since + duration(spec))
    }

    /// The Lease was written as decided.
    pub fn won(&mut self, epoch: i64) {
        self.heard &= self.won == Some(epoch);
        (self.leads, self.won) = (Some(epoch), Some(epoch));
        self.highest = self.highest.max(epoch);
    }

    /// This process gives up leading by itself.
    pub const fn resign(&mut self) {
        self.leads = None;
    }

    /// The server has seen a later epoch. Whoever still gets the Lease after that is ahead of nobody: the Lease was made
    /// anew (a restored cluster), and its count has to catch up, twice as far each time. But an epoch that was accepted
    /// before is behind because somebody else was elected: this process is the older one.
    pub fn stale(&mut self, now: Instant) {
        let deposed = self.leads.take().filter(|_| self.heard);
        self.deposed = deposed.map(|epoch| (epoch, now)).or(self.deposed);
        self.stale = self.stale.saturating_add(1);
    }

    /// The server has accepted the epoch.
    pub const fn accepted(&mut self) {
        self.heard = true;
        self.stale = 0;
    }

    fn step(&self) -> i64 {
        1 << self.stale.min(20)
    }

    fn is_expired(&mut self, spec: LeaseSpec, now: Instant) -> bool {
        match &self.seen {
            Some((seen, since)) if *seen == spec => now.duration_since(*since) >= duration(&spec),
            _ => {
                self.seen = Some((spec, now));
                false
            }
        }
    }
}

fn duration(spec: &LeaseSpec) -> Duration {
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(DURATION, Duration::from_secs)
}

/// The Lease as this candidate writes it; with `holder` empty it is released. `old` gives what must not be lost.
pub fn written(old: Option<&Lease>, name: &str, holder: &str, epoch: i64, now: Timestamp) -> Lease {
    let old_spec = old.and_then(|lease| lease.spec.clone()).unwrap_or_default();
    let transitions = i32::try_from(epoch).unwrap_or(i32::MAX);
    let renewed = old_spec.lease_transitions == Some(transitions);
    let metadata = old.map_or_else(
        || ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        |lease| lease.metadata.clone(),
    );
    Lease {
        metadata: ObjectMeta { managed_fields: None, ..metadata },
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_transitions: Some(transitions),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: old_spec.acquire_time.filter(|_| renewed).or(Some(MicroTime(now))),
            renew_time: Some(MicroTime(now)),
            ..old_spec
        }),
    }
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
