//! The cluster: what agents write, under a guard, and what Kubernetes makes of it.

use crate::agent::{Entry, Goal, Mind, Phase};
use crate::config::{Guard, Rules};
use crate::state::{Live, Object, State, Version, Workspace};

/// The next step of an action of a process: a look at the cluster, or the write after it. `false`: none is under way.
pub fn act(state: &mut State, rules: Rules, process: usize, workspace: usize) -> bool {
    let (told_stale, version) = (state.processes[process].told_stale, state.fresh_version(workspace));
    let mind = &mut state.processes[process].minds[workspace];
    let Some(entry) = mind.entry else { return false };
    let place = &mut state.workspaces[workspace];
    let wrote = match (entry.phase, entry.goal) {
        (Phase::Prepared, Goal::Gone) => {
            mind.entry = Some(Entry { phase: place.remove(), ..entry });
            place.live.is_some()
        }
        (Phase::Prepared, Goal::Applied { .. }) => {
            mind.look(entry, place, rules);
            false
        }
        (Phase::Looked { found }, Goal::Applied { scaled_up }) => {
            let live = place.live.map(|live| live.object);
            let lower = live.is_some_and(|object| object.generation > entry.generation);
            let wrote = mind.write(entry, place, rules, Patch { found, scaled_up, version });
            state.lowered |= wrote && lower;
            wrote
        }
        _ => return false,
    };
    state.wrote_after_told |= wrote && told_stale;
    true
}

#[derive(Clone, Copy)]
struct Patch {
    found: Option<Version>,
    scaled_up: bool,
    version: Version,
}

impl Mind {
    fn look(&mut self, entry: Entry, place: &Workspace, rules: Rules) {
        let live = place.live.map(|live| live.object);
        let newer = live.is_some_and(|object| object.generation > entry.generation);
        let phase = if newer && rules.guard != Guard::None {
            Phase::Unproven
        } else {
            Phase::Looked { found: live.map(|object| object.version) }
        };
        self.entry = Some(Entry { phase, ..entry });
        self.settle();
    }

    /// Tells whether the cluster took it.
    fn write(&mut self, entry: Entry, place: &mut Workspace, rules: Rules, patch: Patch) -> bool {
        let live = place.live.map(|live| live.object.version);
        let unchanged = match (rules.guard, patch.found) {
            (Guard::None, _) | (Guard::WherePresent, None) => true,
            _ => patch.found == live,
        };
        if !unchanged {
            // 409: look again.
            self.entry = Some(Entry { phase: Phase::Prepared, ..entry });
            return false;
        }
        if place.live.is_some_and(|live| live.leaving) {
            // Nothing is made in a namespace that is going; the server is asked again later.
            (self.entry, self.again) = (None, true);
            return false;
        }
        let old = place.live.map(|live| live.object);
        let same = old.filter(|old| old.generation == entry.generation && old.scaled_up == patch.scaled_up);
        let object = same.unwrap_or(Object {
            generation: entry.generation,
            scaled_up: patch.scaled_up,
            pod: old.is_some_and(|old| old.pod),
            version: patch.version,
        });
        place.live = Some(Live { object, leaving: false });
        self.entry = Some(Entry { phase: Phase::Unproven, ..entry });
        self.settle();
        true
    }
}

impl Workspace {
    fn remove(&mut self) -> Phase {
        match &mut self.live {
            Some(live) => {
                live.leaving = true;
                Phase::Leaving
            }
            None => Phase::Gone,
        }
    }

    /// Kubernetes has something to do.
    pub fn is_moving(&self) -> bool {
        self.live.is_some_and(|live| live.leaving || live.object.pod != live.object.scaled_up)
    }

    /// Kubernetes does it: a pod comes or goes, or what is left of a namespace goes.
    pub fn move_on(&mut self, version: Version) {
        self.live = self.live.filter(|live| !live.leaving);
        if let Some(Live { object, .. }) = &mut self.live {
            object.pod = object.scaled_up;
            object.version = version;
        }
        self.interrupted |= self.live.is_none_or(|live| !live.object.pod);
    }

    /// Somebody scales the Deployment.
    pub fn scale_by_hand(&mut self, version: Version) {
        if let Some(Live { object, .. }) = &mut self.live {
            object.scaled_up = !object.scaled_up;
            object.version = version;
        }
    }

    /// Somebody deletes the namespace.
    pub fn delete_by_hand(&mut self) {
        self.remove();
    }
}
