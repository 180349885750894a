//! A cluster whose admission adds something to whatever is written: that is part of the write, and nobody's change by hand.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_integration_tests::{Installation, unique};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::json;

use crate::PATIENCE;
use crate::drift::Standing;

const ADDED: &str = "mesh.example/injected";
const BY_HAND: &str = "by-hand";

fn policies(berth: &Installation, kind: &str, plural: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
    Api::all_with(berth.view.client(), &ApiResource::from_gvk_with_plural(&gvk, plural))
}

/// From now on each of these objects has one more annotation when it is made or written, whoever writes it.
async fn add_to_everything_in(berth: &Installation, namespace: &str) -> anyhow::Result<String> {
    let name = unique("mesh");
    let rules = json!([{
        "apiGroups": ["", "apps", "networking.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
        "resources": ["services", "networkpolicies", "configmaps", "deployments"],
    }]);
    let added = format!("Object{{metadata: Object.metadata{{annotations: {{'{ADDED}': 'yes'}}}}}}");
    let policy = json!({
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
            "resourceRules": rules,
        },
        "mutations": [{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": added } }],
    });
    for (kind, plural, spec) in [
        ("MutatingAdmissionPolicy", "mutatingadmissionpolicies", policy),
        ("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", json!({ "policyName": name })),
    ] {
        let version = "admissionregistration.k8s.io/v1";
        let object =
            json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name }, "spec": spec });
        let written = policies(berth, kind, plural);
        written.patch(&name, &PatchParams::apply("scenario"), &Patch::Apply(&object)).await.context(kind)?;
    }
    Ok(name)
}

/// The annotations of the only object of a kind, once somebody's own is gone.
async fn put_right(it: &Standing<'_>, kind: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let object = it.api(kind).list(&ListParams::default()).await?.items.pop().context("it is gone")?;
        let annotations = object.metadata.annotations.unwrap_or_default();
        if !annotations.contains_key(BY_HAND) {
            it.put_right().await?;
            return Ok(annotations);
        }
        ensure!(Instant::now() < deadline, "{annotations:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn what_admission_adds_to_each_write_is_nobodys_change_and_is_not_fought() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let it = Standing::new(&berth, "meshed").await?;
    let policy = add_to_everything_in(&berth, it.workspace.namespace.as_str()).await?;
    // Until the policy is in force nothing is added to what somebody changes.
    let deadline = Instant::now() + PATIENCE;
    let by_hand = json!({ "metadata": { "annotations": { BY_HAND: "yes" } } });
    loop {
        it.change("NetworkPolicy", &by_hand).await?;
        if put_right(&it, "NetworkPolicy").await?.contains_key(ADDED) {
            break;
        }
        ensure!(Instant::now() < deadline, "the policy is not in force");
    }
    it.change("Service", &by_hand).await?;
    ensure!(put_right(&it, "Service").await?.contains_key(ADDED));
    // From now on it rests, for longer than the agent would.
    let writes = it.rests().await?;
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let workspace = berth.admin.workspace("meshed").await?;
        let reason = workspace.reason.context("no reason")?;
        ensure!(reason.reason == "PutRight", "{reason:?}");
    }
    assert_eq!(it.writes().await?, writes, "it is written again and again");
    it.keeps_its_pod().await?;
    for (kind, plural) in [
        ("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"),
        ("MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
    ] {
        policies(&berth, kind, plural).delete(&policy, &DeleteParams::default()).await?;
    }
    Ok(())
}
