//! Runs a model and tells what it found.

use std::num::NonZero;
use std::thread::available_parallelism;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::Protocol;
use crate::config::{Bounds, Rules};
use crate::trace::describe;

/// What an exploration came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Different states.
    pub states: usize,
    /// The most steps from the beginning.
    pub depth: usize,
    /// A property that does not hold: its name, and the way there in words.
    pub violations: Vec<(&'static str, Vec<String>)>,
    /// What ought to happen at some time and never does.
    pub never: Vec<&'static str>,
}

/// Explores everything within the bounds.
pub fn explore(bounds: Bounds, rules: Rules) -> Outcome {
    run(bounds, rules, HasDiscoveries::All)
}

/// Explores until the first violation, which is one of the shortest.
pub fn find_violation(bounds: Bounds, rules: Rules) -> Outcome {
    run(bounds, rules, HasDiscoveries::AnyFailures)
}

fn run(bounds: Bounds, rules: Rules, finish: HasDiscoveries) -> Outcome {
    let model = Protocol { bounds, rules };
    let threads = available_parallelism().map_or(1, NonZero::get);
    let checker = model.clone().checker().threads(threads).finish_when(finish).spawn_bfs().join();
    let found = checker.discoveries();
    let mut outcome = Outcome {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        violations: vec![],
        never: vec![],
    };
    for property in model.properties() {
        match (property.expectation, found.get(property.name)) {
            (Expectation::Sometimes, None) => outcome.never.push(property.name),
            (Expectation::Always, Some(path)) => {
                let steps = path.clone().into_vec();
                let words = steps.iter().filter_map(|(state, step)| Some(describe(state, step.as_ref()?)));
                outcome.violations.push((property.name, words.collect()));
            }
            _ => {}
        }
    }
    outcome
}
