//! What has to hold in every state. The numbers are those of the invariants in `docs/model.md`.

use berth_schema::DesiredState;
use stateright::Property;

use crate::Protocol;
use crate::calm;
use crate::state::{State, Workspace};

pub const ON_RECORD: &str = "I1 an accepted wish stays on record";
pub const NOT_SILENTLY_GONE: &str = "I1 when all is quiet, what was wished is in force";
pub const NEVER_LOWERED: &str = "I2 an agent never puts an older generation in the place of a newer one";
pub const STAYS_TERMINATED: &str = "I3 a terminated workspace stays terminated";
pub const DEPOSED_STOPS: &str = "I4 an agent that was told its epoch is stale writes nothing";
pub const CONVERGES: &str = "I6 when faults end, everything comes to be as it was wished";
pub const INTERRUPTS: &str = "a restart that is over has interrupted the workspace";

pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ON_RECORD, |_, state: &State| state.workspaces.iter().all(is_on_record)),
        Property::always(NOT_SILENTLY_GONE, |model: &Protocol, state| {
            !calm::is_quiet(state, model.rules) || calm::is_in_force(state)
        }),
        Property::always(NEVER_LOWERED, |_, state: &State| !state.lowered),
        Property::always(STAYS_TERMINATED, |_, state: &State| {
            state
                .workspaces
                .iter()
                .all(|workspace| !workspace.finished || workspace.row.state().is_finished())
        }),
        Property::always(DEPOSED_STOPS, |_, state: &State| !state.wrote_after_told),
        Property::always(INTERRUPTS, |_, state: &State| state.workspaces.iter().all(was_interrupted)),
        Property::always(CONVERGES, |model: &Protocol, state| calm::converges(state, model.rules)),
        // Without these, the others might hold because nothing happens.
        Property::sometimes("a restart comes to its end", |_, state: &State| {
            state.workspaces.iter().any(|workspace| restart_is_over(workspace) && workspace.in_force())
        }),
        Property::sometimes("a workspace is terminated and gone", |_, state: &State| {
            state.workspaces.iter().any(|workspace| workspace.finished && workspace.in_force())
        }),
        Property::sometimes("two processes lead at once", |_, state: &State| state.processes.len() == 2),
    ]
}

fn restart_is_over(workspace: &Workspace) -> bool {
    workspace.acknowledged == DesiredState::RestartRequested
        && workspace.row.desired_state == DesiredState::Running
}

fn is_on_record(workspace: &Workspace) -> bool {
    workspace.row.desired_state == workspace.acknowledged || restart_is_over(workspace)
}

fn was_interrupted(workspace: &Workspace) -> bool {
    !restart_is_over(workspace) || workspace.interrupted
}
