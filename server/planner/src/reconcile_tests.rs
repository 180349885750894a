use std::collections::BTreeMap;

use berth_schema::reconcile::{
    Action, DeploymentCondition, DeploymentInfo, DeploymentStatus, ErrorDetails, ErrorType, OrphanVerdict,
    Page, Received, ReconcileRequest, TerminationProgress, UpdateType, WorkspaceAgentInfo,
};
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, OrganizationId, WorkspaceId,
    WorkspaceName, WorkspaceSpec,
};
use jiff::Timestamp;

use super::reconcile;
use crate::config::AgentConfig;
use crate::loss::{census, is_complete};
use crate::model::{Cause, Plan, Snapshot, Workspace};

fn workspace(desired_state: DesiredState) -> Workspace {
    let id = WorkspaceId::random();
    Workspace {
        id,
        name: WorkspaceName::new("dev").expect("a name"),
        namespace: NamespaceName::new(format!("berth-dev-{id}")).expect("a name"),
        desired_state,
        actual_state: ActualState::CreationRequested,
        reason: None,
        generation: Generation::FIRST,
        applied_generation: Generation::default(),
        variables_generation: Generation::default(),
        deployment_resource_version: None,
        reported: None,
        spec: WorkspaceSpec::from_image("registry.example/dev:1"),
        unreadable: false,
    }
}

pub(super) fn running(generation: i64) -> Workspace {
    Workspace {
        actual_state: ActualState::Running,
        generation: Generation::of(generation),
        applied_generation: Generation::of(generation),
        deployment_resource_version: Some("7".into()),
        reported: Some((1, 1)),
        ..workspace(DesiredState::Running)
    }
}

pub(super) fn info(workspace: &Workspace, applied: i64, replicas: i32) -> WorkspaceAgentInfo {
    let condition = |kind: &str, reason: &str| DeploymentCondition {
        kind: kind.into(),
        status: "True".into(),
        reason: Some(reason.into()),
        message: None,
    };
    WorkspaceAgentInfo {
        workspace_id: workspace.id,
        name: workspace.name.clone(),
        namespace: workspace.namespace.clone(),
        applied_generation: Some(Generation::of(applied)),
        latest_k8s_deployment_info: Some(DeploymentInfo {
            resource_version: Some("8".into()),
            generation: Some(1),
            replicas: Some(replicas),
            status: Some(DeploymentStatus {
                observed_generation: Some(1),
                replicas: Some(replicas),
                updated_replicas: Some(replicas),
                available_replicas: Some(replicas),
                unavailable_replicas: Some(0),
                conditions: vec![
                    condition("Progressing", "NewReplicaSetAvailable"),
                    condition("Available", "MinimumReplicasAvailable"),
                ],
            }),
        }),
        pod_problems: vec![],
        termination_progress: None,
        error_details: None,
        live_pods: u32::try_from(replicas).unwrap_or(0),
        variables_missing: false,
        drift: vec![],
        lost: None,
    }
}

fn gone(workspace: &Workspace) -> WorkspaceAgentInfo {
    WorkspaceAgentInfo {
        applied_generation: None,
        latest_k8s_deployment_info: None,
        termination_progress: Some(TerminationProgress::Terminated),
        live_pods: 0,
        ..info(workspace, 0, 0)
    }
}

pub(super) fn request(update_type: UpdateType, infos: Vec<WorkspaceAgentInfo>) -> ReconcileRequest {
    ReconcileRequest {
        update_type,
        epoch: 1,
        sequence: 2,
        workspace_agent_infos: infos.into(),
        page: (update_type == UpdateType::Full).then_some(Page { number: 0, last: true }),
        ..ReconcileRequest::default()
    }
}

pub(super) fn snapshot(workspaces: Vec<Workspace>) -> Snapshot {
    Snapshot::new(OrganizationId::random(), AgentId::random(), AgentConfig::default(), workspaces)
}

