//! What is in the cluster, and everything that ever was: a watch can be taken up at any version.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use berth_agent_core::{Kind, Watched};
use berth_schema::AgentId;
use k8s_openapi::api::coordination::v1::Lease;

use super::objects::{Key, Object};

/// A change that watches show.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub version: u64,
    pub object: Rc<Object>,
    /// As it was before, if it was.
    pub before: Option<Rc<Object>>,
    pub gone: bool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub version: u64,
    /// How often an object was written or removed.
    pub writes: u64,
    pub objects: BTreeMap<Key, Rc<Object>>,
    /// The kinds of what was written since somebody took this.
    pub(crate) touched: BTreeSet<Watched>,
    pub history: BTreeMap<Watched, Vec<Change>>,
    pub leases: BTreeMap<AgentId, Lease>,
    /// Volumes of namespaces that are gone: how many looks until they are gone too.
    pub volumes: BTreeMap<String, u32>,
    /// How often all watches were ended.
    pub breaks: u64,
    /// Watches are not taken up behind this version: what was before is forgotten.
    pub compacted: u64,
}

impl State {
    /// Writes an object at a new version.
    pub(super) fn put(&mut self, key: Key, mut object: Object) {
        self.version += 1;
        self.writes += 1;
        let metadata = object.metadata_mut();
        metadata.resource_version = Some(self.version.to_string());
        if metadata.uid.is_none() {
            metadata.uid = Some(format!("uid-{}", self.version));
        }
        let object = Rc::new(object);
        let before = self.objects.get(&key).cloned();
        self.record(&key, Rc::clone(&object), before, false);
        self.objects.insert(key, object);
    }

    pub(super) fn remove(&mut self, key: &Key) {
        let Some(object) = self.objects.remove(key) else { return };
        self.version += 1;
        self.writes += 1;
        self.record(key, Rc::clone(&object), Some(object), true);
    }

    /// Changes an object that is there.
    pub(super) fn change(&mut self, key: &Key, change: impl FnOnce(&mut Object)) {
        if let Some(object) = self.objects.get(key) {
            let mut object = Object::clone(object);
            change(&mut object);
            self.put(key.clone(), object);
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Object> {
        self.objects.get(key).map(Rc::as_ref)
    }

    /// What is in a namespace, without the Namespace itself.
    pub(super) fn within<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = (&'a Key, &'a Object)> {
        let all = self.objects.iter().map(|(key, object)| (key, object.as_ref()));
        all.filter(move |(key, _)| key.namespace == namespace && !key.is_namespace())
    }

    /// The objects of a kind as they were at a version.
    pub(super) fn at(&self, watched: Watched, version: u64) -> Vec<Rc<Object>> {
        let mut then = BTreeMap::new();
        for change in self.history.get(&watched).into_iter().flatten() {
            if change.version > version {
                break;
            }
            let metadata = change.object.metadata();
            let key = (metadata.namespace.as_ref(), metadata.name.as_ref());
            if change.gone {
                then.remove(&key);
            } else {
                then.insert(key, &change.object);
            }
        }
        then.into_values().map(Rc::clone).collect()
    }

    fn record(&mut self, key: &Key, object: Rc<Object>, before: Option<Rc<Object>>, gone: bool) {
        let change = Change { version: self.version, object, before, gone };
        self.touched.insert(key.watched());
        self.history.entry(key.watched()).or_default().push(change);
    }
}

impl Key {
    pub(super) fn is_namespace(&self) -> bool {
        self.watched() == Watched::Applied(Kind::Namespace)
    }
}
