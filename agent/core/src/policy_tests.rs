use berth_schema::reconcile::Action;
use berth_schema::{ActualState, DesiredState, Generation};
use serde_json::json;

use super::*;

const AGENT: AgentId = AgentId::from_uuid(uuid::Uuid::from_bytes([1; 16]));
const WORKSPACE: WorkspaceId = WorkspaceId::from_uuid(uuid::Uuid::from_bytes([2; 16]));

fn identity() -> Identity {
    Identity { agent: AGENT, namespace: "berth-agent".to_owned(), proxy_namespace: "berth-proxy".to_owned() }
}

fn directive(namespace: &str) -> WorkspaceDirective {
    WorkspaceDirective {
        workspace_id: WORKSPACE,
        name: WorkspaceName::new("w").expect("a name"),
        namespace: NamespaceName::new(namespace).expect("a name"),
        action: Action::Create,
        desired_state: DesiredState::Running,
        actual_state: ActualState::CreationRequested,
        deployment_resource_version: None,
        generation: Generation::FIRST,
        config_to_apply: None,
        variables: None,
    }
}

fn object(api_version: &str, kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": { "name": name, "namespace": "berth-w", "labels": own_labels() },
    })
}

fn own_labels() -> Value {
    let [(agent, agent_id), (workspace, workspace_id)] = labels(AGENT, WORKSPACE);
    json!({ agent: agent_id, workspace: workspace_id })
}

fn namespace() -> Value {
    let mut namespace = object("v1", "Namespace", "berth-w");
    namespace["metadata"] = json!({ "name": "berth-w", "labels": own_labels() });
    namespace["metadata"]["labels"][ENFORCE] = json!("restricted");
    namespace
}

fn deployment() -> Value {
    let mut deployment = object("apps/v1", "Deployment", "w");
    deployment["spec"] = json!({ "template": { "metadata": { "labels": own_labels() } } });
    deployment
}

fn refusal(objects: Vec<Value>) -> String {
    let refusal = identity().check(&directive("berth-w"), objects);
    refusal.expect_err("refused").to_string()
}

/// The refusal of one object that stands where it may, before the Deployment.
fn refusal_of(object: Value) -> String {
    refusal(vec![namespace(), object, deployment()])
}

#[test]
fn what_a_workspace_is_made_of_is_allowed_in_the_order_of_the_server() {
    let objects = vec![
        namespace(),
        object("v1", "ServiceAccount", "w"),
        object("v1", "ResourceQuota", "w"),
        object("networking.k8s.io/v1", "NetworkPolicy", "w"),
        object("v1", "ConfigMap", "w-scripts"),
        object("v1", "PersistentVolumeClaim", "w-data"),
        object("v1", "Service", "w"),
        deployment(),
    ];
    let manifests = identity().check(&directive("berth-w"), objects.clone()).expect("allowed");
    let order: Vec<Value> = manifests.iter().map(Manifest::object).collect();
    assert_eq!(order, objects);
}

#[test]
fn kinds_that_reach_beyond_a_workspace_are_refused() {
    for (api_version, kind) in [
        ("v1", "Pod"),
        ("v1", "PersistentVolume"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("apps/v1", "DaemonSet"),
        ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
        ("", ""),
    ] {
        let message = refusal_of(object(api_version, kind, "x"));
        assert!(message.contains("of a kind that the agent's policy does not allow"), "{message}");
    }
}

#[test]
fn no_workspace_lives_where_the_cluster_or_the_agent_does() {
    for place in ["kube-system", "kube-public", "default", "berth-agent"] {
        let refused = identity().check(&directive(place), vec![]);
        assert!(matches!(refused, Err(Refusal::Namespace(_))), "{place}");
    }
}

#[test]
fn an_object_in_another_namespace_is_refused() {
    let mut elsewhere = object("v1", "ConfigMap", "w-scripts");
    elsewhere["metadata"]["namespace"] = json!("berth-other");
    assert!(refusal_of(elsewhere).contains("outside the workspace's namespace berth-w"));
    let mut nowhere = object("v1", "ConfigMap", "w-scripts");
    nowhere["metadata"]["namespace"] = Value::Null;
    assert!(refusal_of(nowhere).contains("outside the workspace's namespace berth-w"));
    let mut other = namespace();
    other["metadata"]["name"] = json!("kube-system");
    assert!(refusal(vec![other, deployment()]).contains("outside the workspace's namespace"));
}

#[test]
fn an_object_of_another_agent_or_workspace_is_refused() {
    for label in [AGENT_ID, WORKSPACE_ID] {
        let mut foreign = object("v1", "Service", "w");
        foreign["metadata"]["labels"][label] = json!(WorkspaceId::random());
        assert!(refusal_of(foreign).contains(label));
        let mut hidden_pods = deployment();
        hidden_pods["spec"]["template"]["metadata"]["labels"][label] = json!("other");
        assert!(refusal(vec![namespace(), hidden_pods]).contains(label));
    }
}

#[test]
fn a_namespace_that_enforces_no_pod_security_is_refused() {
    for level in [json!("privileged"), Value::Null, json!(1)] {
        let mut open = namespace();
        open["metadata"]["labels"][ENFORCE] = level;
        assert!(refusal(vec![open, deployment()]).contains("Pod Security"));
    }
}

#[test]
fn the_secrets_of_the_variables_come_from_nowhere_else() {
    for name in ["w-env", "w-file"] {
        assert!(refusal_of(object("v1", "Secret", name)).contains(name));
    }
}

#[test]
fn the_deployment_is_the_last_and_the_only_one() {
    let wanted = "the last object must be the workspace's Deployment";
    assert!(refusal(vec![namespace()]).contains(wanted));
    assert!(refusal(vec![deployment(), object("v1", "Service", "w")]).contains(wanted));
    let mut other = deployment();
    other["metadata"]["name"] = json!("other");
    assert!(refusal(vec![other.clone()]).contains(wanted));
    assert!(refusal(vec![other, deployment()]).contains(wanted));
    assert!(refusal(vec![deployment(), deployment()]).contains("named twice"));
}

#[test]
fn an_object_without_a_name_is_refused() {
    let mut nameless = object("v1", "Service", "w");
    nameless["metadata"] = json!({ "generateName": "w-" });
    assert_eq!(refusal_of(nameless), "object 1 has no name");
}