/// As the caller asks: what should be in the cluster is looked for in a complete report.
fn plan(workspaces: Vec<Workspace>, request: &ReconcileRequest) -> Plan {
    let applied = applied(&workspaces);
    let census = is_complete(request).then(|| census(request, &applied));
    reconcile(&Snapshot { census, ..snapshot(workspaces) }, request, Timestamp::UNIX_EPOCH)
}

fn applied(workspaces: &[Workspace]) -> Vec<WorkspaceId> {
    let there = workspaces.iter().filter(|workspace| {
        workspace.applied_generation > Generation::default()
            && workspace.desired_state != DesiredState::Terminated
    });
    there.map(|workspace| workspace.id).collect()
}

pub(super) fn partial(workspace: &Workspace, infos: Vec<WorkspaceAgentInfo>) -> Plan {
    plan(vec![workspace.clone()], &request(UpdateType::Partial, infos))
}

fn full(workspace: &Workspace, infos: Vec<WorkspaceAgentInfo>) -> Plan {
    plan(vec![workspace.clone()], &request(UpdateType::Full, infos))
}

fn replicas(plan: &Plan) -> i64 {
    let objects = plan.directives[0].directive.config_to_apply.as_ref().expect("a configuration");
    objects.last().expect("objects")["spec"]["replicas"].as_i64().expect("replicas")
}

#[test]
fn a_new_workspace_is_created_with_its_variables() {
    let plan = partial(&workspace(DesiredState::Running), vec![]);
    assert_eq!(plan.directives[0].directive.action, Action::Create);
    assert!(plan.directives[0].variables_wanted);
    assert_eq!(replicas(&plan), 1);
    assert!(plan.updates.is_empty(), "an answer alone changes nothing");
}

#[test]
fn lost_response_is_resent_next_round() {
    let workspace = Workspace { generation: Generation::of(5), ..running(4) };
    for _ in 0..3 {
        let plan = partial(&workspace, vec![]);
        assert_eq!(plan.directives[0].directive.action, Action::Update);
        assert_eq!(plan.report[0].cause, Cause::GenerationBehind);
        assert!(!plan.directives[0].variables_wanted, "the cluster has them");
    }
}

#[test]
fn a_held_directive_is_not_repeated_until_the_agent_gives_it_up_or_reports() {
    let workspace = workspace(DesiredState::Running);
    let mut request = request(UpdateType::Partial, vec![]);
    request.received = vec![Received { workspace_id: workspace.id, generation: Generation::of(1) }];
    let held = plan(vec![workspace.clone()], &request);
    assert!(!held.has_news);
    assert!(held.directives.is_empty());
    let given_up = partial(&workspace, vec![]);
    assert!(given_up.has_news);
    assert_eq!(given_up.directives[0].directive.action, Action::Create);
    let mut reports = request.clone();
    reports.workspace_agent_infos = vec![info(&workspace, 0, 0)].into();
    assert_eq!(plan(vec![workspace.clone()], &reports).directives.len(), 1, "a report is acknowledged");
    let newer = Workspace { generation: Generation::of(2), ..workspace };
    assert!(plan(vec![newer], &request).has_news);
}

#[test]
fn proof_ends_the_directive_and_is_acknowledged() {
    let workspace = workspace(DesiredState::Running);
    let plan = partial(&workspace, vec![info(&workspace, 1, 1)]);
    let directive = &plan.directives[0].directive;
    assert_eq!((directive.action, directive.actual_state), (Action::None, ActualState::Running));
    assert_eq!(directive.deployment_resource_version.as_deref(), Some("8"));
    assert!(directive.config_to_apply.is_none());
    assert_eq!(plan.updates[0].applied_generation, Generation::of(1));
}

#[test]
fn an_older_report_is_answered_and_not_stored() {
    let workspace = Workspace { reported: Some((1, 9)), ..running(3) };
    let plan = partial(&workspace, vec![info(&workspace, 2, 0)]);
    assert!(plan.updates.is_empty());
    assert_eq!(plan.directives[0].directive.actual_state, ActualState::Running);
}

