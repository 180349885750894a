//! What could be taken for something harmless and is refused.

use serde_json::{Value, json};

use super::tests::{errors, everything, fields, read};

#[test]
fn a_key_with_nothing_behind_it_is_refused_wherever_it_stands() {
    fn emptied(
        document: &Value,
        path: &str,
        all: &mut Vec<(Value, String)>,
        rebuild: &dyn Fn(Value) -> Value,
    ) {
        let place = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match document {
            Value::Object(fields) => {
                for (key, inner) in fields {
                    let with = |value: Value| {
                        let mut changed = fields.clone();
                        changed.insert(key.clone(), value);
                        rebuild(Value::Object(changed))
                    };
                    all.push((with(Value::Null), place(key)));
                    emptied(inner, &place(key), all, &with);
                }
            }
            Value::Array(items) => {
                for (at, inner) in items.iter().enumerate() {
                    let with = |value: Value| {
                        let mut changed = items.clone();
                        changed[at] = value;
                        rebuild(Value::Array(changed))
                    };
                    all.push((with(Value::Null), format!("{path}[{at}]")));
                    emptied(inner, &format!("{path}[{at}]"), all, &with);
                }
            }
            _ => {}
        }
    }
    let mut all = vec![];
    emptied(&everything(), "", &mut all, &|document| document);
    assert!(all.len() > 60, "{} places", all.len());
    for (document, path) in all {
        assert!(fields(&document).contains(&path), "{path}: {document}");
    }
    let document = json!({"network_policy": {"egress": [{"allow": "10.20.0.0/16", "ports": null}]}});
    assert_eq!(
        errors(&document),
        ["network_policy.egress[0].ports: has nothing behind it; give it a value or leave it out"]
    );
}

#[test]
fn keys_by_which_controllers_act_are_refused_and_words_for_people_are_not() {
    for key in [
        "pv.kubernetes.io/bind-completed",
        "volume.kubernetes.io/selected-node",
        "volume.beta.kubernetes.io/storage-class",
        "endpoints.kubernetes.io/last-change-trigger-time",
        "scheduler.alpha.kubernetes.io/node-selector",
        "controller.kubernetes.io/pod-deletion-cost",
        "container.apparmor.security.beta.kubernetes.io/main",
        "kubernetes.io/enforce-mountable-secrets",
        "service.kubernetes.io/headless",
        "service.kubernetes.io/service-proxy-name",
        "endpointslice.kubernetes.io/managed-by",
        "controller-revision-hash",
        "statefulset.kubernetes.io/pod-name",
        "node.k8s.io/x",
        "kueue.x-k8s.io/queue-name",
        "pod-template-hash",
        "job-name",
        "app.kubernetes.io/name",
        "app.kubernetes.io/managed-by",
        "app.kubernetes.io/part-of",
        "berth.dev/generation",
    ] {
        for map in ["labels", "annotations"] {
            assert_eq!(fields(&json!({map: {key: "x"}})), [format!("{map}.{key}")]);
        }
    }
    for key in [
        "app.kubernetes.io/component",
        "app.kubernetes.io/version",
        "team",
        "kubernetes.io.example.com/a",
        "mykubernetes.io/a",
    ] {
        assert!(read(&json!({"labels": {key: "x"}, "annotations": {key: "x"}})).is_ok(), "{key}");
    }
}
