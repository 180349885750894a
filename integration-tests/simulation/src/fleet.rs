//! Many runs, on as many threads as wanted.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::bugs::Bug;
use crate::check::Violation;
use crate::run::run;
use crate::scenario::Scenario;
use crate::trace::Keep;

/// What many runs have shown.
#[derive(Debug, Default)]
pub struct Summary {
    pub seeds: u64,
    pub faults: u64,
    /// In any one run.
    pub fewest_faults: u32,
    pub steps: u64,
    /// Runs by how many seconds they took to be as wanted after the last fault.
    pub converged: Vec<u64>,
    pub violations: Vec<(u64, Violation)>,
}

impl Summary {
    /// The time within which that share of runs was as wanted; `share` from 0 to 1.
    pub fn converged_within(&self, share: f64) -> Duration {
        let total: u64 = self.converged.iter().sum();
        #[allow(clippy::cast_precision_loss, reason = "counts of runs are far below 2^52")]
        let wanted = total as f64 * share;
        let mut sum = 0;
        for (second, count) in (0..).zip(&self.converged) {
            sum += count;
            #[allow(clippy::cast_precision_loss, reason = "as above")]
            if sum as f64 >= wanted {
                return Duration::from_secs(second);
            }
        }
        Duration::ZERO
    }

    fn add(&mut self, other: Self) {
        self.fewest_faults =
            if self.seeds == 0 { other.fewest_faults } else { self.fewest_faults.min(other.fewest_faults) };
        self.seeds += other.seeds;
        self.faults += other.faults;
        self.steps += other.steps;
        self.converged.resize(self.converged.len().max(other.converged.len()), 0);
        for (sum, count) in self.converged.iter_mut().zip(other.converged) {
            *sum += count;
        }
        self.violations.extend(other.violations);
    }
}

/// When many runs end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// When all seeds were run.
    AtTheEnd,
    /// As soon as one thread has found something.
    AtFirstViolation,
}

/// What is run.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub seeds: Range<u64>,
    pub threads: u64,
    pub bug: Option<Bug>,
    pub stop: Stop,
}

/// Runs all seeds of a range, divided among the threads. `progress` hears of every finished seed.
pub fn run_all(fleet: &Fleet, progress: &(impl Fn(u64) + Sync)) -> Summary {
    let found = AtomicBool::new(false);
    let mut total = Summary::default();
    thread::scope(|scope| {
        let found = &found;
        let workers: Vec<_> = (0..fleet.threads.max(1))
            .map(|number| scope.spawn(move || share(fleet, number, found, progress)))
            .collect();
        for worker in workers {
            match worker.join() {
                Ok(summary) => total.add(summary),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    total.violations.sort_by_key(|(seed, _)| *seed);
    total
}

/// One thread's part.
fn share(fleet: &Fleet, number: u64, found: &AtomicBool, progress: &impl Fn(u64)) -> Summary {
    let mut summary = Summary::default();
    for seed in fleet.seeds.clone().filter(|seed| seed % fleet.threads.max(1) == number) {
        if fleet.stop == Stop::AtFirstViolation && found.load(Ordering::Relaxed) {
            break;
        }
        summary.add(one(seed, fleet));
        found.fetch_or(!summary.violations.is_empty(), Ordering::Relaxed);
        progress(seed);
    }
    summary
}

fn one(seed: u64, fleet: &Fleet) -> Summary {
    let scenario = Scenario::new(seed);
    let outcome = run(&scenario, fleet.bug, Keep::Nothing);
    let mut converged = vec![];
    if let Some(after) = outcome.converged_after {
        let second = usize::try_from(after.as_secs()).unwrap_or(usize::MAX);
        converged.resize(second + 1, 0);
        converged[second] = 1;
    }
    Summary {
        seeds: 1,
        faults: outcome.faults.into(),
        fewest_faults: outcome.faults,
        steps: outcome.steps,
        converged,
        violations: outcome.violation.map(|violation| (seed, violation)).into_iter().collect(),
    }
}