#[test]
fn a_report_that_went_back_is_stored_and_answered_with_the_newer_intent() {
    let workspace = running(3);
    let plan = partial(&workspace, vec![info(&workspace, 2, 1)]);
    assert_eq!(plan.updates[0].applied_generation, Generation::of(2));
    assert_eq!(plan.directives[0].directive.action, Action::Update);
}

#[test]
fn a_cluster_ahead_of_a_restored_database_is_overtaken() {
    let workspace = running(3);
    let plan = partial(&workspace, vec![info(&workspace, 10, 1)]);
    let intent = plan.updates[0].intent.expect("a change of intent");
    assert_eq!(intent.generation, Generation::of(11));
    assert_eq!(plan.directives[0].directive.generation, Generation::of(11));
}

#[test]
fn a_deployment_that_somebody_scaled_is_scaled_back() {
    let workspace = running(4);
    let mut stored = workspace.clone();
    stored.applied_generation =
        partial(&workspace, vec![info(&workspace, 4, 0)]).updates[0].applied_generation;
    // Again and again, whether the agent repeats its report or not, until it is as wanted.
    let plan = partial(&stored, vec![]);
    assert_eq!(plan.directives[0].directive.action, Action::Create);
    assert_eq!(replicas(&plan), 1);
    let plan = partial(&stored, vec![info(&stored, 4, 1)]);
    assert_eq!(plan.directives[0].directive.action, Action::None);
    assert_eq!(plan.updates[0].applied_generation, Generation::of(4));
}

#[test]
fn a_restart_scales_down_and_then_up_by_itself() {
    let restart = Workspace {
        desired_state: DesiredState::RestartRequested,
        generation: Generation::of(4),
        ..running(3)
    };
    let down = partial(&restart, vec![]);
    assert_eq!(replicas(&down), 0);

    let up = partial(&restart, vec![info(&restart, 4, 0)]);
    let intent = up.updates[0].intent.expect("a change of intent");
    assert_eq!((intent.desired_state, intent.generation), (DesiredState::Running, Generation::of(5)));
    assert_eq!(replicas(&up), 1);
}

#[test]
fn a_restart_on_an_agent_that_does_not_take_it_any_more_ends_stopped() {
    let restart = Workspace {
        desired_state: DesiredState::RestartRequested,
        generation: Generation::of(4),
        ..running(3)
    };
    let half_way = request(UpdateType::Partial, vec![info(&restart, 4, 0)]);
    let snapshot = Snapshot { refused: [restart.id].into(), ..snapshot(vec![restart.clone()]) };
    let ended = reconcile(&snapshot, &half_way, Timestamp::UNIX_EPOCH);
    let intent = ended.updates[0].intent.expect("a change of intent");
    assert_eq!((intent.desired_state, intent.generation), (DesiredState::Stopped, Generation::of(5)));
    assert_eq!(replicas(&ended), 0);
    // What runs there goes on.
    let runs = running(3);
    let running = request(UpdateType::Partial, vec![info(&runs, 3, 1)]);
    let snapshot = Snapshot { refused: [runs.id].into(), workspaces: vec![runs], ..snapshot };
    let plan = reconcile(&snapshot, &running, Timestamp::UNIX_EPOCH);
    assert!(plan.updates.iter().all(|update| update.intent.is_none()));
}

#[test]
fn a_restart_waits_for_the_generation_that_asked_for_it() {
    // The Deployment is scaled down, but at a generation before the restart: a stop that the user undid.
    let restart = Workspace {
        desired_state: DesiredState::RestartRequested,
        generation: Generation::of(4),
        ..running(3)
    };
    let plan = partial(&restart, vec![info(&restart, 3, 0)]);
    assert!(plan.updates[0].intent.is_none());
    assert_eq!(replicas(&plan), 0);
}

