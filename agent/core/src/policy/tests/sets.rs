//! Sets, names, places and labels.

use berth_schema::kubernetes::{AGENT_NAMESPACE, ENFORCE};

use super::*;

#[test]
fn what_a_workspace_is_made_of_is_allowed_in_the_order_of_the_server() {
    let manifests = checked(&identity(), set()).expect("allowed");
    let mut order: Vec<Value> = manifests.iter().map(Manifest::object).collect();
    assert_eq!(order[0]["metadata"]["labels"][AGENT_NAMESPACE], "berth-agent", "it is marked as ours");
    order[0]["metadata"]["labels"].as_object_mut().expect("labels").remove(AGENT_NAMESPACE);
    assert_eq!(order, set());
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
        let objects = with("ConfigMap", |object| {
            (object["apiVersion"], object["kind"]) = (json!(api_version), json!(kind));
        });
        assert!(refusal(objects).contains("of a kind that the agent's policy does not allow"), "{kind}");
    }
}

#[test]
fn a_workspace_lives_in_the_namespace_of_its_id_and_name_and_nowhere_else() {
    for place in [
        "kube-system",
        "kube-public",
        "default",
        "berth-agent",
        "berth-proxy",
        "atk-foreign",
        "berth-w",
        "berth-w-02020203",
        "berth-v-02020202",
        "berth-shared",
    ] {
        let refused = identity().check(&directive(place), set_of("w", place));
        assert!(matches!(refused, Err(Refusal::Namespace(_))), "{place}");
    }
    // Whoever names a workspace so that the agent's or the proxy's own place comes out of it.
    let own = Identity { namespace: NAMESPACE.to_owned(), ..identity() };
    let proxys = Identity { proxy_namespace: NAMESPACE.to_owned(), ..identity() };
    for identity in [own, proxys] {
        assert!(matches!(checked(&identity, set()), Err(Refusal::Namespace(_))));
    }
}

#[test]
fn an_object_in_another_namespace_is_refused() {
    for elsewhere in [json!("berth-other"), Value::Null] {
        let objects = with_value("ConfigMap", "/metadata/namespace", elsewhere);
        assert!(refusal(objects).contains("outside the workspace's namespace"));
    }
    let other = with_value("Namespace", "/metadata/name", json!("kube-system"));
    assert!(refusal(other).contains("outside the workspace's namespace"));
}

#[test]
fn an_object_that_is_not_named_after_the_workspace_is_refused() {
    for name in ["precious", "kube-root-ca.crt", "wx", "w.x"] {
        let objects = with_value("ConfigMap", "/metadata/name", json!(name));
        assert!(refusal(objects).contains("is not named after the workspace"), "{name}");
    }
}

#[test]
fn an_object_of_another_agent_or_workspace_is_refused() {
    for label in [AGENT_ID, WORKSPACE_ID] {
        let foreign = json!(WorkspaceId::random());
        let objects = with("Service", |object| object["metadata"]["labels"][label] = foreign.clone());
        assert!(refusal(objects).contains(label));
        let hidden = with("Deployment", |object| {
            object["spec"]["template"]["metadata"]["labels"][label] = foreign;
        });
        assert!(refusal(hidden).contains(label));
    }
}

#[test]
fn a_namespace_that_enforces_less_than_restricted_is_refused_unless_the_agent_allows_it() {
    for level in [json!("privileged"), json!("baseline"), Value::Null, json!(1)] {
        let open = with("Namespace", |object| object["metadata"]["labels"][ENFORCE] = level.clone());
        assert!(refusal(open).contains("Pod Security"), "{level}");
    }
    let mut identity = identity();
    identity.allowances.privilege_escalation = true;
    let level = |level| with("Namespace", |object| object["metadata"]["labels"][ENFORCE] = json!(level));
    checked(&identity, level("baseline")).expect("allowed");
    checked(&identity, level("privileged")).expect_err("never");
}

#[test]
fn an_old_version_of_pod_security_is_refused() {
    let key = "pod-security.kubernetes.io/enforce-version";
    let pinned = with("Namespace", |object| object["metadata"]["labels"][key] = json!("v1.20"));
    assert!(refusal(pinned).contains("enforce-version"));
}

