//! What is told to the server: everything, or what it has not acknowledged.

use std::collections::BTreeSet;

use berth_schema::WorkspaceId;
use berth_schema::reconcile::{MAX_PRESENT, WorkspaceAgentInfo};

use super::Agent;
use crate::gate;
use crate::report::{self, Pages};
use crate::work::Entry;

impl Agent {
    /// The reports of everything, in messages' worth; the memory of acknowledgements begins anew.
    pub fn full(&mut self) -> Pages {
        self.memory.clear();
        let infos: Vec<_> = self.infos().collect();
        self.memory.tell(&infos);
        self.unsure = infos.iter().map(|info| info.workspace_id).collect();
        Pages::new(infos, self.per_message)
    }

    /// Everything that is there, for the last message of a full report: what the agent reports on, and what a list of the
    /// cluster has just held. Nothing when that is more than a message holds: then the server misses nothing.
    pub fn present(&self, listed: &BTreeSet<WorkspaceId>) -> Vec<WorkspaceId> {
        let mut present: BTreeSet<WorkspaceId> = self.infos().map(|info| info.workspace_id).collect();
        present.extend(listed);
        if present.len() > MAX_PRESENT { vec![] } else { present.into_iter().collect() }
    }

    /// Whether a list of the cluster held a workspace that the watches have not shown: it was claimed without being reported,
    /// so another full report has to follow.
    pub fn has_not_seen(&self, listed: &BTreeSet<WorkspaceId>) -> bool {
        let known: BTreeSet<WorkspaceId> = self.infos().map(|info| info.workspace_id).collect();
        !listed.is_subset(&known)
    }

    /// The reports that the server has not acknowledged, at most one message's worth.
    pub fn news(&mut self) -> Vec<WorkspaceAgentInfo> {
        self.look_at_what_changed();
        let unsure = std::mem::take(&mut self.unsure).into_iter();
        let news: Vec<_> = unsure.filter_map(|workspace| self.report(workspace)).collect();
        // They stay so until they are acknowledged.
        self.unsure = news.iter().map(|info| info.workspace_id).collect();
        let news = Pages::new(news, self.per_message).first();
        self.memory.tell(&news);
        news
    }

    pub fn has_news(&mut self) -> bool {
        self.look_at_what_changed();
        while let Some(workspace) = self.unsure.first().copied() {
            if self.report(workspace).is_some() {
                return true;
            }
            self.unsure.remove(&workspace);
        }
        debug_assert!(!self.known().any(|workspace| self.report(workspace).is_some()), "news was overlooked");
        false
    }

    pub(super) fn look_at_what_changed(&mut self) {
        self.index.look_at_nodes();
        let mut touched = self.index.take_touched();
        self.look_for_strays(&touched);
        self.unsure.append(&mut touched);
        self.unsure.append(&mut self.work.take_touched());
    }

    /// The report of a workspace, if it is news.
    fn report(&self, workspace: WorkspaceId) -> Option<WorkspaceAgentInfo> {
        self.info(workspace).filter(|info| self.memory.is_news(info))
    }

    /// A report of every workspace that is seen, worked on, or was told of before.
    fn infos(&self) -> impl Iterator<Item = WorkspaceAgentInfo> + '_ {
        self.known().filter_map(|workspace| self.info(workspace))
    }

    pub(super) fn known(&self) -> impl Iterator<Item = WorkspaceId> + use<> {
        let mut all: BTreeSet<WorkspaceId> = self.index.workspaces().collect();
        all.extend(self.work.workspaces());
        all.extend(self.memory.workspaces());
        all.into_iter()
    }

    fn info(&self, workspace: WorkspaceId) -> Option<WorkspaceAgentInfo> {
        let home = self.home(workspace)?;
        let view = self.index.view(workspace, Some(&home));
        let entry = self.work.get(workspace);
        let last = self.memory.known(workspace);
        // Nothing of it is where it lives, nothing is done about it, and nobody was told of it.
        if view.is_empty() && entry.is_none() && last.is_none() {
            return None;
        }
        // The first apply of a workspace is told when it is complete, or has failed: half of it says nothing.
        let begins = |entry: &Entry| entry.is_on_its_way() && !entry.terminates() && entry.trouble.is_none();
        if last.is_none() && view.deployment().is_none() && entry.is_some_and(begins) {
            return None;
        }
        let waits = gate::problems(&view, &self.index, self.gates.waits_for_forced(workspace));
        Some(report::info(workspace, &home, &view, entry, waits))
    }
}
