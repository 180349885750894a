//! What an agent reports, each workspace by itself: an entry that cannot be read is that workspace's error.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::WorkspaceId;
use crate::reconcile::WorkspaceAgentInfo;
use crate::text::{ResourceVersion, Word};

/// The reports of a message. They are read one by one, so that a wrong type, a missing field or a word of a newer version in
/// one of them leaves the others as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reports {
    readable: Vec<WorkspaceAgentInfo>,
    unreadable: BTreeMap<WorkspaceId, Unreadable>,
    nameless: usize,
}

/// A report that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong with it.
    pub field: Word,
    /// The version of the Deployment that it is about, by which the agent knows that it was answered.
    pub resource_version: Option<ResourceVersion>,
}

impl Reports {
    /// How many entries the message holds, whatever they are.
    pub fn len(&self) -> usize {
        self.readable.len() + self.unreadable.len() + self.nameless
    }

    /// Whether there is nothing in it about any workspace.
    pub fn is_empty(&self) -> bool {
        self.readable.is_empty() && self.unreadable.is_empty()
    }

    /// Whose reports these are, those that cannot be read included.
    pub fn ids(&self) -> impl Iterator<Item = WorkspaceId> + '_ {
        self.readable.iter().map(|info| info.workspace_id).chain(self.unreadable.keys().copied())
    }

    /// A workspace's report that cannot be read.
    pub fn unreadable(&self, workspace: WorkspaceId) -> Option<&Unreadable> {
        self.unreadable.get(&workspace)
    }

    /// How many entries cannot be read, with or without an id.
    pub fn count_unreadable(&self) -> usize {
        self.unreadable.len() + self.nameless
    }

    /// Whether every entry says whose it is, so that who is in none of them is not there.
    pub const fn is_whole(&self) -> bool {
        self.nameless == 0
    }

    fn read(&mut self, entry: Value) {
        let id = entry.get("workspace_id").and_then(|id| WorkspaceId::deserialize(id).ok());
        let version = entry.pointer("/latest_k8s_deployment_info/resource_version").and_then(Value::as_str);
        let resource_version = version.map(Into::into);
        match (serde_path_to_error::deserialize::<_, WorkspaceAgentInfo>(entry), id) {
            (Ok(info), _) => self.readable.push(info),
            (Err(error), Some(id)) => {
                self.unreadable.insert(id, Unreadable { field: field(&error).into(), resource_version });
            }
            (Err(_), None) => self.nameless += 1,
        }
    }
}

/// The field that is wrong. Not in serde's words: they repeat what was found.
fn field(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let (path, words) = (error.path().to_string(), error.inner().to_string());
    let missing = words.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
    match (path.as_str(), missing) {
        ("." | "", Some((field, _))) => field.to_owned(),
        (_, Some((field, _))) => format!("{path}.{field}"),
        _ => path,
    }
}

impl Deref for Reports {
    type Target = [WorkspaceAgentInfo];
    fn deref(&self) -> &Self::Target {
        &self.readable
    }
}

impl DerefMut for Reports {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.readable
    }
}

impl From<Vec<WorkspaceAgentInfo>> for Reports {
    fn from(readable: Vec<WorkspaceAgentInfo>) -> Self {
        Self { readable, ..Self::default() }
    }
}

impl FromIterator<WorkspaceAgentInfo> for Reports {
    fn from_iter<I: IntoIterator<Item = WorkspaceAgentInfo>>(infos: I) -> Self {
        infos.into_iter().collect::<Vec<_>>().into()
    }
}

impl Serialize for Reports {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.readable.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Reports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut reports = Self::default();
        deserializer.deserialize_seq(Each(|entry| reports.read(entry)))?;
        // What can be read of a workspace counts.
        for info in &reports.readable {
            reports.unreadable.remove(&info.workspace_id);
        }
        Ok(reports)
    }
}

/// Reads a list of which entries that cannot be read say nothing.
pub(crate) fn readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let mut items = vec![];
    deserializer.deserialize_seq(Each(|entry| items.extend(serde_json::from_value(entry).ok())))?;
    Ok(items)
}

/// Takes the entries of a list one by one.
struct Each<F>(F);

impl<'de, F: FnMut(Value)> Visitor<'de> for Each<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_element()? {
            self.0(entry);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(number: u128) -> Value {
        let id = WorkspaceId::from_uuid(uuid::Uuid::from_u128(number));
        json!({ "workspace_id": id, "name": "w", "namespace": "berth-w" })
    }

    fn id(number: u128) -> WorkspaceId {
        WorkspaceId::from_uuid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn what_cannot_be_read_names_its_field_and_leaves_the_others_alone() {
        let wrong: [(&str, Value, &str); 8] = [
            ("name", json!("NOT A NAME"), "name"),
            ("namespace", json!(null), "namespace"),
            ("live_pods", json!(-1), "live_pods"),
            ("live_pods", json!("hunter2"), "live_pods"),
            ("termination_progress", json!("Vanishing"), "termination_progress"),
            ("pod_problems", json!([{ "reason": "R" }]), "pod_problems[0].message"),
            (
                "latest_k8s_deployment_info",
                json!({ "replicas": 1u64 << 40 }),
                "latest_k8s_deployment_info.replicas",
            ),
            ("applied_generation", json!("2"), "applied_generation"),
        ];
        for (key, value, field) in wrong {
            let mut poisoned = entry(1);
            poisoned[key] = value;
            let reports: Reports = serde_json::from_value(json!([poisoned, entry(2), 7])).expect("a list");
            assert_eq!(reports.iter().map(|info| info.workspace_id).collect::<Vec<_>>(), [id(2)]);
            assert_eq!(reports.unreadable(id(1)).map(|unreadable| unreadable.field.as_str()), Some(field));
            assert_eq!((reports.len(), reports.count_unreadable()), (3, 2));
        }
    }

    #[test]
    fn a_number_that_is_no_generation_proves_nothing_and_the_rest_of_the_report_counts() {
        for number in [json!(-1), json!(u64::MAX), json!(1.5), json!(1e300), json!(null)] {
            let mut odd = entry(1);
            odd["applied_generation"] = number;
            let reports: Reports = serde_json::from_value(json!([odd])).expect("a list");
            assert_eq!((reports[0].applied_generation, reports.count_unreadable()), (None, 0));
        }
    }

    #[test]
    fn a_workspace_that_can_be_read_once_is_not_unreadable() {
        let mut poisoned = entry(1);
        poisoned["live_pods"] = json!([]);
        let reports: Reports = serde_json::from_value(json!([entry(1), poisoned])).expect("a list");
        assert_eq!((reports.iter().count(), reports.unreadable(id(1))), (1, None));
    }
}
