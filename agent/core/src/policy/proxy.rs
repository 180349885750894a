//! The proxy's objects: what of them the agent installs, whoever asks for it.

use std::collections::BTreeSet;

use berth_schema::kubernetes::PROXY_OF;
use berth_schema::prerequisites::ManifestReport;
use serde_json::Value;

use crate::kinds::Kind;
use crate::policy::{Identity, Manifest, Refusal, enforces_pod_security, parse};

/// What the proxy may be made of. Its Namespace is the only one of them that is not in it.
const ALLOWED: [Kind; 6] = [
    Kind::Namespace,
    Kind::ServiceAccount,
    Kind::NetworkPolicy,
    Kind::ConfigMap,
    Kind::Service,
    Kind::Deployment,
];

/// What is removed from the proxy's namespace when the server no longer sends it. A Deployment is left: the agent has no
/// right to delete one.
pub const PRUNED: [Kind; 4] = [Kind::ServiceAccount, Kind::NetworkPolicy, Kind::ConfigMap, Kind::Service];

impl Identity {
    /// The proxy's objects, each checked; or the first reason not to apply any of them.
    pub fn check_proxy(&self, objects: Vec<Value>) -> Result<Vec<Manifest>, Refusal> {
        let mut seen = BTreeSet::new();
        let mut manifests = Vec::with_capacity(objects.len());
        for (at, object) in objects.into_iter().enumerate() {
            let (kind, name) = parse(at, &object)?;
            self.check_proxy_object(at, kind, &name, &object)?;
            if !seen.insert((kind, name.clone())) {
                return Err(Refusal::Twice { kind: kind.as_str(), name });
            }
            manifests.push(Manifest::new(kind, name, object));
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
        let (kind_name, name) = (kind.as_str(), name.to_owned());
        if !at_home {
            let namespace = self.proxy_namespace.clone();
            return Err(Refusal::NotTheProxys { kind: kind_name, name, namespace });
        }
        if metadata["labels"][PROXY_OF] != self.agent.to_string().as_str() {
            return Err(Refusal::Label { kind: kind_name, name, label: PROXY_OF });
        }
        if kind == Kind::Namespace && !enforces_pod_security(&metadata["labels"]) {
            return Err(Refusal::PodSecurity);
        }
        Ok(())
    }
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

    fn identity() -> Identity {
        Identity {
            agent: AgentId::random(),
            namespace: "berth-agent".to_owned(),
            proxy_namespace: "berth-proxy".to_owned(),
            shared_namespace: None,
        }
    }

    fn object(identity: &Identity, api_version: &str, kind: &str, name: &str) -> Value {
        let mut object = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": { "name": name, "labels": { PROXY_OF: identity.agent.to_string() } },
        });
        if kind == "Namespace" {
            object["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!("restricted");
        } else {
            object["metadata"]["namespace"] = json!("berth-proxy");
        }
        object
    }

    #[test]
    fn the_proxys_own_objects_are_allowed() {
        let identity = identity();
        let objects = vec![
            object(&identity, "v1", "Namespace", "berth-proxy"),
            object(&identity, "v1", "ServiceAccount", "berth-proxy"),
            object(&identity, "networking.k8s.io/v1", "NetworkPolicy", "closed"),
            object(&identity, "apps/v1", "Deployment", "berth-proxy"),
        ];
        assert_eq!(identity.check_proxy(objects).map(|manifests| manifests.len()), Ok(4));
        assert_eq!(identity.check_proxy(vec![]), Ok(vec![]));
    }

    #[test]
    fn nothing_else_is() {
        let identity = identity();
        let good = |kind| object(&identity, "v1", kind, "berth-proxy");
        let with = |kind, place: &str, value: Value| {
            let mut object = good(kind);
            object["metadata"][place] = value;
            object
        };
        let cluster_role = object(&identity, "rbac.authorization.k8s.io/v1", "ClusterRole", "berth-proxy");
        for hostile in [
            cluster_role,
            object(&identity, "rbac.authorization.k8s.io/v1", "RoleBinding", "berth-proxy"),
            good("Secret"),
            good("PersistentVolumeClaim"),
            object(&identity, "v1", "Namespace", "kube-system"),
            with("ServiceAccount", "namespace", json!("kube-system")),
            with("ServiceAccount", "namespace", Value::Null),
            with("ServiceAccount", "labels", json!({})),
            with("Namespace", "labels", json!({ PROXY_OF: identity.agent.to_string() })),
            with("ServiceAccount", "name", json!("")),
        ] {
            assert!(identity.check_proxy(vec![good("ConfigMap"), hostile.clone()]).is_err(), "{hostile}");
        }
        assert!(identity.check_proxy(vec![good("ConfigMap"), good("ConfigMap")]).is_err(), "twice");
    }
}
