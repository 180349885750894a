//! The mass-change brake: what a complete report lacks is made again with empty volumes, so a report that lacks many
//! workspaces at once has to be confirmed before anything follows from it.

use std::collections::BTreeSet;

use berth_schema::WorkspaceId;
use berth_schema::api::{StateReason, SuspectedLoss};
use berth_schema::reconcile::{ReconcileRequest, UpdateType};
use jiff::Timestamp;
use uuid::Uuid;

use crate::model::{Brake, Census};

/// The reason of a workspace for which nothing is done until its loss is confirmed.
pub const LOSS_SUSPECTED: &str = "LossSuspected";

/// Whether a message, together with the pages before it, tells of everything that the agent has.
pub fn is_complete(request: &ReconcileRequest) -> bool {
    request.update_type == UpdateType::Full
        && request.workspace_agent_infos.is_whole()
        && request.page.is_none_or(|page| page.last && (page.number == 0 || !request.present.is_empty()))
}

/// What is to be looked for in a complete report. `applied` are the agent's workspaces of which something was proven to be
/// in the cluster and that are not to be removed.
pub fn census(request: &ReconcileRequest, applied: &[WorkspaceId]) -> Census {
    let reported = request.workspace_agent_infos.ids();
    let there: BTreeSet<WorkspaceId> = reported.chain(request.present.iter().copied()).collect();
    let missing = applied.iter().copied().filter(|id| !there.contains(id)).collect();
    Census { applied: applied.len(), missing }
}

/// The loss that stays suspected after this message; `None`: what is missing is missing.
pub(crate) fn suspected(
    brake: Brake,
    census: &Census,
    before: Option<&SuspectedLoss>,
    request: &ReconcileRequest,
    now: Timestamp,
) -> Option<SuspectedLoss> {
    let missing = census.missing.len();
    let few = (census.applied * brake.percent / 100).max(brake.count);
    // What is suspected stays so until it is settled, however few are left of it: a user who gives up one of the missing
    // workspaces does not mean the others.
    if missing == 0 || (before.is_none() && missing <= few) {
        return None;
    }
    let fingerprint = fingerprint(&census.missing);
    // An empty cluster looks the same however often it is listed.
    let needs_confirmation = missing == census.applied;
    let agrees = before.is_some_and(|before| before.fingerprint == fingerprint && request.relisted);
    if agrees && !needs_confirmation {
        return None;
    }
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Some(SuspectedLoss {
        since: before.map_or(now, |before| before.since),
        missing: count(missing),
        applied: count(census.applied),
        needs_confirmation,
        fingerprint,
    })
}

/// The sum of the ids: equal for equal sets. The ids are random, and whoever reports them could as well report others.
fn fingerprint(missing: &BTreeSet<WorkspaceId>) -> Uuid {
    let sum = missing.iter().fold(0_u128, |sum, id| sum.wrapping_add(id.as_uuid().as_u128()));
    Uuid::from_u128(sum)
}

/// Why nothing is done for a missing workspace.
pub(crate) fn reason(loss: &SuspectedLoss) -> StateReason {
    let SuspectedLoss { missing, applied, .. } = loss;
    let end = if loss.needs_confirmation {
        "nothing is done until they come back or an administrator confirms the loss"
    } else {
        "nothing is done until a second report from a fresh list agrees"
    };
    StateReason {
        reason: LOSS_SUSPECTED.into(),
        message: format!("the agent's full report lacks {missing} of {applied} workspaces at once: {end}")
            .into(),
    }
}

#[cfg(test)]
#[path = "loss_tests.rs"]
mod tests;