#[test]
fn secrets_come_from_the_agent_alone() {
    for name in ["w-env", "w-file", "w-git", "w-token"] {
        let objects = with("ConfigMap", |object| {
            (object["kind"], object["metadata"]["name"]) = (json!("Secret"), json!(name));
        });
        assert!(refusal(objects).contains(name));
    }
}

#[test]
fn the_deployment_is_the_last_and_the_only_one() {
    let wanted = "the last object must be the workspace's Deployment";
    let mut without = set();
    let deployment = without.pop().expect("the Deployment");
    assert!(refusal(without.clone()).contains(wanted));
    let mut early = without.clone();
    early.insert(1, deployment.clone());
    assert!(refusal(early).contains("is not in the workspace's set"), "what it reads has to come before it");
    let mut other = deployment.clone();
    other["metadata"]["name"] = json!("w-2");
    assert!(refusal([without.clone(), vec![other.clone()]].concat()).contains(wanted));
    assert!(refusal([without.clone(), vec![other, deployment.clone()]].concat()).contains(wanted));
    assert!(refusal([without, vec![deployment.clone(), deployment]].concat()).contains("named twice"));
}

#[test]
fn a_set_without_what_protects_it_is_refused() {
    for kind in ["Namespace", "ServiceAccount", "ResourceQuota", "NetworkPolicy"] {
        let mut objects = set();
        objects.retain(|object| object["kind"] != kind);
        assert!(refusal(objects).contains(&format!("has no {kind}/")), "{kind}");
    }
    let mut late = set();
    late.swap(0, 1);
    assert!(refusal(late).contains("has no Namespace/"), "nothing is written before it");
    let mut identity = identity();
    identity.allowances.open_network = true;
    let mut open = set();
    open.retain(|object| object["kind"] != "NetworkPolicy");
    checked(&identity, open).expect("the administrator allows it");
}

#[test]
fn an_object_without_a_name_is_refused() {
    let nameless = with("ConfigMap", |object| object["metadata"] = json!({ "generateName": "w-" }));
    assert_eq!(refusal(nameless), "object 4 has no name");
}

#[test]
fn a_set_without_end_is_refused() {
    let mut objects = set();
    for number in 0..MAX_OBJECTS {
        let mut map = objects[4].clone();
        map["metadata"]["name"] = json!(format!("w-{number}"));
        objects.insert(4, map);
    }
    assert_eq!(refusal(objects), "the set has more than 200 objects");
}

#[test]
fn metadata_holds_nothing_that_binds_an_object_to_others() {
    let owner = json!([{ "apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u" }]);
    for (field, value) in [
        ("ownerReferences", owner),
        ("finalizers", json!(["a.example/never"])),
        ("uid", json!("u")),
        ("resourceVersion", json!("7")),
        ("managedFields", json!([])),
        ("generateName", json!("w-")),
    ] {
        let objects = with_value("ConfigMap", &format!("/metadata/{field}"), value);
        assert!(refusal(objects).contains(field), "{field}");
    }
}

