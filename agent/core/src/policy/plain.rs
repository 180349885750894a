//! The kinds with little in them: account, scripts, claims, and the namespace itself.

use std::collections::BTreeMap;

use berth_schema::quantity::{Unit, parse};
use serde::Deserialize;
use serde_json::Value;

use super::Scope;
use super::metadata::{Metadata, POD_SECURITY, read};
use super::refusal::{Checked, must};

/// The labels that say what a namespace's pods may be, behind [`POD_SECURITY`].
const MODES: [&str; 6] = ["enforce", "enforce-version", "warn", "warn-version", "audit", "audit-version"];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Namespace {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
}

/// Without a version of its own: an old one demands less.
pub(super) fn namespace(object: &Value) -> Checked {
    let namespace: Namespace = read(object)?;
    namespace.metadata.check(true)?;
    for (key, value) in &namespace.metadata.labels {
        let Some(mode) = key.strip_prefix(POD_SECURITY) else { continue };
        let known = MODES.contains(&mode) && (!mode.ends_with("-version") || value == "latest");
        must(known, &format!("metadata.labels[{key}]"), "is not as the agent's policy wants it")?;
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServiceAccount {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    automount_service_account_token: bool,
    /// Names only; they are the administrator's to make.
    #[serde(rename = "imagePullSecrets")]
    _image_pull_secrets: Option<Vec<NameOnly>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NameOnly {
    #[serde(rename = "name")]
    _name: String,
}

pub(super) fn service_account(object: &Value) -> Checked {
    let account: ServiceAccount = read(object)?;
    account.metadata.check(false)?;
    must(!account.automount_service_account_token, "automountServiceAccountToken", "must be false")
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConfigMap {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    #[serde(rename = "data")]
    _data: Option<BTreeMap<String, String>>,
}

pub(super) fn config_map(object: &Value) -> Checked {
    let map: ConfigMap = read(object)?;
    map.metadata.check(false)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Claim {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: ClaimSpec,
}

/// Not among them: a volume by its name, and data of another claim or snapshot.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClaimSpec {
    access_modes: Vec<String>,
    #[serde(rename = "storageClassName")]
    _storage_class_name: Option<String>,
    #[serde(rename = "volumeMode")]
    _volume_mode: Option<String>,
    resources: ClaimResources,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimResources {
    requests: ClaimRequests,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimRequests {
    storage: String,
}

pub(super) fn claim(object: &Value) -> Checked {
    let claim: Claim = read(object)?;
    claim.metadata.check(false)?;
    let known = |mode: &String| matches!(mode.as_str(), "ReadWriteOnce" | "ReadWriteOncePod");
    must(
        claim.spec.access_modes.iter().all(known) && !claim.spec.access_modes.is_empty(),
        "spec.accessModes",
        "must be ReadWriteOnce or ReadWriteOncePod",
    )?;
    let size = parse(&claim.spec.resources.requests.storage, Unit::Whole);
    must(size.is_some(), "spec.resources.requests.storage", "is not a quantity of bytes")
}

/// Whether a name is the workspace's, or begins with it.
pub(super) fn is_named_after(scope: &Scope<'_>, name: &str) -> bool {
    let rest = name.strip_prefix(scope.named.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
