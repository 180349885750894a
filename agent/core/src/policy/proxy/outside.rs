//! How the proxy is reached, and how many of it may be taken away at once.

use berth_schema::kubernetes::proxy::{LISTEN_PORT, SERVICE_PORT, SSH_LISTEN_PORT, SSH_SERVICE_PORT};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

use super::super::Identity;
use super::super::deployment::Selector;
use super::super::metadata::{Metadata, read};
use super::super::refusal::{Checked, must};
use super::is_selector;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Service {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: ServiceSpec,
}

/// Not among them: external addresses and names, ports of nodes, an address of its own choice.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServiceSpec {
    r#type: String,
    selector: BTreeMap<String, String>,
    ports: Vec<ServicePort>,
    #[serde(rename = "externalTrafficPolicy")]
    _external_traffic_policy: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServicePort {
    #[serde(rename = "name")]
    _name: Option<String>,
    port: u16,
    target_port: u16,
    #[serde(rename = "protocol")]
    _protocol: Option<String>,
}

pub(super) fn service(identity: &Identity, object: &Value) -> Checked {
    let service: Service = read(object)?;
    service.metadata.check(false)?;
    let ServiceSpec { r#type, selector, ports, .. } = service.spec;
    match r#type.as_str() {
        "ClusterIP" => {}
        "LoadBalancer" => must(
            identity.allowances.load_balancer,
            "spec.type",
            "may be LoadBalancer only with the agent's option --allow-load-balancer",
        )?,
        _ => return must(false, "spec.type", "must be ClusterIP or LoadBalancer"),
    }
    let own = |port: &ServicePort| {
        let leads = (port.port, port.target_port);
        [(SERVICE_PORT, LISTEN_PORT), (SSH_SERVICE_PORT, SSH_LISTEN_PORT)].contains(&leads)
    };
    must(ports.iter().all(own), "spec.ports", "must be those where browsers and ssh are answered")?;
    is_selector(&Selector { match_labels: selector }).map_err(|wrong| wrong.within("spec.selector"))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DisruptionBudget {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: DisruptionBudgetSpec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DisruptionBudgetSpec {
    max_unavailable: u32,
    selector: Selector,
}

pub(super) fn disruption_budget(object: &Value) -> Checked {
    let budget: DisruptionBudget = read(object)?;
    budget.metadata.check(false)?;
    must(budget.spec.max_unavailable > 0, "spec.maxUnavailable", "must not be 0: no node could be drained")?;
    is_selector(&budget.spec.selector).map_err(|wrong| wrong.within("spec.selector"))
}
