//! The proxy's objects: what of them the agent installs, whoever asks for it.

use std::collections::BTreeSet;

use berth_schema::kubernetes::{ENFORCE, PROXY_OF};
use berth_schema::prerequisites::ManifestReport;
use serde::Deserialize;
use serde_json::Value;

use super::metadata::{Metadata, read};
use super::refusal::{Checked, must, quoted};
use super::{Identity, Manifest, RESTRICTED, Refusal, missing, parse, plain};
use crate::kinds::Kind;

/// What the proxy may be made of today: its Namespace, an account without rights, and policies that close it. What it will
/// run is to be listed here field by field, as workspaces are.
const ALLOWED: [Kind; 3] = [Kind::Namespace, Kind::ServiceAccount, Kind::NetworkPolicy];

/// What is removed from the proxy's namespace when the server no longer sends it: what an agent may have installed once, too. A
/// Deployment is left: the agent has no right to delete one.
pub const PRUNED: [Kind; 4] = [Kind::ServiceAccount, Kind::NetworkPolicy, Kind::ConfigMap, Kind::Service];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Closed {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: ClosedSpec,
}

/// For every pod, both ways; nothing is opened.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClosedSpec {
    #[serde(rename = "podSelector")]
    _pod_selector: Everything,
    policy_types: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Everything {}

impl Identity {
    /// The proxy's objects, each checked; or the first reason not to apply any of them. The first is its Namespace.
    pub fn check_proxy(&self, objects: Vec<Value>) -> Result<Vec<Manifest>, Refusal> {
        let mut seen = BTreeSet::new();
        let mut manifests = Vec::with_capacity(objects.len());
        for (at, object) in objects.into_iter().enumerate() {
            let (kind, name) = parse(at, &object)?;
            if at == 0 && kind != Kind::Namespace {
                return Err(missing(Kind::Namespace, &self.proxy_namespace));
            }
            self.check_proxy_object(at, kind, &name, &object)?;
            if !seen.insert((kind, name.clone())) {
                return Err(Refusal::Twice { kind: kind.as_str(), name: quoted(&name) });
            }
            manifests.push(self.manifest(kind, name, object));
        }
        Ok(manifests)
    }

    fn check_proxy_object(&self, at: usize, kind: Kind, name: &str, object: &Value) -> Result<(), Refusal> {
        let metadata = &object["metadata"];
        if !ALLOWED.contains(&kind) {
            let api_version = kind.api_version().to_owned();
            return Err(Refusal::Kind { at, api_version, kind: kind.as_str().to_owned() });
        }
        let at_home = match kind {
            Kind::Namespace => name == self.proxy_namespace && metadata.get("namespace").is_none(),
            _ => metadata["namespace"] == self.proxy_namespace.as_str(),
        };
        if !at_home {
            let namespace = self.proxy_namespace.clone();
            return Err(Refusal::NotTheProxys { kind: kind.as_str(), name: quoted(name), namespace });
        }
        if metadata["labels"][PROXY_OF] != self.agent.to_string().as_str() {
            return Err(Refusal::Label { kind: kind.as_str(), name: quoted(name), label: PROXY_OF });
        }
        if kind == Kind::Namespace && metadata["labels"][ENFORCE] != RESTRICTED {
            return Err(Refusal::PodSecurity(RESTRICTED));
        }
        let checked = match kind {
            Kind::Namespace => plain::namespace(object),
            Kind::ServiceAccount => plain::service_account(object),
            _ => closed(object),
        };
        checked.map_err(|wrong| wrong.of(kind.as_str(), name))
    }
}

fn closed(object: &Value) -> Checked {
    let policy: Closed = read(object)?;
    policy.metadata.check(false)?;
    let both =
        ["Ingress", "Egress"].iter().all(|way| policy.spec.policy_types.iter().any(|given| given == way));
    must(both, "spec.policyTypes", "must be both Ingress and Egress: what is left out is open")
}

