//! What an agent's cluster has, and what became of what the server wants to be in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{Message, Word};
use crate::{AgentId, WorkspaceId};

/// The most entries of each list.
pub const MAX_ENTRIES: usize = 100;

/// The content of a message of type `prerequisites`. What could not be read is absent, and named in `unreadable`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Prerequisites {
    pub agent_version: Word,
    /// What tells the cluster from others: the uid of its namespace `kube-system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<Word>,
    /// Agents whose workspaces this one may take over: its cluster's administrator says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adopts: Vec<AgentId>,
    /// As the API server names itself, for example `v1.34.2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<Word>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub storage_classes: Vec<StorageClass>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runtime_classes: Vec<Word>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ingress_classes: Vec<Word>,
    /// Known engines whose API groups the cluster serves. An engine without an API of its own is not seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_policy_engines: Vec<Word>,
    /// Whether the API server takes pods with a user namespace of their own by default. The nodes' part cannot be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_namespaces: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Nodes>,
    /// What became of the manifests of the last answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<ManifestReport>,
    /// Objects with a workspace's labels in a place where it does not live. Nothing is done about them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<Stray>,
    /// Kinds of objects that the agent may not read or that did not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StorageClass {
    pub name: Word,
    /// It is used where none is named.
    #[serde(default)]
    pub default: bool,
    /// Its volumes can grow.
    #[serde(default)]
    pub expandable: bool,
}

/// An object that carries the labels of the agent and a workspace, outside of that workspace's namespace: a copy of its own, or
/// of a backup that was restored under another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stray {
    /// As the label says.
    pub workspace_id: WorkspaceId,
    pub namespace: Word,
    pub kind: Word,
    pub name: Word,
}

/// All nodes together: what pods may use of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nodes {
    pub count: u64,
    /// Thousandths of a CPU.
    pub cpu_millis: u64,
    pub memory_bytes: u64,
    pub pods: u64,
}

/// One object that the server wanted, or `*` for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestReport {
    pub kind: Word,
    pub name: Word,
    /// Why it is not there. Absent: it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Message>,
}

impl Prerequisites {
    /// The same with no longer lists than a message holds.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.storage_classes.truncate(MAX_ENTRIES);
        self.manifests.truncate(MAX_ENTRIES);
        self.strays.truncate(MAX_ENTRIES);
        self.adopts.truncate(MAX_ENTRIES);
        let lists = [
            &mut self.runtime_classes,
            &mut self.ingress_classes,
            &mut self.network_policy_engines,
            &mut self.unreadable,
        ];
        for list in lists {
            list.truncate(MAX_ENTRIES);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_cut() {
        let report = ManifestReport { kind: "Service".into(), name: "s".into(), error: None };
        let prerequisites = Prerequisites {
            agent_version: "ä".repeat(Word::MAX).into(),
            runtime_classes: vec!["c".into(); 2 * MAX_ENTRIES],
            manifests: vec![report; 2 * MAX_ENTRIES],
            ..Prerequisites::default()
        };
        let bounded = prerequisites.bounded();
        assert_eq!((bounded.runtime_classes.len(), bounded.manifests.len()), (MAX_ENTRIES, MAX_ENTRIES));
        assert_eq!(bounded.agent_version.len(), Word::MAX);
        assert_eq!(bounded.clone().bounded(), bounded);
    }
}
