//! The proxy in a cluster: its namespace, closed, the account of its pods, and what runs where an image is named
//! (`docs/decisions/0061-the-proxy-is-installed.md`).

mod serving;

use std::collections::BTreeMap;

use berth_schema::AgentId;
use berth_schema::kubernetes::PROXY_OF;
use berth_schema::kubernetes::proxy::{CLOSED, NAME, POD_LABEL};
use k8s_openapi::api::core::v1::{LocalObjectReference, Namespace, ServiceAccount};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde_json::Value;

use super::value;
use crate::config::AgentConfig;
use crate::proxy_config::ProxyConfig;

/// In the order of application; the Deployment, where there is one, is the last. Without `runs` the place is prepared and nothing is
/// in it.
pub fn proxy(agent: AgentId, config: &AgentConfig, runs: Option<&ProxyConfig>) -> Vec<Value> {
    let place = Place { agent, config };
    let mut objects =
        vec![value(&place.namespace()), value(&place.service_account()), value(&place.closed())];
    if let Some(runs) = runs {
        objects.extend(serving::objects(&place, runs));
    }
    objects
}

/// Whose proxy it is, and where.
struct Place<'a> {
    agent: AgentId,
    config: &'a AgentConfig,
}

impl Place<'_> {
    fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (PROXY_OF.to_owned(), self.agent.to_string()),
            ("app.kubernetes.io/managed-by".to_owned(), "berth".to_owned()),
            ("app.kubernetes.io/part-of".to_owned(), NAME.to_owned()),
        ])
    }

    /// What selects the proxy's pods in their namespace. It may never change: a Deployment's selector is immutable.
    fn selector() -> BTreeMap<String, String> {
        BTreeMap::from([(POD_LABEL.to_owned(), NAME.to_owned())])
    }

    fn metadata(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.config.proxy_namespace.clone()),
            labels: Some(self.labels()),
            ..ObjectMeta::default()
        }
    }

    fn namespace(&self) -> Namespace {
        let mut labels = self.labels();
        for mode in ["enforce", "warn", "audit"] {
            labels.insert(format!("pod-security.kubernetes.io/{mode}"), "restricted".to_owned());
        }
        Namespace {
            metadata: ObjectMeta {
                name: Some(self.config.proxy_namespace.clone()),
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        }
    }

    /// Its rights are what an administrator gives it; its token is mounted by the pod that needs it alone.
    fn service_account(&self) -> ServiceAccount {
        let secrets = self.config.image_pull_secrets.iter();
        let secrets: Vec<_> = secrets.map(|name| LocalObjectReference { name: name.clone() }).collect();
        ServiceAccount {
            metadata: self.metadata(NAME),
            automount_service_account_token: Some(false),
            image_pull_secrets: (!secrets.is_empty()).then_some(secrets),
            ..ServiceAccount::default()
        }
    }

    /// Nothing in, nothing out, for every pod of the namespace: what the proxy needs is opened for it by name.
    fn closed(&self) -> NetworkPolicy {
        NetworkPolicy {
            metadata: self.metadata(CLOSED),
            spec: Some(NetworkPolicySpec {
                pod_selector: Some(LabelSelector::default()),
                policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
                ..NetworkPolicySpec::default()
            }),
        }
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
