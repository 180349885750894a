//! A model of the reconcile protocol, explored exhaustively within bounds.
//!
//! It has one user, one server, one identity of an agent with up to two processes that both believe they lead, a network
//! that loses, repeats, delays and reorders, and a cluster with the guard. The names are those of the code. A user's
//! change is decided by the planner's own `intent::transition`; the server's round is held against the planner's
//! `reconcile` for every input that the model meets (`tests/planner.rs`).
//!
//! What it leaves out, and why, is in `docs/model.md`.

pub mod agent;
pub mod calm;
pub mod cluster;
pub mod config;
pub mod network;
mod order;
pub mod planner;
pub mod properties;
pub mod run;
pub mod server;
pub mod state;
pub mod step;
pub mod trace;

use stateright::{Model, Property};

use config::{Bounds, Rules};
use state::State;
use step::Step;

/// The protocol under some rules, within some bounds.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub bounds: Bounds,
    pub rules: Rules,
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(&self.bounds)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        state.steps(&self.bounds, self.rules, steps);
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut next = last.clone();
        next.take(self.rules, &step);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
