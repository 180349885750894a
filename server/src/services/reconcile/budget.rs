//! Keeps an answer within the size of a message. What does not fit comes in the next round: it is still due.

use std::collections::HashSet;
use std::io::{self, Write};

use berth_planner::Plan;
use berth_schema::reconcile::{
    MAX_MESSAGE_BYTES, ReconcileRequest, ReconcileResponse, Settings, WorkspaceDirective,
};
use berth_schema::{Generation, WorkspaceId};

use super::variables::Wanted;
use crate::Error;
use crate::identity::AgentIdentity;

/// Left for what surrounds the directives.
const RESERVED: usize = 256 * 1024;

/// The answer of a plan, with the variables sealed. What the agent does not hold yet goes first, so that a directive which
/// it cannot carry out never keeps others out of the message.
pub(super) fn within_a_message(
    plan: Plan,
    variables: Wanted,
    agent: &AgentIdentity,
    request: &ReconcileRequest,
    settings: Settings,
) -> Result<ReconcileResponse, Error> {
    let held: HashSet<(WorkspaceId, Generation)> =
        request.received.iter().map(|received| (received.workspace_id, received.generation)).collect();
    let mut directives: Vec<WorkspaceDirective> =
        plan.directives.into_iter().map(|planned| planned.directive).collect();
    directives.sort_by_key(|directive| held.contains(&(directive.workspace_id, directive.generation)));
    let sealing_key_requested = variables.lacks_key;
    let sealing = variables.seal(agent, request.epoch, &mut directives).map_err(Error::internal)?;
    // What is cut off was sealed last: the rest opens without it.
    fit(&mut directives, MAX_MESSAGE_BYTES - RESERVED).map_err(Error::internal)?;
    Ok(ReconcileResponse {
        workspaces: directives,
        orphans: plan.orphans,
        settings,
        sealing,
        full_reconcile_requested: plan.full_reconcile_requested,
        sealing_key_requested,
        git_version: plan.git_version,
        manifests: None,
        network_check: None,
    })
}

/// Cuts the list where its JSON would pass `limit`; the first one always stays.
fn fit(directives: &mut Vec<WorkspaceDirective>, limit: usize) -> serde_json::Result<()> {
    let mut total = Counter(0);
    for (index, directive) in directives.iter().enumerate() {
        serde_json::to_writer(&mut total, directive)?;
        if total.0 > limit && index > 0 {
            directives.truncate(index);
            return Ok(());
        }
    }
    Ok(())
}

/// Counts bytes and keeps none.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::reconcile::Action;
    use berth_schema::{ActualState, DesiredState, NamespaceName, WorkspaceName};
    use serde_json::json;

    fn directive(bytes: usize) -> WorkspaceDirective {
        WorkspaceDirective {
            workspace_id: WorkspaceId::random(),
            name: WorkspaceName::generate(1),
            namespace: NamespaceName::new("n").expect("a namespace"),
            action: Action::Create,
            desired_state: DesiredState::Running,
            actual_state: ActualState::Starting,
            deployment_resource_version: None,
            generation: Generation::FIRST,
            config_to_apply: Some(vec![json!("x".repeat(bytes))]),
            variables: None,
            credentials: None,
        }
    }

    #[test]
    fn a_message_ends_where_it_would_grow_too_large() {
        let mut directives: Vec<_> = (0..10).map(|_| directive(1_000)).collect();
        fit(&mut directives, 5_000).expect("JSON");
        assert!((1..10).contains(&directives.len()), "{}", directives.len());
        let size = serde_json::to_vec(&directives).expect("JSON").len();
        assert!(size <= 5_100, "{size}");
    }

    #[test]
    fn one_large_directive_goes_alone_rather_than_never() {
        let mut directives = vec![directive(9_000), directive(10)];
        fit(&mut directives, 5_000).expect("JSON");
        assert_eq!(directives.len(), 1);
    }
}
