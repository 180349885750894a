//! Between the planner's types, which the traits speak, and those of `berth-db`.

use berth_db::{Author, NewWorkspace, WorkspaceRow};
use berth_planner::{Workspace, WorkspaceUpdate};
use berth_simulation::store::{Intent, Leader, Report, Row};

pub(super) fn row(row: WorkspaceRow) -> Row {
    let reported = row.reported();
    Row {
        agent: row.agent_id,
        workspace: Workspace {
            id: row.id,
            name: row.name,
            namespace: row.namespace,
            desired_state: row.desired_state,
            actual_state: row.actual_state,
            reason: row.reason,
            generation: row.generation,
            applied_generation: row.applied_generation,
            variables_generation: row.variables_generation,
            deployment_resource_version: row.deployment_resource_version,
            reported,
            spec: row.spec,
            unreadable: row.unreadable,
        },
        intent_changed_at: row.desired_state_changed_at,
    }
}

pub(super) fn new_workspace(row: &Row, author: Author) -> NewWorkspace {
    let workspace = &row.workspace;
    NewWorkspace {
        id: workspace.id,
        agent_id: row.agent,
        name: workspace.name.clone(),
        namespace: workspace.namespace.clone(),
        desired_state: workspace.desired_state,
        spec: workspace.spec.clone(),
        devfile: None,
        created_by: author,
        project: None,
    }
}

pub(super) fn intent(intent: Intent) -> berth_db::Intent {
    match intent {
        Intent::Desired(state) => berth_db::Intent::Desired(state),
        Intent::Rebuild(spec) => berth_db::Intent::Rebuild { spec: *spec, devfile: None },
        Intent::Variables => berth_db::Intent::Variables { restart: None },
    }
}

pub(super) fn leader(leader: Leader) -> berth_db::Leader {
    berth_db::Leader { epoch: leader.epoch, term: leader.term }
}

pub(super) fn report(report: Report) -> berth_db::Report {
    berth_db::Report { agent: report.agent, epoch: report.epoch, sequence: report.sequence }
}

pub(super) fn update(update: &WorkspaceUpdate) -> berth_db::WorkspaceUpdate {
    berth_db::WorkspaceUpdate {
        id: update.workspace_id,
        seen_generation: update.seen_generation,
        actual_state: update.actual_state,
        reason: update.reason.clone(),
        applied_generation: update.applied_generation,
        variables_generation: update.variables_generation,
        deployment_resource_version: update.deployment_resource_version.clone(),
        intent: update.intent.map(|intent| berth_db::IntentChange {
            desired_state: intent.desired_state,
            generation: intent.generation,
        }),
    }
}
