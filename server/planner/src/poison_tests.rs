//! Whatever is said of one workspace, or stored of it, the answer about the others is the same, byte by byte.

use std::collections::BTreeSet;

use berth_schema::api::StateReason;
use berth_schema::reconcile::{ReconcileRequest, UpdateType};
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, OrganizationId, Reports, WorkspaceId,
    WorkspaceName, WorkspaceSpec,
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::AgentConfig;
use crate::model::{Plan, Snapshot, Workspace};
use crate::reconcile;

const POISONED: u128 = 3;

fn id(number: u128) -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::from_u128(number))
}

/// One of each kind of standing.
fn workspace(number: u128) -> Workspace {
    let desired_state = DesiredState::ALL[usize::try_from(number % 4).expect("small")];
    Workspace {
        id: id(number),
        name: WorkspaceName::new(format!("w{number}")).expect("a name"),
        namespace: NamespaceName::new(format!("berth-w{number}")).expect("a name"),
        desired_state,
        actual_state: ActualState::Starting,
        reason: None,
        generation: Generation::of(4),
        applied_generation: Generation::of(if number.is_multiple_of(3) { 4 } else { 2 }),
        variables_generation: Generation::default(),
        deployment_resource_version: Some("1".into()),
        reported: Some((1, 1)),
        spec: WorkspaceSpec::from_image("registry.example/dev:1"),
        unreadable: false,
    }
}

fn entry(number: u128) -> Value {
    json!({
        "workspace_id": id(number), "name": format!("w{number}"), "namespace": format!("berth-w{number}"),
        "applied_generation": 4, "live_pods": 1,
        "latest_k8s_deployment_info": {"resource_version": "2", "generation": 1, "replicas": 1, "status": {
            "observed_generation": 1, "replicas": 1, "updated_replicas": 1, "available_replicas": 1,
            "conditions": [
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            ],
        }},
    })
}

/// Everything of a plan that is about others than the poisoned one.
fn about_others(plan: &Plan) -> String {
    let mut told = vec![];
    for planned in &plan.directives {
        if planned.directive.workspace_id != id(POISONED) {
            let directive = serde_json::to_string(&planned.directive).expect("JSON");
            told.push((directive, planned.variables_wanted, planned.credentials_wanted));
        }
    }
    let stored: Vec<_> = plan.updates.iter().filter(|update| update.workspace_id != id(POISONED)).collect();
    let causes: Vec<_> = plan.report.iter().filter(|report| report.workspace_id != id(POISONED)).collect();
    format!("{told:?} {stored:?} {causes:?} {:?} {:?} {:?}", plan.orphans, plan.orphan_changes, plan.loss)
}

fn answer(update_type: UpdateType, poisoned: Option<Value>, row: Workspace) -> Plan {
    let mut workspaces: Vec<Workspace> = (1..9).map(workspace).filter(|other| other.id != row.id).collect();
    workspaces.push(row);
    workspaces.sort_by_key(|workspace| workspace.id);
    let entries = (1..7).filter(|number| *number != POISONED).map(entry).chain(poisoned);
    let reports: Reports = serde_json::from_value(entries.collect()).expect("a list");
    let request = ReconcileRequest {
        update_type,
        epoch: 1,
        sequence: 2,
        workspace_agent_infos: reports,
        ..ReconcileRequest::default()
    };
    let mut snapshot = Snapshot::new(
        OrganizationId::from_uuid(Uuid::nil()),
        AgentId::from_uuid(Uuid::nil()),
        AgentConfig::default(),
        workspaces,
    );
    if crate::is_complete(&request) {
        let applied: BTreeSet<_> = (1..9).map(id).filter(|other| *other != id(POISONED)).collect();
        snapshot.census = Some(crate::census(&request, &applied.into_iter().collect::<Vec<_>>()));
    }
    reconcile(&snapshot, &request, Timestamp::UNIX_EPOCH)
}

/// Any JSON: every type, every plane of Unicode, numbers at every edge.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![Just(1_i64 << 53), Just(i64::MAX), Just(i64::MIN), Just(-1)].prop_map(Value::from),
        prop::collection::vec(any::<char>(), 0..40)
            .prop_map(|text| text.into_iter().collect::<String>().into()),
        Just(json!("Terminated")),
        Just(json!({"error_type": "applier", "error_message": "\u{0}"})),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,9}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

prop_compose! {
    fn any_row()(
        desired in 0..4_usize, actual in 0..DesiredState::ALL.len() + 7, generation: i64, applied: i64, unreadable: bool,
        word in ".{0,20}", reported in prop::option::of((any::<i64>(), any::<i64>())),
    ) -> Workspace {
        Workspace {
            desired_state: DesiredState::ALL[desired],
            actual_state: ActualState::ALL[actual],
            reason: Some(StateReason { reason: word.clone().into(), message: word.into() }),
            generation: Generation::of(generation),
            applied_generation: Generation::of(applied),
            reported,
            unreadable,
            ..workspace(POISONED)
        }
    }
}

const FIELDS: [&str; 9] = [
    "name",
    "namespace",
    "applied_generation",
    "latest_k8s_deployment_info",
    "pod_problems",
    "termination_progress",
    "error_details",
    "live_pods",
    "variables_missing",
];

proptest! {
    #[test]
    fn whatever_is_said_or_stored_of_one_workspace_the_answer_about_the_others_is_the_same(
        changes in prop::collection::vec((prop::sample::select(FIELDS.as_slice()), any_json()), 0..4),
        whole in prop::option::weighted(0.1, any_json()), row in any_row(), full: bool,
    ) {
        let mut poisoned = entry(POISONED);
        for (field, value) in changes {
            poisoned[field] = value;
        }
        // What does not even say whose it is makes a report that is not whole: nobody is missing by it.
        let whole = whole.filter(|_| !full);
        let update_type = if full { UpdateType::Full } else { UpdateType::Partial };
        let usual = answer(update_type, Some(entry(POISONED)), workspace(POISONED));
        let odd = answer(update_type, Some(whole.unwrap_or(poisoned)), row);
        prop_assert_eq!(about_others(&odd), about_others(&usual));
    }
}
