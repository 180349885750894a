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

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::{DesiredState, Generation, NamespaceName, WorkspaceId, WorkspaceName, WorkspaceSpec};

    fn row() -> Workspace {
        Workspace {
            id: WorkspaceId::random(),
            name: WorkspaceName::new("dev").expect("a name"),
            namespace: NamespaceName::new("berth-dev").expect("a name"),
            desired_state: DesiredState::Running,
            actual_state: ActualState::Running,
            reason: None,
            generation: Generation::of(3),
            applied_generation: Generation::of(3),
            variables_generation: Generation::default(),
            deployment_resource_version: None,
            reported: Some((1, 1)),
            spec: WorkspaceSpec::from_image("registry.example/dev:1"),
            unreadable: false,
        }
    }

    fn report(row: &Workspace, drift: &[(&str, Change)]) -> WorkspaceAgentInfo {
        let drifted =
            |(object, change): &(&str, Change)| Drifted { object: (*object).into(), change: *change };
        WorkspaceAgentInfo {
            workspace_id: row.id,
            name: row.name.clone(),
            namespace: row.namespace.clone(),
            applied_generation: Some(row.applied_generation),
            latest_k8s_deployment_info: None,
            pod_problems: vec![],
            termination_progress: None,
            error_details: None,
            live_pods: 1,
            variables_missing: false,
            drift: drift.iter().map(drifted).collect(),
            lost: None,
        }
    }

    /// The row after a report, whose state has no reason of its own.
    fn after(before: &Workspace, drift: &[(&str, Change)]) -> Workspace {
        let mut next = Workspace { reason: None, ..before.clone() };
        note(before, &mut next, &report(before, drift));
        next
    }

    fn told(row: &Workspace) -> Option<(String, String)> {
        let reason = row.reason.as_ref()?;
        Some((reason.reason.to_string(), reason.message.to_string()))
    }

    fn said(reason: &str, message: &str) -> (String, String) {
        (reason.to_owned(), message.to_owned())
    }

    #[test]
    fn a_change_is_told_and_afterwards_that_it_was_put_right_until_another_generation() {
        let changed = after(&row(), &[("NetworkPolicy/w", Change::Changed), ("Service/w", Change::Missing)]);
        let objects = "NetworkPolicy/w was changed, Service/w is gone";
        assert_eq!(told(&changed), Some(said(CHANGED_BY_HAND, objects)));
        let right = after(&changed, &[]);
        assert_eq!(told(&right), Some(said(PUT_RIGHT, objects)));
        assert_eq!(told(&after(&right, &[])), Some(said(PUT_RIGHT, objects)));
        let mut newer = Workspace { reason: None, applied_generation: Generation::of(4), ..right.clone() };
        note(&right, &mut newer, &report(&right, &[]));
        assert_eq!(told(&newer), None, "the timeline has it");
    }

    #[test]
    fn what_an_earlier_agent_left_without_a_record_is_nobodys_doing() {
        assert_eq!(told(&after(&row(), &[("Deployment/w", Change::Unrecorded)])), None);
    }

    #[test]
    fn something_worse_is_told_instead() {
        let worse = Workspace { reason: Some(reason("CrashLoopBackOff", String::new())), ..row() };
        let mut next = worse.clone();
        note(&row(), &mut next, &report(&worse, &[("Service/w", Change::Missing)]));
        assert_eq!(told(&next), Some(said("CrashLoopBackOff", "")));
    }
}
