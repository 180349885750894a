//! What becomes of a state when nothing goes wrong any more and users are quiet.

use crate::agent::Mind;
use crate::cluster;
use crate::config::Rules;
use crate::state::{State, Workspace};
use crate::step::Step;

/// In how many rounds everything has to be as it was wished. A round: every message arrives, every process acts and
/// asks once, Kubernetes follows.
pub const ROUNDS: usize = 8;

/// Whether everything is in force within [`ROUNDS`], without any full reconcile but the first of a term, and stays so.
pub fn converges(state: &State, rules: Rules) -> bool {
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
    state.workspaces.iter().all(Workspace::in_force)
}

/// Nobody has anything left to say or to do: without a new cause, nothing will ever change.
pub fn is_quiet(state: &State, rules: Rules) -> bool {
    // One that was told to stop is not waited for.
    let mut leaders = state.processes.iter().filter(|process| !process.told_stale);
    let (Some(process), None) = (leaders.next(), leaders.next()) else { return false };
    let silent = state.requests.iter().all(|request| !request.reports());
    let rests = |(place, mind): (&Workspace, &Mind)| {
        let settled = place.begun.is_none() && !place.is_pending(rules) && !place.is_moving();
        settled && mind.seen == place.live.map(|live| live.object)
    };
    silent
        && state.responses.is_empty()
        && state.planned.is_none()
        && process.epoch == state.lease
        && process.is_at_rest()
        && state.workspaces.iter().zip(&process.minds).all(rests)
}

fn round(state: &mut State, rules: Rules) {
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
            state.perform(rules, &Step::Kubernetes { workspace });
        }
    }
    for process in 0..state.processes.len() {
        for workspace in 0..state.workspaces.len() {
            state.perform(rules, &Step::Watch { process, workspace });
            state.processes[process].minds[workspace].time_out();
        }
        // The network is empty: what is still waited for was lost.
        state.processes[process].awaiting = None;
        state.perform(rules, &Step::Send { process });
    }
    exchange(state, rules);
    state.tidy();
}

/// Everything that is on its way arrives.
fn exchange(state: &mut State, rules: Rules) {
    loop {
        let step = if state.planned.is_some() {
            Step::Store
        } else if !state.requests.is_empty() {
            Step::Load { request: 0 }
        } else if !state.responses.is_empty() {
            Step::Deliver { response: 0 }
        } else {
            return;
        };
        state.perform(rules, &step);
    }
}

/// A process ends what it has begun. A look and a write, and once more after a conflict.
fn work(state: &mut State, rules: Rules, process: usize, workspace: usize) {
    for _ in 0..4 {
        if !cluster::act(state, rules, process, workspace) {
            break;
        }
    }
    state.perform(rules, &Step::Watch { process, workspace });
}
