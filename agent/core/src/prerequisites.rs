//! What follows from what the API server tells of a cluster.

use berth_schema::Word;
use berth_schema::prerequisites::{Nodes, StorageClass};
use berth_schema::quantity::{Unit, parse};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::storage::v1::StorageClass as LiveStorageClass;

/// Engines that enforce NetworkPolicies, by an API group that they bring.
const ENGINES: [(&str, &str); 5] = [
    ("cilium.io", "cilium"),
    ("crd.antrea.io", "antrea"),
    ("crd.projectcalico.org", "calico"),
    ("k8s.ovn.org", "ovn-kubernetes"),
    ("networking.k8s.aws", "aws-vpc-cni"),
];
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
/// The minor version of Kubernetes 1 from which on pods may have a user namespace without a feature gate.
const USER_NAMESPACES: u32 = 33;

/// Which known engines the served API groups tell of.
pub fn network_policy_engines<'a>(groups: impl IntoIterator<Item = &'a str>) -> Vec<Word> {
    let groups: Vec<&str> = groups.into_iter().collect();
    let seen = ENGINES.into_iter().filter(|(group, _)| groups.contains(group));
    seen.map(|(_, engine)| engine.into()).collect()
}

/// Whether the API server takes user namespaces by default. `minor` as it tells it: some add a plus sign.
pub fn takes_user_namespaces(major: &str, minor: &str) -> Option<bool> {
    let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
    let (major, minor): (u32, u32) = (major.parse().ok()?, digits.parse().ok()?);
    Some(major > 1 || minor >= USER_NAMESPACES)
}

pub fn storage_class(live: LiveStorageClass) -> StorageClass {
    let annotations = live.metadata.annotations.unwrap_or_default();
    StorageClass {
        name: live.metadata.name.unwrap_or_default().into(),
        default: annotations.get(DEFAULT_CLASS).is_some_and(|value| value == "true"),
        expandable: live.allow_volume_expansion.unwrap_or(false),
    }
}

/// A node is added to those before. What it does not tell counts as nothing.
#[must_use]
pub fn with_node(nodes: Nodes, node: &Node) -> Nodes {
    let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    let amount = |resource: &str, unit| {
        let quantity = allocatable.and_then(|all| all.get(resource));
        let amount = quantity.and_then(|quantity| parse(&quantity.0, unit)).unwrap_or(0);
        u64::try_from(amount).unwrap_or(u64::MAX)
    };
    Nodes {
        count: nodes.count + 1,
        cpu_millis: nodes.cpu_millis.saturating_add(amount("cpu", Unit::Milli)),
        memory_bytes: nodes.memory_bytes.saturating_add(amount("memory", Unit::Whole)),
        pods: nodes.pods.saturating_add(amount("pods", Unit::Whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_known_by_its_own_api_group() {
        let groups = ["apps", "cilium.io", "crd.projectcalico.org", "not.cilium.io"];
        assert_eq!(network_policy_engines(groups), ["cilium", "calico"]);
        assert!(network_policy_engines(["apps"]).is_empty());
    }

    #[test]
    fn user_namespaces_are_told_by_the_version() {
        for (major, minor, expected) in [
            ("1", "33", Some(true)),
            ("1", "34+", Some(true)),
            ("1", "32+", Some(false)),
            ("2", "0", Some(true)),
            ("1", "", None),
            ("one", "33", None),
        ] {
            assert_eq!(takes_user_namespaces(major, minor), expected, "{major}.{minor}");
        }
    }

    #[test]
    fn nodes_are_summed_up_and_nonsense_counts_as_nothing() {
        let node = |cpu: &str, memory: &str| -> Node {
            serde_json::from_value(serde_json::json!({
                "metadata": {}, "status": { "allocatable": { "cpu": cpu, "memory": memory, "pods": "110" } },
            }))
            .expect("a node")
        };
        let nodes = with_node(Nodes::default(), &node("1930m", "8Gi"));
        let nodes = with_node(nodes, &node("2", "much"));
        let nodes = with_node(nodes, &Node::default());
        assert_eq!(nodes, Nodes { count: 3, cpu_millis: 3_930, memory_bytes: 8 << 30, pods: 220 });
    }

    #[test]
    fn a_storage_class_is_the_default_by_its_annotation() {
        let class = |value: &str| -> LiveStorageClass {
            serde_json::from_value(serde_json::json!({
                "metadata": { "name": "fast", "annotations": { DEFAULT_CLASS: value } },
                "provisioner": "p", "allowVolumeExpansion": true,
            }))
            .expect("a class")
        };
        let fast = |default| StorageClass { name: "fast".into(), default, expandable: true };
        assert_eq!(storage_class(class("true")), fast(true));
        assert_eq!(storage_class(class("false")), fast(false));
    }
}