#[test]
fn a_restart_does_not_need_a_stopped_that_was_never_seen() {
    let restart = Workspace {
        desired_state: DesiredState::RestartRequested,
        generation: Generation::of(4),
        ..running(3)
    };
    let mut report = info(&restart, 4, 0);
    let status =
        report.latest_k8s_deployment_info.as_mut().and_then(|d| d.status.as_mut()).expect("a status");
    status.conditions.clear();
    assert!(partial(&restart, vec![report]).updates[0].intent.is_some());
}

#[test]
fn termination_goes_on_until_the_proof_and_is_echoed() {
    let doomed =
        Workspace { desired_state: DesiredState::Terminated, generation: Generation::of(4), ..running(3) };
    let told = partial(&doomed, vec![]);
    assert_eq!(told.directives[0].directive.action, Action::Terminate);
    assert!(told.directives[0].directive.config_to_apply.is_none());

    let proven = partial(&doomed, vec![gone(&doomed)]);
    assert_eq!(proven.updates[0].actual_state, ActualState::Terminated);
    let directive = &proven.directives[0].directive;
    assert_eq!((directive.action, directive.actual_state), (Action::None, ActualState::Terminated));
}

#[test]
fn a_terminated_workspace_that_shows_up_again_is_removed_and_stays_terminated() {
    let finished = Workspace {
        desired_state: DesiredState::Terminated,
        actual_state: ActualState::Terminated,
        ..running(3)
    };
    let plan = partial(&finished, vec![info(&finished, 3, 1)]);
    assert_eq!(plan.directives[0].directive.action, Action::Terminate);
    assert_eq!(plan.report[0].cause, Cause::Resurrected);
    assert!(plan.updates.is_empty());
    // The agent lost the echo and reports the end once more.
    assert_eq!(partial(&finished, vec![gone(&finished)]).directives[0].directive.action, Action::None);
}

#[test]
fn a_namespace_that_somebody_deleted_is_made_again() {
    let workspace = running(3);
    let plan = partial(&workspace, vec![gone(&workspace)]);
    assert_eq!(plan.updates[0].actual_state, ActualState::Unknown);
    assert_eq!(plan.directives[0].directive.action, Action::Create);
    assert!(plan.directives[0].variables_wanted);
}

#[test]
fn what_a_full_report_lacks_is_sent_again_and_not_taken_for_terminated() {
    let workspace = running(3);
    let plan = full(&workspace, vec![]);
    assert_eq!(plan.report[0].cause, Cause::MissingInCluster);
    assert_eq!(plan.updates[0].actual_state, ActualState::Unknown);
    assert_eq!(plan.updates[0].applied_generation, Generation::default());
    assert_eq!(plan.updates[0].deployment_resource_version, None, "the next Deployment is another one");
    assert!(plan.directives[0].variables_wanted);
}

#[test]
fn one_page_of_many_says_nothing_about_the_others() {
    let mut request = request(UpdateType::Full, vec![]);
    let mut pages = vec![Page { number: 0, last: false }];
    // From an agent of the version before, which does not tell what the other pages held.
    pages.push(Page { number: 2, last: true });
    for page in pages {
        request.page = Some(page);
        let plan = plan(vec![running(3)], &request);
        assert!(plan.updates.is_empty() && plan.directives.is_empty(), "{page:?}");
    }
}

#[test]
fn the_last_page_tells_what_is_missing_from_all_of_them() {
    let (here, gone, reported) = (running(3), running(3), running(3));
    let mut request = request(UpdateType::Full, vec![info(&reported, 3, 1)]);
    request.page = Some(Page { number: 1, last: true });
    request.present = vec![here.id];
    let (gone_id, reported_id) = (gone.id, reported.id);
    let plan = plan(vec![here, gone, reported], &request);
    let told: BTreeMap<_, _> = plan
        .directives
        .iter()
        .map(|planned| (planned.directive.workspace_id, planned.directive.action))
        .collect();
    assert_eq!(told, BTreeMap::from([(gone_id, Action::Create), (reported_id, Action::None)]));
}

