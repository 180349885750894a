//! What was applied in this term of leadership, and how it was left: what nobody has touched since is not written again.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use berth_schema::WorkspaceId;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::gate::Template;
use crate::index::View;
use crate::kinds::Kind;
use crate::plan::{Apply, SeenDeployment};
use crate::policy::Manifest;
use crate::work::Wanted;

/// Labels and annotations of an object, and who wrote which of its fields when; its status aside. It is another one after
/// every write by another manager, and after one by an agent for another generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp(u64);

impl Stamp {
    pub fn of(metadata: &ObjectMeta) -> Self {
        let mut hasher = DefaultHasher::new();
        (&metadata.uid, &metadata.labels, &metadata.annotations).hash(&mut hasher);
        let entries = metadata.managed_fields.iter().flatten();
        for entry in entries.filter(|entry| entry.subresource.is_none()) {
            let fields = entry.fields_v1.as_ref().map(|fields| fields.0.to_string());
            let time = entry.time.as_ref().map(|time| time.0);
            (&entry.manager, &entry.operation, time, fields).hash(&mut hasher);
        }
        Self(hasher.finish())
    }
}

/// An object that was written, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// A digest of what was written.
    pub(crate) content: u64,
    pub(crate) stamp: Stamp,
}

#[derive(Debug, Default)]
struct Set {
    objects: BTreeMap<(Kind, String), (u64, Stamp)>,
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
        let as_left = |manifest: &Manifest| {
            let left = set.objects.get(&manifest.key());
            left.is_some_and(|(content, stamp)| {
                let seen = view.stamp(manifest.kind, &manifest.name);
                *content == manifest.content() && seen == Some(*stamp)
            })
        };
        let mut kept = BTreeSet::new();
        for manifests in [&mut apply.first, &mut apply.then] {
            manifests.retain(|manifest| {
                let unchanged = as_left(manifest);
                kept.extend(unchanged.then(|| manifest.key()));
                !unchanged
            });
        }
        set.objects.retain(|key, _| kept.contains(key));
        apply.kept = kept;
        let no_secret = apply.secrets.is_none() && apply.credentials.is_none();
        let alone = apply.first.is_empty() && no_secret && apply.then.len() == 1;
        let seen = view.deployment().filter(|_| alone && !apply.prune);
        apply.seen = seen.map(|fact| SeenDeployment {
            version: fact.info.resource_version.clone().unwrap_or_default().into(),
            secrets: fact.secrets.clone(),
            template: Template { gated: fact.gated, replicas: fact.info.replicas.unwrap_or(1) },
        });
    }

    /// It ended well.
    pub(crate) fn finish(&mut self, workspace: WorkspaceId, left: Vec<Left>) {
        // What was forgotten meanwhile is left alone.
        let Some(set) = self.0.get_mut(&workspace) else { return };
        set.pruned = true;
        let left = left.into_iter().map(|left| ((left.kind, left.name), (left.content, left.stamp)));
        set.objects.extend(left.filter(|((kind, _), _)| *kind != Kind::Deployment));
    }
}

#[cfg(test)]
#[path = "written_tests.rs"]
mod tests;
