//! The Deployment: one pod or none, and what that pod may be.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Scope;
use super::metadata::{Metadata, TemplateMetadata, read};
use super::pod::Pod;
use super::refusal::{Checked, Wrong, must};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Deployment {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    replicas: u32,
    strategy: Strategy,
    selector: Selector,
    template: Template,
    #[serde(rename = "progressDeadlineSeconds")]
    _progress_deadline_seconds: Option<i32>,
    #[serde(rename = "revisionHistoryLimit")]
    _revision_history_limit: Option<i32>,
    #[serde(rename = "minReadySeconds")]
    _min_ready_seconds: Option<i32>,
    #[serde(default)]
    paused: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strategy {
    r#type: String,
}

/// Labels that have to be exactly these; never an expression, which could mean anything.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Selector {
    pub(super) match_labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    metadata: TemplateMetadata,
    spec: Pod,
}

pub(super) fn check(scope: &Scope<'_>, object: &Value) -> Checked {
    let deployment: Deployment = read(object)?;
    deployment.metadata.check(false)?;
    let Spec { replicas, strategy, selector, template, paused, .. } = deployment.spec;
    must(replicas <= 1, "spec.replicas", "must be 0 or 1: a workspace is one pod")?;
    must(
        strategy.r#type == "Recreate",
        "spec.strategy.type",
        "must be Recreate: two pods would share the volume",
    )?;
    must(!paused, "spec.paused", "must not be true")?;
    scope.is_selector(&selector).map_err(|wrong| wrong.within("spec.selector"))?;
    template.metadata.check().map_err(|wrong| wrong.within("spec.template.metadata"))?;
    template.spec.check(scope).map_err(|wrong| wrong.within("spec.template.spec"))
}

/// The pod of a Deployment.
pub(super) fn pod(object: &Value) -> Result<Pod, Wrong> {
    read::<Deployment>(object).map(|deployment| deployment.spec.template.spec)
}
