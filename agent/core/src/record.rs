//! How the agent left a workspace's objects, on record on its Deployment, which it writes last. What is different now, somebody
//! has changed: that shows after a restart of the agent, too, and to every leader.

use std::collections::{BTreeMap, BTreeSet};

use berth_schema::kubernetes::LEFT;
use berth_schema::reconcile::{Change, Drifted};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kinds::Kind;
use crate::written::{Left, Stamp};

/// The most that is told of one workspace.
const MAX_DRIFT: usize = 20;

/// Kinds whose objects are on record: what nobody but the agent has to write. Secrets have a record of their own, and a claim is
/// written by whoever binds it.
const fn is_recorded(kind: Kind) -> bool {
    match kind {
        Kind::Namespace
        | Kind::ServiceAccount
        | Kind::ResourceQuota
        | Kind::NetworkPolicy
        | Kind::ConfigMap
        | Kind::Service => true,
        Kind::Secret | Kind::PersistentVolumeClaim | Kind::Deployment | Kind::PodDisruptionBudget => false,
    }
}

/// The annotation's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `metadata.generation` of the Deployment as the write that made this record left it: any other write of its spec or its
    /// annotations gives it the next.
    generation: i64,
    /// A digest of the Deployment's labels.
    labels: Stamp,
    /// By kind and name, how each object beside it was left, and its uid.
    objects: BTreeMap<String, (Stamp, Box<str>)>,
}

impl Record {
    /// What a Deployment has on record; `None` from an agent that made none, or when somebody took it away.
    pub(crate) fn of(metadata: &ObjectMeta) -> Option<Self> {
        serde_json::from_str(metadata.annotations.as_ref()?.get(LEFT)?).ok()
    }

    /// Puts on record, on a Deployment that is about to be written, how the other objects were left. `live`: its
    /// `metadata.generation` now, if it is there. The record is another one with every write, so that each counts by one.
    pub fn put_on<'a>(deployment: &mut Value, live: Option<i64>, left: impl IntoIterator<Item = &'a Left>) {
        let recorded = left.into_iter().filter(|left| is_recorded(left.kind));
        let record = Self {
            generation: live.map_or(1, |live| live.saturating_add(1)),
            labels: Stamp::of_labels(&deployment["metadata"]["labels"]),
            objects: recorded
                .map(|left| (key(left.kind, &left.name), (left.stamp, left.uid.clone())))
                .collect(),
        };
        let text = serde_json::to_string(&record).unwrap_or_default();
        deployment["metadata"]["annotations"][LEFT] = Value::from(text);
    }

    /// Which objects the agent wrote, by their uids: whatever has one of these is that object, labelled or not.
    pub(crate) fn uids(&self) -> impl Iterator<Item = ((Kind, String), Box<str>)> + '_ {
        self.objects.iter().filter_map(|(key, (_, uid))| {
            let (kind, name) = key.split_once('/')?;
            let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind && is_recorded(*known))?;
            Some(((kind, name.to_owned()), uid.clone()))
        })
    }

    /// Whether the Deployment itself is as it was left.
    pub(crate) fn holds_of(&self, deployment: &ObjectMeta) -> bool {
        let labels = serde_json::to_value(&deployment.labels).unwrap_or_default();
        deployment.generation.is_none_or(|generation| generation == self.generation)
            && Stamp::of_labels(&labels) == self.labels
    }

    /// What differs of the objects beside the Deployment. `seen`: those that carry the workspace's labels where it lives.
    pub(crate) fn compare(&self, seen: &[(Kind, &str, Stamp)]) -> Vec<Drifted> {
        let seen: BTreeMap<String, Stamp> = seen
            .iter()
            .filter(|(kind, ..)| is_recorded(*kind))
            .map(|(kind, name, stamp)| (key(*kind, name), *stamp))
            .collect();
        let all: BTreeSet<&String> = self.objects.keys().chain(seen.keys()).collect();
        let differs = all.into_iter().filter_map(|key| {
            let change = match (self.objects.get(key), seen.get(key)) {
                (Some((left, _)), Some(now)) if left == now => return None,
                (Some(_), Some(_)) => Change::Changed,
                (Some(_), None) => Change::Missing,
                (None, _) => Change::Added,
            };
            Some(Drifted { object: key.as_str().into(), change })
        });
        differs.take(MAX_DRIFT).collect()
    }
}

/// As an object is named to people.
pub(crate) fn key(kind: Kind, name: &str) -> String {
    format!("{}/{name}", kind.as_str())
}
