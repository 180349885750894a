use berth_schema::reconcile::Action;
use berth_schema::{ActualState, DesiredState, Generation};
use serde_json::json;

use super::*;

const AGENT: AgentId = AgentId::from_uuid(uuid::Uuid::from_bytes([1; 16]));
const WORKSPACE: WorkspaceId = WorkspaceId::from_uuid(uuid::Uuid::from_bytes([2; 16]));

fn identity() -> Identity {
    Identity {
        agent: AGENT,
        namespace: "berth-agent".to_owned(),
        proxy_namespace: "berth-proxy".to_owned(),
        shared_namespace: None,
    }
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
        credentials: None,
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

mod shared {
    use super::*;

    const SHARED: &str = "berth-shared-red";
    /// The workspace's name with the first digits of its id.
    const NAMED: &str = "w-02020202";

    fn shared(allowed: Option<&str>) -> Identity {
        let allowed = allowed.map(|name| NamespaceName::new(name).expect("a name"));
        Identity { shared_namespace: allowed, ..identity() }
    }

    fn moved(mut object: Value, name: &str) -> Value {
        object["metadata"]["name"] = json!(name);
        object["metadata"]["namespace"] = json!(SHARED);
        object
    }

    fn objects() -> Vec<Value> {
        vec![moved(object("v1", "ConfigMap", ""), "w-02020202-scripts"), moved(deployment(), NAMED)]
    }

    #[test]
    fn exactly_the_namespace_that_the_agent_was_told_of_is_shared() {
        assert_eq!(shared(Some(SHARED)).check(&directive(SHARED), objects()).expect("allowed").len(), 2);
        for other in [None, Some("berth-shared"), Some("berth-shared-blue")] {
            let refused = shared(other).check(&directive(SHARED), objects()).expect_err("refused");
            assert!(matches!(refused, Refusal::Namespace(_)), "{refused}");
        }
    }

    #[test]
    fn names_without_the_id_are_refused_there() {
        let plain = vec![moved(deployment(), "w")];
        let refused = shared(Some(SHARED)).check(&directive(SHARED), plain).expect_err("refused");
        assert_eq!(refused, Refusal::Deployment(NAMED.to_owned()));
        let secret = moved(object("v1", "Secret", ""), "w-02020202-env");
        let refused = shared(Some(SHARED)).check(&directive(SHARED), vec![secret]).expect_err("refused");
        assert_eq!(refused, Refusal::VariableSecret("w-02020202-env".to_owned()));
    }

    #[test]
    fn the_shared_namespace_itself_is_not_the_servers_to_change() {
        let mut namespace = namespace();
        namespace["metadata"]["name"] = json!(SHARED);
        let refused = shared(Some(SHARED)).check(&directive(SHARED), vec![namespace]).expect_err("refused");
        assert!(matches!(refused, Refusal::SharedNamespace(_)), "{refused}");
    }

    #[test]
    fn a_workspace_named_shared_may_have_a_namespace_of_its_own() {
        let own = NamespaceName::new("berth-shared-02020202").expect("a name");
        let name = WorkspaceName::new("shared").expect("a name");
        assert_eq!(identity().allows_namespace(WORKSPACE, &name, &own), Ok(()));
    }
}