/// What is told of one object.
pub fn manifest_report(kind: &str, name: &str, error: Option<String>) -> ManifestReport {
    ManifestReport { kind: kind.into(), name: name.into(), error: error.map(Into::into) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::AgentId;
    use serde_json::json;

    fn object(identity: &Identity, api_version: &str, kind: &str, name: &str) -> Value {
        let mut object = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": { "name": name, "labels": { PROXY_OF: identity.agent.to_string() } },
        });
        match kind {
            "Namespace" => object["metadata"]["labels"][ENFORCE] = json!("restricted"),
            "ServiceAccount" => object["automountServiceAccountToken"] = json!(false),
            "NetworkPolicy" => {
                object["spec"] = json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] });
            }
            _ => {}
        }
        if kind != "Namespace" {
            object["metadata"]["namespace"] = json!("berth-proxy");
        }
        object
    }

    fn objects(identity: &Identity) -> Vec<Value> {
        vec![
            object(identity, "v1", "Namespace", "berth-proxy"),
            object(identity, "v1", "ServiceAccount", "berth-proxy"),
            object(identity, "networking.k8s.io/v1", "NetworkPolicy", "closed"),
        ]
    }

    #[test]
    fn the_proxys_own_objects_are_allowed() {
        let identity = Identity::of(AgentId::random());
        assert_eq!(identity.check_proxy(objects(&identity)).map(|manifests| manifests.len()), Ok(3));
        assert_eq!(identity.check_proxy(vec![]), Ok(vec![]));
    }

    #[test]
    fn objects_without_their_namespace_are_refused() {
        let identity = Identity::of(AgentId::random());
        let mut objects = objects(&identity);
        objects.remove(0);
        assert!(matches!(identity.check_proxy(objects), Err(Refusal::Missing { .. })));
    }

    #[test]
    fn nothing_else_is() {
        let identity = Identity::of(AgentId::random());
        let good = |kind| object(&identity, "v1", kind, "other");
        let with = |kind, place: &str, value: Value| {
            let mut object = good(kind);
            object["metadata"][place] = value;
            object
        };
        let policy = |spec: Value| {
            let mut policy = object(&identity, "networking.k8s.io/v1", "NetworkPolicy", "open");
            policy["spec"] = spec;
            policy
        };
        let mut token = good("ServiceAccount");
        token["automountServiceAccountToken"] = json!(true);
        for hostile in [
            object(&identity, "rbac.authorization.k8s.io/v1", "ClusterRole", "berth-proxy"),
            object(&identity, "rbac.authorization.k8s.io/v1", "RoleBinding", "berth-proxy"),
            object(&identity, "apps/v1", "Deployment", "berth-proxy"),
            good("Secret"),
            good("ConfigMap"),
            good("Service"),
            good("PersistentVolumeClaim"),
            object(&identity, "v1", "Namespace", "kube-system"),
            with("ServiceAccount", "namespace", json!("kube-system")),
            with("ServiceAccount", "namespace", Value::Null),
            with("ServiceAccount", "labels", json!({})),
            with("ServiceAccount", "name", json!("")),
            with("ServiceAccount", "finalizers", json!(["a.example/b"])),
            token,
            policy(json!({ "podSelector": {}, "policyTypes": ["Ingress"] })),
            policy(json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}] })),
            policy(
                json!({ "podSelector": { "matchLabels": { "a": "b" } }, "policyTypes": ["Ingress", "Egress"] }),
            ),
        ] {
            let mut set = objects(&identity);
            set.push(hostile.clone());
            assert!(identity.check_proxy(set).is_err(), "{hostile}");
        }
        let mut open = objects(&identity);
        open[0]["metadata"]["labels"][ENFORCE] = json!("baseline");
        assert_eq!(identity.check_proxy(open), Err(Refusal::PodSecurity(RESTRICTED)));
        let twice = [objects(&identity), vec![objects(&identity).remove(1)]].concat();
        assert!(identity.check_proxy(twice).is_err(), "twice");
    }
}
