//! The Service: an address inside of the cluster, for the proxy.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::BTreeMap;

use super::Scope;
use super::deployment::Selector;
use super::metadata::{Metadata, read};
use super::refusal::{Checked, must};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Service {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: Spec,
}

/// Not among them: external addresses and names, ports of nodes, load balancers, an address of its own choice.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    r#type: String,
    selector: BTreeMap<String, String>,
    #[serde(rename = "ports")]
    _ports: Vec<Port>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are Kubernetes' own")]
struct Port {
    #[serde(rename = "name")]
    _name: Option<String>,
    #[serde(rename = "port")]
    _port: u16,
    #[serde(rename = "targetPort")]
    _target_port: Option<IgnoredAny>,
    #[serde(rename = "protocol")]
    _protocol: Option<String>,
    #[serde(rename = "appProtocol")]
    _app_protocol: Option<String>,
}

pub(super) fn check(scope: &Scope<'_>, object: &Value) -> Checked {
    let service: Service = read(object)?;
    service.metadata.check(false)?;
    let Spec { r#type, selector, .. } = service.spec;
    must(r#type == "ClusterIP", "spec.type", "must be ClusterIP")?;
    scope.is_selector(&Selector { match_labels: selector }).map_err(|wrong| wrong.within("spec.selector"))
}
