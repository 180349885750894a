//! Makes a failing scenario as short as it can be: entries are left out as long as it still fails in the same way.

use crate::bugs::Bug;
use crate::check::Invariant;
use crate::run::run;
use crate::scenario::{Deed, Scenario};
use crate::trace::Keep;

/// The most runs that shrinking may take.
const RUNS: u32 = 2_000;

/// The shortest scenario that was found to break the same invariant.
pub fn shrink(scenario: &Scenario, bug: Option<Bug>, invariant: Invariant) -> Scenario {
    let mut best = scenario.clone();
    let mut runs = 0;
    let mut fails = |deeds: &[Deed]| {
        runs += 1;
        let shorter = Scenario { deeds: deeds.to_vec(), ..scenario.clone() };
        let outcome = run(&shorter, bug, Keep::Nothing);
        (runs <= RUNS).then(|| outcome.violation.is_some_and(|found| found.invariant == invariant))
    };
    let mut size = best.deeds.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        let mut shorter = false;
        while at < best.deeds.len() {
            let mut deeds = best.deeds.clone();
            deeds.drain(at..(at + size).min(best.deeds.len()));
            match fails(&deeds) {
                None => return best,
                Some(true) => {
                    best.deeds = deeds;
                    shorter = true;
                }
                Some(false) => at += size,
            }
        }
        // One by one until nothing more can be left out.
        size = if size > 1 { size / 2 } else { usize::from(shorter) };
    }
    best
}
