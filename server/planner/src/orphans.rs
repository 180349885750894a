//! What an agent has and the server does not know. Nothing is deleted because a database does not know it: it may be the
//! database that is wrong.

use std::collections::{BTreeMap, BTreeSet};

use berth_schema::WorkspaceId;
use berth_schema::reconcile::{
    Orphan, OrphanVerdict, ReconcileRequest, TerminationProgress, WorkspaceAgentInfo,
};
use jiff::{SignedDuration, Timestamp};

use crate::model::{OrphanChanges, OrphanRecord, Snapshot};

/// When an orphan is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrphanRule {
    /// For so long it is kept in any case.
    pub grace: SignedDuration,
    /// Remove each one afterwards, not only those that an administrator named.
    pub remove_all: bool,
}

impl Default for OrphanRule {
    fn default() -> Self {
        Self { grace: SignedDuration::from_hours(24), remove_all: false }
    }
}

impl OrphanRule {
    /// When an orphan of that age may be removed at the earliest.
    pub fn kept_until(&self, first_seen_at: Timestamp) -> Timestamp {
        first_seen_at.saturating_add(self.grace).unwrap_or(Timestamp::MAX)
    }

    fn verdict(&self, record: Option<&OrphanRecord>, now: Timestamp) -> OrphanVerdict {
        let removed = record.is_some_and(|record| {
            (record.removal_allowed || self.remove_all) && self.kept_until(record.first_seen_at) <= now
        });
        if removed { OrphanVerdict::Remove } else { OrphanVerdict::Keep }
    }
}

/// Whether what is on record of orphans matters to a message: it reports some, or it is complete.
pub fn concerns_orphans(snapshot: &Snapshot, request: &ReconcileRequest) -> bool {
    snapshot.census.is_some() || strangers(snapshot, request).next().is_some()
}

/// The verdict on each orphan that is reported, and what is to be put on record.
pub(crate) fn judge(
    snapshot: &Snapshot,
    request: &ReconcileRequest,
    now: Timestamp,
) -> (Vec<Orphan>, OrphanChanges) {
    let records: BTreeMap<WorkspaceId, &OrphanRecord> =
        snapshot.orphans.iter().map(|record| (record.workspace_id, record)).collect();
    let (mut orphans, mut changes) = (vec![], OrphanChanges::default());
    for info in strangers(snapshot, request) {
        let record = records.get(&info.workspace_id).copied();
        let gone = info.termination_progress == Some(TerminationProgress::Terminated);
        let verdict = if gone { OrphanVerdict::Keep } else { snapshot.orphan_rule.verdict(record, now) };
        let orphan = Orphan {
            workspace_id: info.workspace_id,
            name: info.name.clone(),
            namespace: info.namespace.clone(),
            verdict,
        };
        match record {
            Some(_) if gone => changes.gone.push(info.workspace_id),
            None if !gone => changes.seen.push(orphan.clone()),
            Some(_) | None => {}
        }
        orphans.push(orphan);
    }
    changes.gone.extend(vanished(snapshot, request));
    (orphans, changes)
}

fn strangers<'a>(
    snapshot: &Snapshot,
    request: &'a ReconcileRequest,
) -> impl Iterator<Item = &'a WorkspaceAgentInfo> {
    let known: BTreeSet<WorkspaceId> = snapshot.workspaces.iter().map(|workspace| workspace.id).collect();
    request.workspace_agent_infos.iter().filter(move |info| !known.contains(&info.workspace_id))
}

/// On record, and no longer there or known by now. Only a complete report can say that something is not there.
fn vanished(snapshot: &Snapshot, request: &ReconcileRequest) -> Vec<WorkspaceId> {
    let known: BTreeSet<WorkspaceId> = snapshot.workspaces.iter().map(|workspace| workspace.id).collect();
    let reported = request.workspace_agent_infos.ids();
    let there: BTreeSet<WorkspaceId> = reported.chain(request.present.iter().copied()).collect();
    let missing = |id: &WorkspaceId| snapshot.census.is_some() && !there.contains(id);
    let records = snapshot.orphans.iter().map(|record| record.workspace_id);
    records.filter(|id| known.contains(id) || missing(id)).collect()
}

#[cfg(test)]
#[path = "orphans_tests.rs"]
mod tests;
