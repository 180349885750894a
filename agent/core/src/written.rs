//! What was applied in this term of leadership, and how it was left: what nobody has touched since is not written again.

use std::collections::{BTreeMap, BTreeSet};

use berth_schema::WorkspaceId;
use berth_schema::kubernetes::FIELD_MANAGER;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::gate::Template;
use crate::index::View;
use crate::kinds::Kind;
use crate::plan::{Apply, SeenDeployment};
use crate::policy::Manifest;
use crate::work::Wanted;

/// Labels and annotations of an object, and who wrote which of its fields when; its status aside. It is another one after
/// every write by another manager, and after one by an agent for another generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp(u64);

impl Stamp {
    /// Of a Namespace only what the agent wrote counts, and what Pod Security goes by: clusters keep notes of their own there.
    pub fn of(kind: Kind, metadata: &ObjectMeta) -> Self {
        let own_only = kind == Kind::Namespace;
        let entries = metadata.managed_fields.iter().flatten();
        let entries =
            entries.filter(|entry| entry.subresource.is_none()).filter(|entry| !own_only || is_own(entry));
        let entries: Vec<_> = entries
            .map(|entry| json!([entry.manager, entry.operation, entry.time, entry.fields_v1]))
            .collect();
        let counts = |name: &str| !own_only || name.starts_with(POD_SECURITY);
        let labels: BTreeMap<_, _> =
            metadata.labels.iter().flatten().filter(|(name, _)| counts(name)).collect();
        let annotations = metadata.annotations.as_ref().filter(|_| !own_only);
        // Of the kinds that have one, it counts the writes of the spec.
        let generation = metadata.generation;
        Self::digest(json!([metadata.uid, labels, annotations, generation, entries]))
    }

    pub(crate) fn of_labels(labels: &Value) -> Self {
        Self::digest(labels.clone())
    }

    /// Part of a SHA-256: it is kept in the cluster, and has to mean the same to the next version, and to a build that keeps the
    /// order of an object's members as one that does not.
    fn digest(mut value: Value) -> Self {
        value.sort_all_objects();
        let digest = digest(&SHA256, value.to_string().as_bytes());
        // Six bytes: a number that every reader of JSON keeps as it is.
        let bytes = digest.as_ref().iter().take(6);
        Self(bytes.fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }
}

/// Whether nobody but the agent has written any field of an object, its status aside.
pub fn is_alone(metadata: &ObjectMeta) -> bool {
    let mut entries = metadata.managed_fields.iter().flatten().filter(|entry| entry.subresource.is_none());
    entries.all(is_own)
}

fn is_own(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply")
}

/// What the labels begin with that Pod Security goes by.
const POD_SECURITY: &str = "pod-security.kubernetes.io/";

/// An object that was written, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// A digest of what was written.
    pub(crate) content: u64,
    pub(crate) stamp: Stamp,
    pub(crate) uid: Box<str>,
}

#[derive(Debug, Default)]
struct Set {
    objects: BTreeMap<(Kind, String), Left>,
    /// Nothing but these was left there.
    pruned: bool,
}

/// By workspace. Losing it costs only that everything is written once more.
#[derive(Debug, Default)]
pub(crate) struct Written(BTreeMap<WorkspaceId, Set>);

impl Written {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn forget(&mut self, workspace: WorkspaceId) {
        self.0.remove(&workspace);
    }

    /// An apply begins: takes out of it what the watches show as it was left. The Deployment is always written.
    pub(crate) fn begin(&mut self, wanted: &Wanted, view: &View<'_>, apply: &mut Apply) {
        let set = self.0.entry(wanted.workspace).or_default();
        let names: BTreeSet<(Kind, String)> = apply.manifests().map(Manifest::key).collect();
        let same = set.objects.keys().eq(names.iter().filter(|(kind, _)| *kind != Kind::Deployment));
        let object_name = wanted.home().object_name;
        let belongs = |kind, name: &str| apply.holds(&object_name, kind, name);
        apply.prune = !(same && set.pruned) || view.has_strays(belongs);
        set.pruned = !apply.prune;
        let found = |manifest: &Manifest| {
            let left = set.objects.get(&manifest.key())?;
            let seen = view.stamp(manifest.kind, &manifest.name);
            let unchanged = left.content == manifest.content() && seen == Some(left.stamp);
            unchanged.then(|| left.clone())
        };
        // A namespace that is not as it was left may be another one: what the watches still show in it went with the first.
        let is_namespace = |manifest: &&Manifest| manifest.kind == Kind::Namespace;
        let stands = apply.manifests().filter(is_namespace).all(|namespace| found(namespace).is_some());
        let as_left = |manifest: &Manifest| found(manifest).filter(|_| stands);
        let mut kept = BTreeMap::new();
        for manifests in [&mut apply.first, &mut apply.then] {
            manifests.retain(|manifest| {
                let left = as_left(manifest);
                let written = left.is_none();
                kept.extend(left.map(|left| (manifest.key(), left)));
                written
            });
        }
        set.objects.retain(|key, _| kept.contains_key(key));
        let known = view.unlabelled(&apply.known, apply.manifests());
        apply.replaced = view.replaced().into_iter().chain(known).collect();
        apply.kept = kept;
        let no_secret = apply.secrets.is_none() && apply.credentials.is_none();
        let alone = apply.first.is_empty() && no_secret && apply.then.len() == 1;
        let seen = view.deployment().filter(|_| alone && !apply.prune && apply.replaced.is_empty());
        apply.seen = seen.map(|fact| SeenDeployment {
            version: fact.info.resource_version.clone().unwrap_or_default().into(),
            secrets: fact.secrets.clone(),
            generation: fact.info.generation,
            template: Template { gated: fact.gated, replicas: fact.info.replicas.unwrap_or(1) },
        });
    }

    /// It ended well.
    pub(crate) fn finish(&mut self, workspace: WorkspaceId, left: Vec<Left>) {
        // What was forgotten meanwhile is left alone.
        let Some(set) = self.0.get_mut(&workspace) else { return };
        set.pruned = true;
        let left = left.into_iter().filter(|left| left.kind != Kind::Deployment);
        set.objects.extend(left.map(|left| ((left.kind, left.name.clone()), left)));
    }
}

#[cfg(test)]
#[path = "written_tests.rs"]
mod tests;
