//! What the server has acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use berth_schema::reconcile::{
    ReconcileResponse, TerminationProgress, WorkspaceAgentInfo, WorkspaceDirective,
};
use berth_schema::{ActualState, DesiredState, WorkspaceId};

/// The last report of each workspace that the server has answered to. Losing it costs only a repetition.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    acknowledged: BTreeMap<WorkspaceId, WorkspaceAgentInfo>,
    /// Sent and not acknowledged. The server may have stored it although its answer never came: should the workspace vanish
    /// now, that has to be told.
    told: BTreeMap<WorkspaceId, WorkspaceAgentInfo>,
    /// To be told again although nothing changed: the answer is wanted once more.
    again: BTreeSet<WorkspaceId>,
}

impl Memory {
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn forget(&mut self, workspace: WorkspaceId) {
        self.acknowledged.remove(&workspace);
        self.told.remove(&workspace);
        self.again.remove(&workspace);
    }

    /// Tell this workspace's report once more.
    pub(crate) fn repeat(&mut self, workspace: WorkspaceId) {
        self.again.insert(workspace);
    }

    pub(crate) fn workspaces(&self) -> impl Iterator<Item = WorkspaceId> + '_ {
        self.acknowledged.keys().chain(self.told.keys()).copied()
    }

    /// These reports go out now.
    pub(crate) fn tell(&mut self, infos: &[WorkspaceAgentInfo]) {
        let told = infos.iter().map(|info| (info.workspace_id, info.clone()));
        self.told.extend(told);
    }

    /// The last report, acknowledged or not.
    pub(crate) fn known(&self, workspace: WorkspaceId) -> Option<&WorkspaceAgentInfo> {
        self.told.get(&workspace).or_else(|| self.last(workspace))
    }

    /// The last acknowledged report.
    fn last(&self, workspace: WorkspaceId) -> Option<&WorkspaceAgentInfo> {
        self.acknowledged.get(&workspace)
    }

    /// Whether this report is the last one that the server has answered to.
    pub(crate) fn is_acknowledged(&self, info: &WorkspaceAgentInfo) -> bool {
        self.last(info.workspace_id) == Some(info)
    }

    pub(crate) fn is_news(&self, info: &WorkspaceAgentInfo) -> bool {
        let workspace = info.workspace_id;
        // As long as a report is unanswered, the server may know it or the one before.
        let unanswered = self.told.contains_key(&workspace);
        unanswered || self.again.contains(&workspace) || self.last(workspace) != Some(info)
    }

    /// What was sent in a request and is echoed by the answer to that request. The echo has to be of the same Deployment:
    /// a server that took the report for an old one tells what it has instead. Returns how many were acknowledged.
    pub(crate) fn acknowledge(&mut self, sent: &[WorkspaceAgentInfo], response: &ReconcileResponse) -> usize {
        let directives =
            response.workspaces.iter().map(|directive| (directive.workspace_id, Some(directive)));
        let orphans = response.orphans.iter().map(|orphan| (orphan.workspace_id, None));
        let echoes: BTreeMap<_, _> = directives.chain(orphans).collect();
        let mut count = 0;
        for info in sent {
            let acknowledged = match echoes.get(&info.workspace_id) {
                Some(Some(directive)) => is_echo(info, directive),
                Some(None) => true,
                None => false,
            };
            if acknowledged {
                self.again.remove(&info.workspace_id);
                self.told.remove(&info.workspace_id);
                self.acknowledged.insert(info.workspace_id, info.clone());
                count += 1;
            }
        }
        count
    }
}

/// Whether the server has on record what was reported.
fn is_echo(info: &WorkspaceAgentInfo, directive: &WorkspaceDirective) -> bool {
    if info.termination_progress == Some(TerminationProgress::Terminated) {
        return directive.actual_state == ActualState::Terminated;
    }
    let reported =
        info.latest_k8s_deployment_info.as_ref().and_then(|deployment| deployment.resource_version.as_ref());
    // The row of a workspace that shall be gone follows its Deployment no longer.
    directive.desired_state == DesiredState::Terminated
        || reported.is_none()
        || reported == directive.deployment_resource_version.as_ref()
}
