//! The model's server decides as the planner does, for every row and every report that an exploration meets.

use std::collections::HashSet;

use berth_model::Protocol;
use berth_model::config::{Bounds, Rules};
use berth_model::network::{Directive, Info, Request};
use berth_model::planner::decide;
use berth_model::state::{Row, State};
use berth_planner::{AgentConfig, Snapshot, Workspace, reconcile};
use berth_schema::reconcile::{
    DeploymentCondition, DeploymentInfo, DeploymentStatus, ReconcileRequest, UpdateType, WorkspaceAgentInfo,
};
use berth_schema::{
    AgentId, Generation, NamespaceName, OrganizationId, WorkspaceId, WorkspaceName, WorkspaceSpec,
};
use jiff::Timestamp;
use stateright::Model;

type Input = (Row, Option<Info>, UpdateType, (u8, u8));

/// Every input of `decide` within the bounds.
fn inputs(bounds: Bounds) -> HashSet<Input> {
    let model = Protocol { bounds, rules: Rules::default() };
    let mut inputs = HashSet::new();
    let mut seen: HashSet<State> = HashSet::new();
    let mut open = model.init_states();
    while let Some(state) = open.pop() {
        for request in &state.requests {
            for (workspace, info) in state.workspaces.iter().zip(&request.infos) {
                inputs.insert((workspace.row, *info, request.update_type, request.position()));
            }
        }
        for next in model.next_states(&state) {
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    inputs
}

fn id() -> WorkspaceId {
    WorkspaceId::from_uuid(uuid::Uuid::nil())
}

fn name() -> WorkspaceName {
    WorkspaceName::new("dev").expect("a name")
}

fn namespace() -> NamespaceName {
    NamespaceName::new("ws-dev").expect("a name")
}

fn workspace(row: &Row) -> Workspace {
    Workspace {
        id: id(),
        name: name(),
        namespace: namespace(),
        desired_state: row.desired_state,
        actual_state: row.actual_state,
        reason: None,
        generation: Generation::of(row.generation.into()),
        applied_generation: Generation::of(row.applied_generation.into()),
        variables_generation: Generation::default(),
        deployment_resource_version: row
            .deployment_resource_version
            .map(|version| version.to_string().into()),
        reported: row.reported.map(|(epoch, sequence)| (epoch.into(), sequence.into())),
        spec: WorkspaceSpec::from_image("registry.example/dev:1"),
        unreadable: false,
    }
}

fn agent_info(info: Info) -> WorkspaceAgentInfo {
    let condition = |kind: &str, reason: &str| DeploymentCondition {
        kind: kind.into(),
        status: "True".into(),
        reason: Some(reason.into()),
        message: None,
    };
    let deployment = info.object.map(|object| DeploymentInfo {
        resource_version: Some(object.version.to_string().into()),
        generation: Some(1),
        replicas: Some(object.scaled_up.into()),
        status: Some(DeploymentStatus {
            observed_generation: Some(1),
            replicas: Some(object.pod.into()),
            updated_replicas: Some(object.pod.into()),
            available_replicas: Some(object.pod.into()),
            unavailable_replicas: Some((object.scaled_up && !object.pod).into()),
            conditions: vec![
                condition("Progressing", "NewReplicaSetAvailable"),
                condition("Available", "MinimumReplicasAvailable"),
            ],
        }),
    });
    WorkspaceAgentInfo {
        workspace_id: id(),
        name: name(),
        namespace: namespace(),
        applied_generation: info.object.map(|object| Generation::of(object.generation.into())),
        latest_k8s_deployment_info: deployment,
        pod_problems: vec![],
        termination_progress: info.progress,
        error_details: None,
        live_pods: info.object.map_or(0, |object| object.pod.into()),
        variables_missing: false,
        drift: vec![],
        lost: None,
    }
}

/// What decides of a row and of a directive, in words.
fn words(row: &Workspace, directive: Option<&str>) -> String {
    format!(
        "{} {} generation {} applied {} {:?}, {directive:?}",
        row.desired_state,
        row.actual_state,
        row.generation,
        row.applied_generation,
        row.deployment_resource_version
    )
}

fn by_planner(row: &Row, info: Option<Info>, request: &Request) -> String {
    let mut workspace = workspace(row);
    let snapshot = Snapshot::new(
        OrganizationId::from_uuid(uuid::Uuid::nil()),
        AgentId::from_uuid(uuid::Uuid::nil()),
        AgentConfig::default(),
        vec![workspace.clone()],
    );
    let request = ReconcileRequest {
        update_type: request.update_type,
        epoch: request.epoch.into(),
        sequence: request.sequence.into(),
        workspace_agent_infos: info.into_iter().map(agent_info).collect(),
        ..ReconcileRequest::default()
    };
    let plan = reconcile(&snapshot, &request, Timestamp::UNIX_EPOCH);
    for update in plan.updates {
        workspace.actual_state = update.actual_state;
        workspace.applied_generation = update.applied_generation;
        workspace.deployment_resource_version = update.deployment_resource_version;
        if let Some(intent) = update.intent {
            (workspace.desired_state, workspace.generation) = (intent.desired_state, intent.generation);
        }
    }
    let directive = plan.directives.first().map(|planned| {
        let directive = &planned.directive;
        format!(
            "{} {} {} {} {:?}",
            directive.action.as_str(),
            directive.desired_state,
            directive.actual_state,
            directive.generation,
            directive.deployment_resource_version
        )
    });
    words(&workspace, directive.as_deref())
}

fn by_model(row: &Row, info: Option<Info>, request: &Request) -> String {
    let (next, directive) = decide(Rules::default(), row, info, request);
    let text = |directive: Directive| {
        format!(
            "{} {} {} {} {:?}",
            directive.action.as_str(),
            directive.desired_state,
            directive.actual_state,
            directive.generation,
            directive.deployment_resource_version.map(|version| version.to_string())
        )
    };
    words(&workspace(&next), directive.map(text).as_deref())
}

#[test]
fn the_models_server_decides_as_the_planner_does() {
    let all: HashSet<Input> = [
        Bounds { workspaces: 1, wishes: 2, faults: 0, epochs: 1 },
        Bounds { workspaces: 1, wishes: 1, faults: 1, epochs: 1 },
    ]
    .into_iter()
    .flat_map(inputs)
    .collect();
    assert!(all.len() > 300, "only {} inputs", all.len());
    for (row, info, update_type, (epoch, sequence)) in all {
        let request = Request { update_type, epoch, sequence, infos: vec![info], received: vec![None] };
        assert_eq!(
            by_model(&row, info, &request),
            by_planner(&row, info, &request),
            "{row:?} and {info:?} in {request:?}"
        );
    }
}
