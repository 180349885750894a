//! What somebody changed in the cluster, as people are told of it.

use berth_schema::ActualState;
use berth_schema::api::StateReason;
use berth_schema::reconcile::{Change, Drifted, WorkspaceAgentInfo};
use berth_schema::text::Text;

use crate::model::Workspace;

/// The reason of a workspace of which something was changed in the cluster, until that is put right.
pub(crate) const CHANGED_BY_HAND: &str = "ChangedByHand";
/// The reason afterwards, until something else is to be told of it.
pub(crate) const PUT_RIGHT: &str = "PutRight";
/// The longest name of one object, in bytes.
const MAX_OBJECT: usize = 100;

/// Notes in a row what a report says of it, where nothing worse is to be told.
pub(crate) fn note(before: &Workspace, next: &mut Workspace, info: &WorkspaceAgentInfo) {
    let told: Vec<String> = info.drift.iter().filter_map(words).collect();
    if !told.is_empty() {
        if next.reason.is_none() || next.actual_state == ActualState::Unknown {
            next.reason = Some(reason(CHANGED_BY_HAND, told.join(", ")));
        }
        return;
    }
    // With another generation it is history, which the timeline has.
    let same = before.applied_generation == next.applied_generation;
    let noted = before.reason.as_ref();
    let noted = noted.filter(|reason| matches!(reason.reason.as_str(), CHANGED_BY_HAND | PUT_RIGHT));
    if let Some(noted) = noted.filter(|_| same && next.reason.is_none()) {
        next.reason = Some(reason(PUT_RIGHT, noted.message.to_string()));
    }
}

/// What an agent of an earlier version left without a record is nobody's doing.
fn words(drifted: &Drifted) -> Option<String> {
    let object = Text::<MAX_OBJECT>::new(&drifted.object);
    (drifted.change != Change::Unrecorded).then(|| format!("{object} {}", drifted.change.as_str()))
}

fn reason(reason: &str, message: String) -> StateReason {
    StateReason { reason: reason.into(), message: message.into() }
}
