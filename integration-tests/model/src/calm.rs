//! What becomes of a state when nothing goes wrong any more and users are quiet.

use crate::cluster;
use crate::config::Rules;
use crate::server;
use crate::state::State;
use crate::step::Step;

/// In how many rounds everything has to be as it was wished. A round: every message arrives, every process acts and
/// asks once, Kubernetes follows.
pub const ROUNDS: usize = 8;

/// Whether everything is in force within [`ROUNDS`], without any full reconcile but the first of a term, and stays so.
pub fn converges(state: &State, rules: &Rules) -> bool {
    let mut calm = state.clone();
    for _ in 0..ROUNDS {
        if is_quiet(&calm, rules) {
            break;
        }
        round(&mut calm, rules);
    }
    is_quiet(&calm, rules) && is_in_force(&calm)
}

/// Every wish is in the cluster, and the record says so.
pub fn is_in_force(state: &State) -> bool {
    state.workspaces.iter().all(crate::state::Workspace::in_force)
}

/// Nobody has anything left to say or to do: without a new cause, nothing will ever change.
pub fn is_quiet(state: &State, rules: &Rules) -> bool {
    let [process] = state.processes.as_slice() else { return false };
    let network = state.requests.is_empty() && state.responses.is_empty() && state.planned.is_none();
    let watched = |(place, mind): (&crate::state::Workspace, &crate::agent::Mind)| {
        place.is_settled(rules) && !place.is_moving() && mind.seen == place.live.map(|live| live.object)
    };
    network
        && process.epoch == state.lease
        && process.is_idle()
        && state.workspaces.iter().zip(&process.minds).all(watched)
}

fn round(state: &mut State, rules: &Rules) {
    for workspace in &mut state.workspaces {
        workspace.commit();
    }
    exchange(state, rules);
    if state.processes.iter().all(|process| process.epoch < state.lease) {
        state.elect();
    }
    for process in 0..state.processes.len() {
        for workspace in 0..state.workspaces.len() {
            work(state, rules, process, workspace);
        }
    }
    for workspace in 0..state.workspaces.len() {
        while state.workspaces[workspace].is_moving() {
            state.take(rules, &Step::Kubernetes { workspace });
        }
    }
    for process in 0..state.processes.len() {
        for workspace in 0..state.workspaces.len() {
            state.take(rules, &Step::Watch { process, workspace });
            state.processes[process].minds[workspace].time_out();
        }
        // The network is empty: what is still waited for was lost.
        state.processes[process].awaiting = None;
        state.take(rules, &Step::Send { process });
    }
    exchange(state, rules);
}

/// Everything that is on its way arrives.
fn exchange(state: &mut State, rules: &Rules) {
    loop {
        if state.planned.is_some() {
            server::store(state, rules);
        } else if let Some(request) = state.requests.first().cloned() {
            state.take(rules, &Step::Load(request));
        } else if let Some(response) = state.responses.first().cloned() {
            state.take(rules, &Step::Deliver(response));
        } else {
            return;
        }
    }
}

/// A process ends what it has begun. A look and a write, and once more after a conflict.
fn work(state: &mut State, rules: &Rules, process: usize, workspace: usize) {
    for _ in 0..4 {
        if !cluster::act(state, rules, process, workspace) {
            break;
        }
    }
    state.take(rules, &Step::Watch { process, workspace });
}