#[test]
fn labels_and_annotations_by_which_clusters_decide_are_refused() {
    for key in [
        "eks.amazonaws.com/role-arn",
        "iam.gke.io/gcp-service-account",
        "azure.workload.identity/use",
        "k8s.v1.cni.cncf.io/networks",
        "container.apparmor.security.beta.kubernetes.io/main",
        "admission.gatekeeper.sh/ignore",
        "vault.hashicorp.com/agent-inject",
        "berth.dev/agent-namespace",
        "berth.dev/proxy",
        "istio-injection",
        "control-plane",
    ] {
        let label = with("Namespace", |object| object["metadata"]["labels"][key] = json!("x"));
        assert!(refusal(label).contains(key), "{key}");
        if !key.starts_with("berth.dev/") {
            let annotation =
                with("ServiceAccount", |object| object["metadata"]["annotations"][key] = json!("x"));
            assert!(refusal(annotation).contains(key), "{key}");
            let pod = with("Deployment", |object| {
                object["spec"]["template"]["metadata"]["annotations"] = json!({ key: "x" });
            });
            assert!(refusal(pod).contains(key), "{key}");
        }
    }
    let own = with("Namespace", |object| {
        object["metadata"]["labels"]["example.com/team"] = json!("red");
        object["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] = json!("false");
    });
    checked(&identity(), own).expect("an administrator's own");
}

#[test]
fn a_servers_words_cannot_forge_lines_of_a_log() {
    let objects = with_value("ConfigMap", "/evil\n2026-11-28 INFO all is well", json!(1));
    let told = refusal(objects);
    assert!(!told.contains('\n') && told.len() < 700, "{told}");
}

#[test]
fn accounts_claims_and_maps_hold_what_is_listed_and_nothing_else() {
    are_refused(
        "ServiceAccount",
        "",
        &[
            ("/automountServiceAccountToken", json!(true), "automountServiceAccountToken"),
            ("/automountServiceAccountToken", Value::Null, "automountServiceAccountToken"),
            ("/secrets", json!([{ "name": "foreign" }]), "secrets"),
        ],
    );
    are_refused(
        "PersistentVolumeClaim",
        "/spec",
        &[
            ("/volumeName", json!("pv-of-somebody"), "volumeName"),
            ("/dataSource", json!({ "kind": "PersistentVolumeClaim", "name": "other" }), "dataSource"),
            ("/dataSourceRef", json!({ "kind": "PersistentVolumeClaim", "name": "other" }), "dataSourceRef"),
            ("/selector", json!({}), "selector"),
            ("/accessModes", json!(["ReadWriteMany"]), "accessModes"),
            ("/accessModes", json!([]), "accessModes"),
            ("/resources/requests/storage", json!("much"), "storage"),
        ],
    );
    are_refused("ConfigMap", "", &[("/binaryData", json!({}), "binaryData"), ("/data/a", json!(1), "data")]);
}

#[test]
fn a_quota_is_never_lifted() {
    are_refused(
        "ResourceQuota",
        "/spec",
        &[
            ("/hard", json!({}), "limits.memory"),
            ("/hard", json!({ "limits.memory": "65Mi" }), "limits.memory"),
            ("/hard", json!({ "limits.memory": "much" }), "limits.memory"),
            ("/scopes", json!(["BestEffort"]), "scopes"),
            ("/scopeSelector", json!({}), "scopeSelector"),
        ],
    );
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

    fn objects() -> Vec<Value> {
        let mut objects = set_of(NAMED, SHARED);
        objects.retain(|object| !matches!(object["kind"].as_str(), Some("Namespace" | "ResourceQuota")));
        objects
    }

    #[test]
    fn exactly_the_namespace_that_the_agent_was_told_of_is_shared() {
        assert_eq!(shared(Some(SHARED)).check(&directive(SHARED), objects()).expect("allowed").len(), 6);
        for other in [None, Some("berth-shared"), Some("berth-shared-blue")] {
            let refused = shared(other).check(&directive(SHARED), objects()).expect_err("refused");
            assert!(matches!(refused, Refusal::Namespace(_)), "{refused}");
        }
    }

    #[test]
    fn names_without_the_id_are_refused_there() {
        let mut plain = objects();
        plain.last_mut().expect("the Deployment")["metadata"]["name"] = json!("w");
        let refused = shared(Some(SHARED)).check(&directive(SHARED), plain).expect_err("refused");
        assert!(matches!(refused, Refusal::Name { .. }), "{refused}");
    }

    #[test]
    fn the_namespace_itself_is_not_the_servers_to_change() {
        let mut whole = objects();
        whole.insert(0, set_of(NAMED, SHARED).remove(0));
        let refused = shared(Some(SHARED)).check(&directive(SHARED), whole).expect_err("refused");
        assert!(matches!(refused, Refusal::SharedNamespace(_)), "{refused}");
    }

    #[test]
    fn a_workspace_of_that_name_has_a_namespace_of_its_own() {
        let own = NamespaceName::new("berth-shared-02020202").expect("a name");
        let name = WorkspaceName::new("shared").expect("a name");
        assert_eq!(shared(None).allows_namespace(WORKSPACE, &name, &own), Ok(()));
    }
}
