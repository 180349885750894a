//! What every object says of itself: its name, its labels and its annotations, and nothing else.

use std::collections::BTreeMap;

use berth_schema::kubernetes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::refusal::{Checked, Wrong, must};

/// No owners, which would let Kubernetes' garbage collector act; no finalizers, which would keep an object for ever; no
/// version or identity, which the agent sets itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "namespace")]
    _namespace: Option<String>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// That of a pod template.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateMetadata {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Domains of labels and annotations by which a cluster's own parts and well-known additions decide about identity, rights,
/// networks and admission: a label or an annotation would be a way around everything else here.
const DECIDING: [&str; 21] = [
    "kubernetes.io",
    "k8s.io",
    "x-k8s.io",
    "cncf.io",
    "openshift.io",
    "projectcalico.org",
    "cilium.io",
    "antrea.io",
    "ovn.org",
    "amazonaws.com",
    "gke.io",
    "cloud.google.com",
    "azure.com",
    "workload.identity",
    "gatekeeper.sh",
    "kyverno.io",
    "istio.io",
    "linkerd.io",
    "hashicorp.com",
    "knative.dev",
    "rancher.io",
];

/// The same without a domain.
const DECIDING_WORDS: [&str; 5] =
    ["control-plane", "istio-injection", "pod-template-hash", "controller-revision-hash", "aadpodidbinding"];

/// What Berth sets itself, wherever it may be.
const BERTHS_LABELS: [&str; 6] = [
    kubernetes::AGENT_ID,
    kubernetes::WORKSPACE_ID,
    kubernetes::PROXY_OF,
    kubernetes::WORKSPACE_NAME,
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/part-of",
];

/// How Berth's own annotations begin.
const BERTHS_DOMAIN: &str = "berth.dev/";

/// Harmless, and useful.
const HARMLESS: [&str; 4] = [
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "cluster-autoscaler.kubernetes.io/safe-to-evict",
];

/// Labels by which Kubernetes decides about a namespace's pods.
pub(super) const POD_SECURITY: &str = "pod-security.kubernetes.io/";

impl Metadata {
    /// `is_namespace`: the labels of Pod Security have their place.
    pub(super) fn check(&self, is_namespace: bool) -> Checked {
        for key in self.labels.keys() {
            let pod_security = is_namespace && key.starts_with(POD_SECURITY);
            if !pod_security {
                label(key).map_err(|wrong| wrong.within("metadata"))?;
            }
        }
        self.annotations.keys().try_for_each(|key| annotation(key)).map_err(|wrong| wrong.within("metadata"))
    }
}

impl TemplateMetadata {
    pub(super) fn check(&self) -> Checked {
        self.labels.keys().try_for_each(|key| label(key))?;
        self.annotations.keys().try_for_each(|key| annotation(key))
    }
}

fn label(key: &str) -> Checked {
    must(
        BERTHS_LABELS.contains(&key) || !decides(key),
        &format!("labels[{key}]"),
        "is a label by which the cluster decides about more than this object",
    )
}

fn annotation(key: &str) -> Checked {
    must(
        key.starts_with(BERTHS_DOMAIN) || !decides(key),
        &format!("annotations[{key}]"),
        "is an annotation by which the cluster decides about more than this object",
    )
}

fn decides(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let within = |outer: &str| {
        domain.strip_suffix(outer).is_some_and(|inner| inner.is_empty() || inner.ends_with('.'))
    };
    !HARMLESS.contains(&key)
        && (within("berth.dev")
            || DECIDING.iter().any(|outer| within(outer))
            || (domain.is_empty() && DECIDING_WORDS.contains(&key)))
}

/// Reads an object as a type that knows every field it may have; or says which field it may not have.
pub(super) fn read<T: DeserializeOwned>(object: &Value) -> Result<T, Wrong> {
    serde_path_to_error::deserialize(object).map_err(|error| {
        let path = error.path().to_string();
        let text = error.into_inner().to_string();
        // The rest would be a list of everything that is allowed.
        let why = text.split(", expected").next().unwrap_or_default();
        Wrong::new(path, format!("is not allowed here: {why}"))
    })
}
