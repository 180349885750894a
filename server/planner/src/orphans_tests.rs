use berth_schema::reconcile::{
    OrphanVerdict, ReconcileRequest, TerminationProgress, UpdateType, WorkspaceAgentInfo,
};
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, OrganizationId, WorkspaceId,
    WorkspaceName, WorkspaceSpec,
};
use jiff::{SignedDuration, Timestamp};

use super::{OrphanRule, judge};
use crate::config::AgentConfig;
use crate::model::{Census, OrphanChanges, OrphanRecord, Snapshot, Workspace};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn stranger() -> WorkspaceAgentInfo {
    WorkspaceAgentInfo {
        workspace_id: WorkspaceId::random(),
        name: WorkspaceName::new("stranger").expect("a name"),
        namespace: NamespaceName::new("ws-stranger").expect("a name"),
        applied_generation: None,
        latest_k8s_deployment_info: None,
        pod_problems: vec![],
        termination_progress: None,
        error_details: None,
        live_pods: 0,
        variables_missing: false,
        drift: vec![],
        lost: None,
    }
}

fn request(infos: Vec<WorkspaceAgentInfo>) -> ReconcileRequest {
    ReconcileRequest { workspace_agent_infos: infos.into(), ..ReconcileRequest::default() }
}

fn record(info: &WorkspaceAgentInfo, removal_allowed: bool) -> OrphanRecord {
    let first_seen_at = Timestamp::UNIX_EPOCH;
    OrphanRecord { workspace_id: info.workspace_id, first_seen_at, removal_allowed }
}

fn snapshot(orphans: Vec<OrphanRecord>) -> Snapshot {
    let (organization, agent) = (OrganizationId::random(), AgentId::random());
    Snapshot { orphans, ..Snapshot::new(organization, agent, AgentConfig::default(), vec![]) }
}

#[test]
fn the_first_report_is_put_on_record_and_kept() {
    let info = stranger();
    let (orphans, changes) = judge(&snapshot(vec![]), &request(vec![info.clone()]), Timestamp::UNIX_EPOCH);
    assert_eq!(orphans[0].verdict, OrphanVerdict::Keep);
    assert_eq!(changes.seen, orphans);
    assert!(changes.gone.is_empty());
    let known = snapshot(vec![record(&info, false)]);
    let (_, changes) = judge(&known, &request(vec![info]), Timestamp::UNIX_EPOCH);
    assert!(changes.seen.is_empty(), "it is on record already");
}

#[test]
fn it_is_removed_after_the_grace_and_only_where_somebody_allowed_it() {
    let info = stranger();
    let verdict = |allowed, remove_all, hours| {
        let rule = OrphanRule { remove_all, ..OrphanRule::default() };
        let snapshot = Snapshot { orphan_rule: rule, ..snapshot(vec![record(&info, allowed)]) };
        let now = Timestamp::UNIX_EPOCH + HOUR * hours;
        judge(&snapshot, &request(vec![info.clone()]), now).0[0].verdict
    };
    for (allowed, remove_all, hours, expected) in [
        (false, false, 1_000, OrphanVerdict::Keep),
        (true, false, 23, OrphanVerdict::Keep),
        (true, false, 24, OrphanVerdict::Remove),
        (false, true, 23, OrphanVerdict::Keep),
        (false, true, 24, OrphanVerdict::Remove),
    ] {
        assert_eq!(verdict(allowed, remove_all, hours), expected, "{allowed} {remove_all} {hours} h");
    }
}

#[test]
fn what_was_never_on_record_is_not_removed() {
    let rule = OrphanRule { grace: SignedDuration::ZERO, remove_all: true };
    let snapshot = Snapshot { orphan_rule: rule, ..snapshot(vec![]) };
    let (orphans, _) = judge(&snapshot, &request(vec![stranger()]), Timestamp::MAX);
    assert_eq!(orphans[0].verdict, OrphanVerdict::Keep);
}

#[test]
fn the_record_ends_when_it_is_gone() {
    let (told, vanished, there) = (stranger(), stranger(), stranger());
    let records = [&told, &vanished, &there].map(|info| record(info, true)).to_vec();
    let told_id = told.workspace_id;
    let told = WorkspaceAgentInfo { termination_progress: Some(TerminationProgress::Terminated), ..told };
    let partial = request(vec![told]);
    let (orphans, changes) = judge(&snapshot(records.clone()), &partial, Timestamp::MAX);
    assert_eq!(orphans[0].verdict, OrphanVerdict::Keep, "the echo lets the agent forget it");
    assert_eq!(changes.gone, [told_id], "a partial report says nothing of the others");

    let complete = Snapshot { census: Some(Census::default()), ..snapshot(records) };
    let request =
        ReconcileRequest { update_type: UpdateType::Full, present: vec![there.workspace_id], ..partial };
    let (_, changes) = judge(&complete, &request, Timestamp::MAX);
    let mut gone = changes.gone;
    gone.sort();
    let mut expected = vec![told_id, vanished.workspace_id];
    expected.sort();
    assert_eq!(gone, expected);
}

#[test]
fn what_is_being_removed_stays_on_record_and_is_told_again_until_it_is_gone() {
    let info =
        WorkspaceAgentInfo { termination_progress: Some(TerminationProgress::Terminating), ..stranger() };
    let known = snapshot(vec![record(&info, true)]);
    let (orphans, changes) = judge(&known, &request(vec![info]), Timestamp::MAX);
    assert_eq!(orphans[0].verdict, OrphanVerdict::Remove);
    assert_eq!(changes, OrphanChanges::default());
}

#[test]
fn the_record_of_a_workspace_that_is_known_again_ends_whatever_the_message_says() {
    let info = stranger();
    let mut known = snapshot(vec![record(&info, true)]);
    known.workspaces.push(Workspace {
        id: info.workspace_id,
        name: info.name.clone(),
        namespace: info.namespace.clone(),
        desired_state: DesiredState::Running,
        actual_state: ActualState::Running,
        reason: None,
        generation: Generation::FIRST,
        applied_generation: Generation::FIRST,
        variables_generation: Generation::default(),
        deployment_resource_version: None,
        reported: None,
        spec: WorkspaceSpec::from_image("a"),
        unreadable: false,
    });
    let (orphans, changes) = judge(&known, &request(vec![info.clone()]), Timestamp::MAX);
    assert_eq!((orphans, changes.gone), (vec![], vec![info.workspace_id]));
}
