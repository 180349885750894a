//! Everything in a cluster that is not an agent's own, by version: whoever writes anything gives it another one.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use berth_schema::AgentId;
use berth_schema::kubernetes::AGENT_ID;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;

/// Group, version, kind and plural.
const KINDS: [(&str, &str, &str, &str); 20] = [
    ("", "v1", "Namespace", "namespaces"),
    ("", "v1", "Secret", "secrets"),
    ("", "v1", "ConfigMap", "configmaps"),
    ("", "v1", "ServiceAccount", "serviceaccounts"),
    ("", "v1", "Service", "services"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("", "v1", "PersistentVolume", "persistentvolumes"),
    ("", "v1", "ResourceQuota", "resourcequotas"),
    ("", "v1", "Pod", "pods"),
    ("apps", "v1", "Deployment", "deployments"),
    ("apps", "v1", "ReplicaSet", "replicasets"),
    ("apps", "v1", "DaemonSet", "daemonsets"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    ("networking.k8s.io", "v1", "Ingress", "ingresses"),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings"),
    ("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses"),
];

/// By kind, namespace and name: uid and version.
#[derive(Clone, Debug)]
pub(crate) struct Outside(BTreeMap<Key, Version>);

type Key = (String, String, String);
type Version = (String, String);

impl Outside {
    /// What was written, made or deleted since then: what it was and what it is.
    pub(crate) fn changes_since(&self, before: &Self) -> Vec<String> {
        let keys: BTreeSet<&Key> = before.0.keys().chain(self.0.keys()).collect();
        let changed = keys.into_iter().filter(|key| before.0.get(*key) != self.0.get(*key));
        changed.map(|key| format!("{key:?}: {:?}, now {:?}", before.0.get(key), self.0.get(key))).collect()
    }

    /// The same of what was there then: what is new since is not looked at.
    pub(crate) fn losses_since(&self, before: &Self) -> Vec<String> {
        let mut known = self.clone();
        known.0.retain(|key, _| before.0.contains_key(key));
        known.changes_since(before)
    }

    pub(crate) fn has(&self, kind: &str) -> bool {
        self.0.keys().any(|(other, ..)| other == kind)
    }

    pub(crate) fn only(mut self, keep: impl Fn(&Key) -> bool) -> Self {
        self.0.retain(|key, _| keep(key));
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// All of it but for the agent's keys where it lives.
pub(crate) async fn look(client: &Client, agent: AgentId) -> anyhow::Result<Outside> {
    let mut seen = BTreeMap::new();
    for (group, version, kind, plural) in KINDS {
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let list = api.list_metadata(&ListParams::default()).await.with_context(|| plural.to_owned())?;
        for object in list.items {
            let metadata = object.metadata;
            let (name, namespace) =
                (metadata.name.unwrap_or_default(), metadata.namespace.unwrap_or_default());
            let keys = kind == "Secret" && name.contains(&agent.to_string());
            if !keys {
                let version = metadata.resource_version.unwrap_or_default();
                seen.insert((kind.to_owned(), namespace, name), (metadata.uid.unwrap_or_default(), version));
            }
        }
    }
    Ok(Outside(seen))
}

/// The namespaces that carry the agent's label, whoever made them.
pub(crate) async fn labelled(client: &Client, agent: AgentId) -> anyhow::Result<Vec<String>> {
    let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
    let list = api.list_metadata(&ListParams::default().labels(&format!("{AGENT_ID}={agent}"))).await?;
    Ok(list.items.into_iter().filter_map(|object| object.metadata.name).collect())
}
