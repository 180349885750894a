//! Which nodes answer.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::NodeCondition;

/// The cluster's nodes, as their watch shows them. Where it shows nothing, because the agent may not read nodes, none is lost.
#[derive(Debug, Default)]
pub struct Nodes {
    /// Whether each one answers.
    known: BTreeMap<String, bool>,
    /// What a new list has held so far.
    listing: Option<BTreeSet<String>>,
    listed: bool,
    changed: BTreeSet<String>,
}

impl Nodes {
    /// A node as it is now: its controller says `Unknown` of one that has fallen silent, and a kubelet that says `False` answers.
    /// Tells whether that is anything new.
    pub fn show(&mut self, name: &str, conditions: &[NodeCondition]) -> bool {
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
        let answers = ready.is_some_and(|ready| matches!(ready.status.as_str(), "True" | "False"));
        if let Some(listing) = &mut self.listing {
            listing.insert(name.to_owned());
        }
        let news = self.known.insert(name.to_owned(), answers) != Some(answers);
        if news {
            self.changed.insert(name.to_owned());
        }
        news
    }

    /// A node that was removed.
    pub fn remove(&mut self, name: &str) {
        self.known.remove(name);
        self.changed.insert(name.to_owned());
    }

    pub fn begin_list(&mut self) {
        self.listing = Some(BTreeSet::new());
    }

    /// What the list does not hold is no longer there.
    pub fn end_list(&mut self) {
        let held = self.listing.take().unwrap_or_default();
        let gone: Vec<String> = self.known.keys().filter(|name| !held.contains(*name)).cloned().collect();
        for name in &gone {
            self.remove(name);
        }
        self.listed = true;
    }

    pub(crate) fn is_lost(&self, node: &str) -> bool {
        self.listed && !self.known.get(node).copied().unwrap_or(false)
    }

    pub(crate) fn take_changed(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(status: &str) -> Vec<NodeCondition> {
        vec![NodeCondition {
            type_: "Ready".to_owned(),
            status: status.to_owned(),
            ..NodeCondition::default()
        }]
    }

    #[test]
    fn a_node_is_lost_when_its_controller_hears_nothing_of_it_and_when_it_is_removed() {
        let mut nodes = Nodes::default();
        assert!(!nodes.is_lost("a"), "nobody has looked yet");
        nodes.begin_list();
        for (name, status) in [("a", "True"), ("b", "False"), ("c", "Unknown")] {
            nodes.show(name, &ready(status));
        }
        nodes.show("d", &[]);
        nodes.end_list();
        let lost = |nodes: &Nodes| {
            ["a", "b", "c", "d", "e"].into_iter().filter(|name| nodes.is_lost(name)).collect::<String>()
        };
        assert_eq!(lost(&nodes), "cde");
        nodes.take_changed();
        nodes.show("c", &ready("True"));
        nodes.remove("a");
        assert_eq!(lost(&nodes), "ade");
        assert_eq!(nodes.take_changed().into_iter().collect::<String>(), "ac");
        nodes.begin_list();
        nodes.show("c", &ready("True"));
        nodes.end_list();
        assert_eq!(lost(&nodes), "abde");
    }
}
