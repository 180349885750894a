//! Objects that are a workspace's without saying so: somebody has taken their labels off. Their uids, which nobody can give to
//! another object, are known from before.

use std::collections::BTreeMap;

use berth_schema::WorkspaceId;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::facts::{ObjectKey, Observed, Watched};
use crate::home::Home;
use crate::kinds::Kind;

/// The most objects that are remembered. What is forgotten is a stranger's, like everything without labels.
const MAX_PARTED: usize = 20_000;

/// Objects that the watches have shown as a workspace's and no longer do, by the uid that they had: most of them are gone.
#[derive(Debug, Default)]
pub(crate) struct Parted(BTreeMap<(WorkspaceId, ObjectKey), Box<str>>);

impl Parted {
    pub(crate) fn note(&mut self, observed: Observed) {
        let Some(uid) = observed.uid.filter(|_| observed.key.watched != Watched::Pod) else { return };
        if self.0.len() >= MAX_PARTED {
            self.0.clear();
        }
        self.0.insert((observed.workspace, observed.key), uid);
    }

    /// It carries the workspace's labels.
    pub(crate) fn is_back(&mut self, workspace: WorkspaceId, key: &ObjectKey) {
        if !self.0.is_empty() {
            self.0.remove(&(workspace, key.clone()));
        }
    }

    pub(crate) fn forget(&mut self, workspace: WorkspaceId) {
        self.0.retain(|(whose, _), _| *whose != workspace);
    }

    fn of(&self, workspace: WorkspaceId) -> impl Iterator<Item = (&ObjectKey, &Box<str>)> {
        // The least of all keys: a workspace's stand together.
        let first = ObjectKey { watched: Watched::Pod, namespace: String::new(), name: String::new() };
        let from = self.0.range((workspace, first)..);
        from.take_while(move |((whose, _), _)| *whose == workspace).map(|((_, key), uid)| (key, uid))
    }
}

/// Objects of one workspace, where it lives, by kind and name: which uid each of them had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known(BTreeMap<(Kind, String), Box<str>>);

impl Known {
    /// Those that carry the workspace's labels (`seen`), that have carried them, and that the Deployment has on record (`recorded`).
    /// What is seen may lose them before it is written.
    pub(crate) fn new<'a>(
        parted: &Parted,
        seen: impl IntoIterator<Item = &'a Observed>,
        recorded: impl IntoIterator<Item = ((Kind, String), Box<str>)>,
        workspace: WorkspaceId,
        home: &Home,
    ) -> Self {
        let there = parted.of(workspace).filter(|(key, _)| key.namespace == home.namespace.as_str());
        let seen = seen.into_iter().filter_map(|one| Some((&one.key, one.uid.as_ref()?)));
        let labelled = there.chain(seen).filter_map(|(key, uid)| match key.watched {
            Watched::Applied(kind) => Some(((kind, key.name.clone()), uid.clone())),
            Watched::Pod => None,
        });
        Self(recorded.into_iter().chain(labelled).collect())
    }

    pub(crate) fn holds(&self, kind: Kind, name: &str) -> bool {
        self.0.contains_key(&(kind, name.to_owned()))
    }

    /// Whether that is the very object which was the workspace's.
    pub fn is(&self, kind: Kind, live: &ObjectMeta) -> bool {
        let (Some(name), Some(uid)) = (&live.name, &live.uid) else { return false };
        self.0.get(&(kind, name.clone())).is_some_and(|known| **known == **uid)
    }
}
