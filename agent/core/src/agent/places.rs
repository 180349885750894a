//! Where workspaces live, and what carries their labels elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use berth_schema::WorkspaceId;
use berth_schema::prerequisites::{MAX_ENTRIES, Stray};
use berth_schema::reconcile::WorkspaceDirective;

use super::Agent;
use crate::home::Home;

/// What carries the labels of a workspace in a place where that does not live.
#[derive(Debug, Default)]
pub(super) struct Strays {
    by_workspace: BTreeMap<WorkspaceId, Vec<Stray>>,
    /// Since somebody was told.
    changed: bool,
}

impl Agent {
    /// Objects that carry the labels of this agent and a workspace, and are not where that lives. Nothing is done about them.
    pub fn strays(&mut self) -> Vec<Stray> {
        self.look_at_what_changed();
        self.strays.changed = false;
        self.strays.by_workspace.values().flatten().take(MAX_ENTRIES).cloned().collect()
    }

    /// Whether there are others than those that were told of.
    pub fn has_new_strays(&mut self) -> bool {
        self.look_at_what_changed();
        self.strays.changed
    }

    pub(super) fn look_for_strays(&mut self, workspaces: &BTreeSet<WorkspaceId>) {
        for &workspace in workspaces {
            let strays = self.strays_of(workspace);
            let before = if strays.is_empty() {
                self.strays.by_workspace.remove(&workspace).unwrap_or_default()
            } else {
                self.strays.by_workspace.insert(workspace, strays.clone()).unwrap_or_default()
            };
            self.strays.changed |= before != strays;
        }
    }

    fn strays_of(&self, workspace: WorkspaceId) -> Vec<Stray> {
        let home = self.home(workspace);
        let elsewhere =
            |namespace: &str| home.as_ref().is_none_or(|home| home.namespace.as_str() != namespace);
        let all = self.index.everywhere(workspace).filter(|one| elsewhere(&one.key.namespace));
        // More than are told of would say nothing more.
        all.take(MAX_ENTRIES)
            .map(|observed| Stray {
                workspace_id: workspace,
                namespace: observed.key.namespace.as_str().into(),
                kind: observed.key.watched.kind().into(),
                name: observed.key.name.as_str().into(),
            })
            .collect()
    }

    pub(super) fn learn_home(&mut self, workspace: WorkspaceId, directive: &WorkspaceDirective) {
        let home = Home::new(workspace, &directive.name, &directive.namespace);
        if self.homes.get(&workspace) != Some(&home) {
            self.homes.insert(workspace, home);
            self.look_for_strays(&BTreeSet::from([workspace]));
        }
    }

    pub(super) fn shows_nothing_of(&self, workspace: WorkspaceId) -> bool {
        self.index.view(workspace, self.home(workspace).as_ref()).is_empty()
    }

    /// Where a workspace lives: what is being done says so, then the server, then its objects, then what was told of it before.
    pub(super) fn home(&self, workspace: WorkspaceId) -> Option<Home> {
        if let Some(entry) = self.work.get(workspace) {
            return Some(entry.home(workspace));
        }
        let told = || self.homes.get(&workspace).cloned();
        let seen = || Home::guess(&self.identity, workspace, self.index.everywhere(workspace));
        let before = || {
            let info = self.memory.known(workspace)?;
            Some(Home::new(workspace, &info.name, &info.namespace))
        };
        told().or_else(seen).or_else(before)
    }
}