#[test]
fn missing_variables_are_sent_again_to_a_workspace_that_shall_run() {
    let mut workspace = running(3);
    let mut report = info(&workspace, 3, 1);
    report.variables_missing = true;
    let plan = partial(&workspace, vec![report.clone()]);
    assert_eq!(plan.report[0].cause, Cause::VariablesMissing);
    assert!(plan.directives[0].variables_wanted);
    workspace.desired_state = DesiredState::Stopped;
    assert!(!partial(&workspace, vec![report]).directives[0].variables_wanted);
}

#[test]
fn changed_variables_go_with_each_directive_until_the_cluster_has_proven_their_generation() {
    let changed =
        Workspace { generation: Generation::of(4), variables_generation: Generation::of(4), ..running(3) };
    assert!(partial(&changed, vec![]).directives[0].variables_wanted);
    let proven = partial(&changed, vec![info(&changed, 4, 1)]);
    assert!(!proven.directives[0].variables_wanted, "they were written before its Deployment");
    assert_eq!(proven.updates[0].variables_generation, Generation::of(4));
    // The cluster went back behind them.
    let at = Generation::of(6);
    let later = Workspace { generation: at, applied_generation: at, ..changed.clone() };
    assert!(partial(&later, vec![info(&later, 3, 1)]).directives[0].variables_wanted);
    // It was stopped before the agent had them: what proves that proves nothing of them, whatever starts it then.
    let stopped =
        Workspace { generation: Generation::of(5), desired_state: DesiredState::Stopped, ..changed.clone() };
    assert!(!partial(&stopped, vec![]).directives[0].variables_wanted);
    let not_yet = partial(&stopped, vec![info(&stopped, 3, 1)]);
    assert_eq!(not_yet.updates[0].variables_generation, Generation::of(4));
    let down = partial(&stopped, vec![info(&stopped, 5, 0)]);
    assert_eq!(down.updates[0].variables_generation, Generation::of(6));
    // So does a restart, whose second half is of the next generation at once.
    let restarts = Workspace { desired_state: DesiredState::RestartRequested, ..stopped };
    let half = partial(&restarts, vec![info(&restarts, 5, 0)]);
    assert_eq!(half.updates[0].intent.map(|intent| intent.generation), Some(Generation::of(6)));
    assert!(half.directives[0].variables_wanted, "{half:?}");
    let gone = Workspace { desired_state: DesiredState::Terminated, ..changed };
    assert!(!partial(&gone, vec![]).directives[0].variables_wanted);
}

#[test]
fn an_error_is_the_workspaces_own_and_the_directive_goes_on() {
    let workspace = Workspace { generation: Generation::of(4), ..running(3) };
    let mut report = info(&workspace, 3, 1);
    report.error_details =
        Some(ErrorDetails { error_type: ErrorType::Kubernetes, error_message: "quota".into() });
    let plan = partial(&workspace, vec![report]);
    assert_eq!(plan.updates[0].actual_state, ActualState::Error);
    assert_eq!(plan.directives[0].directive.action, Action::Update);
}

#[test]
fn what_the_server_does_not_know_is_kept_and_told() {
    let stranger = workspace(DesiredState::Running);
    let plan = plan(vec![], &request(UpdateType::Partial, vec![info(&stranger, 1, 1)]));
    assert_eq!(plan.orphans[0].verdict, OrphanVerdict::Keep);
    assert!(plan.directives.is_empty() && plan.updates.is_empty());
}

#[test]
fn nothing_new_is_no_news() {
    let plan = partial(&running(3), vec![]);
    assert!(!plan.has_news && plan.directives.is_empty() && plan.updates.is_empty());
}

#[test]
fn equal_input_gives_equal_bytes() {
    let snapshot = snapshot(vec![workspace(DesiredState::Running)]);
    let bytes = || {
        let plan = reconcile(&snapshot, &request(UpdateType::Partial, vec![]), Timestamp::UNIX_EPOCH);
        serde_json::to_string(&plan.directives[0].directive).expect("JSON")
    };
    assert_eq!(bytes(), bytes());
}
