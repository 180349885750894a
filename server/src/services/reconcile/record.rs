//! What of a round is on record: what it changes of what is wanted, losses, and the secrets that are handed out. What an agent
//! merely reports is not.

use std::collections::BTreeMap;

use berth_db::{UpdateOutcome, WorkspaceUpdate};
use berth_planner::Snapshot;
use berth_schema::api::SuspectedLoss;
use berth_schema::audit::{Details, Event, Internal, Resource};
use berth_schema::{AgentId, Generation, WorkspaceId};

/// The changes of intent among what was stored.
pub(super) fn settled(
    snapshot: &Snapshot,
    updates: &[WorkspaceUpdate],
    outcomes: &BTreeMap<WorkspaceId, UpdateOutcome>,
) -> Vec<Event> {
    let stored = updates.iter().filter(|update| outcomes.get(&update.id) == Some(&UpdateOutcome::Stored));
    let changed = stored.filter_map(|update| {
        let intent = update.intent?;
        let before = snapshot.workspaces.iter().find(|workspace| workspace.id == update.id)?;
        let details = Details::IntentChanged {
            from: before.desired_state,
            to: intent.desired_state,
            generation_before: update.seen_generation,
            generation: intent.generation,
        };
        Some(Event::internal(Internal::SettleWorkspace, Resource::workspace(update.id), details))
    });
    changed.collect()
}

/// A loss that is suspected from now on, or not any more.
pub(super) fn loss(
    agent: AgentId,
    before: Option<&SuspectedLoss>,
    found: Option<&SuspectedLoss>,
) -> Option<Event> {
    let (internal, details) = match (before, found) {
        (Some(before), Some(found)) if before.fingerprint == found.fingerprint => return None,
        (_, Some(found)) => {
            let SuspectedLoss { missing, applied, needs_confirmation, fingerprint, .. } = *found;
            let details = Details::LossSuspected { fingerprint, missing, applied, needs_confirmation };
            (Internal::SuspectLoss, details)
        }
        (Some(before), None) => {
            (Internal::SettleLoss, Details::LossSettled { fingerprint: before.fingerprint })
        }
        (None, None) => return None,
    };
    Some(Event::internal(internal, Resource::agent(agent), details))
}

/// A workspace's variables, sealed to its agent.
pub(super) fn variables(agent: AgentId, workspace: WorkspaceId, generation: Generation, count: u64) -> Event {
    let details = Details::VariablesHandedOut { agent, generation, count };
    Event::internal(Internal::HandOutVariables, Resource::workspace(workspace), details)
}

/// The Git credentials of a message. They are issued anew every few minutes, so that all of a message are one event.
pub(super) fn credentials(agent: AgentId, issued: impl Iterator<Item = (WorkspaceId, i64)>) -> Option<Event> {
    let (mut workspaces, mut version) = (Vec::new(), 0);
    for (workspace, of) in issued {
        workspaces.push(workspace);
        version = of;
    }
    if workspaces.is_empty() {
        return None;
    }
    let details = Details::GitCredentialsIssued { version, workspaces };
    Some(Event::internal(Internal::IssueGitCredentials, Resource::agent(agent), details))
}
