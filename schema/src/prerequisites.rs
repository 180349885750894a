//! What an agent's cluster has, and what became of what the server wants to be in it.

use serde::{Deserialize, Serialize};

/// The most entries of each list.
pub const MAX_ENTRIES: usize = 100;
/// The longest name, version or error, in characters.
pub const MAX_TEXT: usize = 500;

/// The content of a message of type `prerequisites`. What could not be read is absent, and named in `unreadable`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prerequisites {
    pub agent_version: String,
    /// As the API server names itself, for example `v1.34.2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub storage_classes: Vec<StorageClass>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runtime_classes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ingress_classes: Vec<String>,
    /// Known engines whose API groups the cluster serves. An engine without an API of its own is not seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_policy_engines: Vec<String>,
    /// Whether the API server takes pods with a user namespace of their own by default. The nodes' part cannot be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_namespaces: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Nodes>,
    /// What became of the manifests of the last answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<ManifestReport>,
    /// Kinds of objects that the agent may not read or that did not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageClass {
    pub name: String,
    /// It is used where none is named.
    #[serde(default)]
    pub default: bool,
    /// Its volumes can grow.
    #[serde(default)]
    pub expandable: bool,
}

/// All nodes together: what pods may use of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nodes {
    pub count: u64,
    /// Thousandths of a CPU.
    pub cpu_millis: u64,
    pub memory_bytes: u64,
    pub pods: u64,
}

/// One object that the server wanted, or `*` for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestReport {
    pub kind: String,
    pub name: String,
    /// Why it is not there. Absent: it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Prerequisites {
    /// The same within the bounds of a message.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.storage_classes.truncate(MAX_ENTRIES);
        self.manifests.truncate(MAX_ENTRIES);
        let lists = [
            &mut self.runtime_classes,
            &mut self.ingress_classes,
            &mut self.network_policy_engines,
            &mut self.unreadable,
        ];
        for list in lists {
            list.truncate(MAX_ENTRIES);
            list.iter_mut().for_each(shorten);
        }
        self.storage_classes.iter_mut().for_each(|class| shorten(&mut class.name));
        self.manifests.iter_mut().for_each(|report| {
            shorten(&mut report.kind);
            shorten(&mut report.name);
            report.error.iter_mut().for_each(shorten);
        });
        shorten(&mut self.agent_version);
        self.kubernetes_version.iter_mut().for_each(shorten);
        self
    }
}

fn shorten(text: &mut String) {
    if let Some((at, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_cut() {
        let long = "ä".repeat(MAX_TEXT + 1);
        let report = ManifestReport { kind: long.clone(), name: long.clone(), error: Some(long.clone()) };
        let prerequisites = Prerequisites {
            agent_version: long.clone(),
            runtime_classes: vec![long; 2 * MAX_ENTRIES],
            manifests: vec![report; 2 * MAX_ENTRIES],
            ..Prerequisites::default()
        };
        let bounded = prerequisites.bounded();
        assert_eq!((bounded.runtime_classes.len(), bounded.manifests.len()), (MAX_ENTRIES, MAX_ENTRIES));
        assert_eq!(bounded.manifests[0].error.as_ref().map(|error| error.chars().count()), Some(MAX_TEXT));
        assert_eq!(bounded.clone().bounded(), bounded);
    }
}
