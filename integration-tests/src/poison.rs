//! Something that an API server refuses on purpose.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use serde_json::{Value, json};

/// From now on the API server refuses Deployments of that name, in these words: a `ValidatingAdmissionPolicy`, as an
/// administrator has one for what nobody may run.
pub async fn refuse_deployments(client: &Client, name: &str, words: &str) -> anyhow::Result<()> {
    let policy = format!("berth-test-{name}");
    let rules = json!([{
        "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"],
    }]);
    let spec = json!({
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules},
        "validations": [{"expression": format!("object.metadata.name != '{name}'"), "message": words}],
    });
    apply(client, "ValidatingAdmissionPolicy", &policy, &spec).await?;
    let spec = json!({"policyName": policy, "validationActions": ["Deny"]});
    apply(client, "ValidatingAdmissionPolicyBinding", &policy, &spec).await?;
    in_force(client, name, words).await
}

async fn apply(client: &Client, kind: &str, name: &str, spec: &Value) -> anyhow::Result<()> {
    let version = "admissionregistration.k8s.io/v1";
    let gvk = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
    let plural = match kind {
        "ValidatingAdmissionPolicy" => "validatingadmissionpolicies",
        _ => "validatingadmissionpolicybindings",
    };
    let api: Api<DynamicObject> =
        Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&gvk, plural));
    let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec});
    api.patch(name, &PatchParams::apply("berth-test"), &Patch::Apply(&object)).await.context("no policy")?;
    Ok(())
}

/// A policy is in force a moment after it was made.
async fn in_force(client: &Client, name: &str, words: &str) -> anyhow::Result<()> {
    let labels = json!({"app": name});
    let probe = serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "none"}]}},
        },
    }))?;
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> = Api::default_namespaced(client.clone());
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match deployments.create(&dry_run, &probe).await {
            Err(refusal) if refusal.to_string().contains(words) => return Ok(()),
            other => ensure!(Instant::now() < deadline, "the policy is not in force: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
