//! What the watches have shown, by workspace.

use std::collections::{BTreeMap, BTreeSet};

use berth_schema::kubernetes::{environment_secret, file_secret, git_secret};
use berth_schema::reconcile::{Change, Drifted, Lost};
use berth_schema::{Generation, WorkspaceId};

use crate::facts::{Delivered, DeploymentFact, Fact, ObjectKey, Observed, PodFact, Watched};
use crate::home::Home;
use crate::kinds::Kind;
use crate::known::{Known, Parted};
use crate::nodes::Nodes;
use crate::policy::Manifest;
use crate::record::{self, Record};
use crate::secrets::SecretVersions;
use crate::written::Stamp;

/// What became of the objects that a fresh list no longer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListVerdict {
    /// They are gone.
    Believed { removed: usize },
    /// Too many are missing at once: they count as there until another list agrees. It has to be asked for.
    Doubted { missing: usize, of: usize },
}

/// Facts of objects, as the watches show them.
#[derive(Debug, Default)]
pub struct Index {
    objects: BTreeMap<ObjectKey, Observed>,
    workspaces: BTreeMap<WorkspaceId, BTreeSet<ObjectKey>>,
    /// Per kind that is being listed anew: what the list has held so far.
    listing: BTreeMap<Watched, BTreeSet<ObjectKey>>,
    /// Missing from a list that nobody believed.
    doubted: BTreeSet<ObjectKey>,
    synced: BTreeSet<Watched>,
    /// Workspaces of which something has changed since somebody took this.
    touched: BTreeSet<WorkspaceId>,
    /// Workspaces whose pod has vanished while its containers ran, since somebody took this.
    torn: BTreeSet<WorkspaceId>,
    parted: Parted,
    nodes: Nodes,
    /// Workspaces of which a pod may wait to be let go.
    gated: BTreeSet<WorkspaceId>,
}

impl Index {
    /// An object as it is now. Tells whether that is anything new.
    pub fn apply(&mut self, observed: Observed) -> bool {
        self.doubted.remove(&observed.key);
        if let Some(seen) = self.listing.get_mut(&observed.key.watched) {
            seen.insert(observed.key.clone());
        }
        if self.objects.get(&observed.key) == Some(&observed) {
            return false;
        }
        let before = self.forget(&observed.key);
        if let Some(before) = before.filter(|before| before.workspace != observed.workspace) {
            self.parted.note(before);
        }
        self.parted.is_back(observed.workspace, &observed.key);
        self.touched.insert(observed.workspace);
        if matches!(&observed.fact, Fact::Pod(pod) if pod.waits()) {
            self.gated.insert(observed.workspace);
        }
        let keys = self.workspaces.entry(observed.workspace).or_default();
        keys.insert(observed.key.clone());
        self.objects.insert(observed.key.clone(), observed);
        true
    }

    /// An object that was deleted, or no longer carries the agent's label.
    pub fn delete(&mut self, key: &ObjectKey) -> bool {
        self.doubted.remove(key);
        if let Some(seen) = self.listing.get_mut(&key.watched) {
            seen.remove(key);
        }
        self.remove(key)
    }

    /// A complete list of a kind begins; its items come through [`Index::apply`].
    pub fn begin_list(&mut self, watched: Watched) {
        self.listing.insert(watched, BTreeSet::new());
    }

    /// The list is complete: what it does not hold is gone, unless that is too much to be believed. For what an earlier
    /// list lacked already it is the second look: what both lack is gone.
    pub fn end_list(&mut self, watched: Watched) -> ListVerdict {
        let seen = self.listing.remove(&watched).unwrap_or_default();
        self.synced.insert(watched);
        let of = self.count(watched);
        let absent = self.keys(watched).filter(|key| !seen.contains(key)).cloned();
        let (again, missing): (Vec<_>, Vec<_>) = absent.partition(|key| self.doubted.contains(key));
        for key in &again {
            self.delete(key);
        }
        // The mass-change brake: more than five, and more than a fifth; or everything.
        if !missing.is_empty() && (seen.is_empty() || missing.len() > (of / 5).max(5)) {
            let verdict = ListVerdict::Doubted { missing: missing.len(), of };
            self.doubted.extend(missing);
            return verdict;
        }
        for key in &missing {
            self.delete(key);
        }
        ListVerdict::Believed { removed: again.len() + missing.len() }
    }

    pub fn has_doubts(&self, watched: Watched) -> bool {
        self.doubted.iter().any(|key| key.watched == watched)
    }

    /// Whether every kind was listed once. Before that, absence means nothing.
    pub fn is_synced(&self) -> bool {
        Watched::ALL.iter().all(|watched| self.synced.contains(watched))
    }

    /// How many objects of a kind are known.
    pub fn count(&self, watched: Watched) -> usize {
        self.keys(watched).count()
    }

    pub fn workspaces(&self) -> impl Iterator<Item = WorkspaceId> + '_ {
        self.workspaces.keys().copied()
    }

    pub const fn nodes_mut(&mut self) -> &mut Nodes {
        &mut self.nodes
    }

    /// Whether a node does not answer, or is no longer there. One of which nothing is known yet is not lost.
    pub(crate) fn is_lost(&self, node: &str) -> bool {
        self.nodes.is_lost(node)
    }

    /// Whoever has a pod on one of the nodes that have been lost or found is news.
    pub(crate) fn look_at_nodes(&mut self) {
        let changed = self.nodes.take_changed();
        let pods = self.objects.values().filter(|observed| match &observed.fact {
            Fact::Pod(pod) => pod.node.as_ref().is_some_and(|node| changed.contains(node)),
            Fact::Deployment(_) | Fact::Present { .. } | Fact::Secret { .. } => false,
        });
        let touched: Vec<_> =
            pods.filter(|_| !changed.is_empty()).map(|observed| observed.workspace).collect();
        self.touched.extend(touched);
    }

    /// Workspaces of which a pod waits to be let go to a node, wherever it is.
    pub(crate) fn waiting_pods(&mut self) -> Vec<WorkspaceId> {
        let mut gated = std::mem::take(&mut self.gated);
        gated.retain(|workspace| {
            self.everywhere(*workspace)
                .any(|observed| matches!(&observed.fact, Fact::Pod(pod) if pod.waits()))
        });
        self.gated.clone_from(&gated);
        gated.into_iter().collect()
    }

    pub(crate) fn take_torn(&mut self) -> BTreeSet<WorkspaceId> {
        std::mem::take(&mut self.torn)
    }

    pub(crate) fn take_touched(&mut self) -> BTreeSet<WorkspaceId> {
        std::mem::take(&mut self.touched)
    }

    /// The objects of a workspace that are where it lives; none without a home.
    pub(crate) fn view<'a>(&'a self, workspace: WorkspaceId, home: Option<&'a Home>) -> View<'a> {
        let objects = home.into_iter().flat_map(|home| {
            self.everywhere(workspace).filter(|one| one.key.namespace == home.namespace.as_str())
        });
        View { home, objects: objects.collect(), doubted: &self.doubted }
    }

    /// Objects of a workspace that are known even without their labels.
    pub(crate) fn known(&self, workspace: WorkspaceId, home: &Home) -> Known {
        let view = self.view(workspace, Some(home));
        let record = view.deployment().and_then(|fact| fact.record.as_ref());
        Known::new(&self.parted, view.objects, record.into_iter().flat_map(Record::uids), workspace, home)
    }

    /// Nothing is left of a workspace.
    pub(crate) fn forget_parted(&mut self, workspace: WorkspaceId) {
        self.parted.forget(workspace);
    }

    /// Whatever carries a workspace's labels, wherever it is: the Deployments first.
    pub(crate) fn everywhere(&self, workspace: WorkspaceId) -> impl Iterator<Item = &Observed> + Clone {
        let keys = self.workspaces.get(&workspace);
        keys.into_iter().flatten().filter_map(|key| self.objects.get(key))
    }

    fn keys(&self, watched: Watched) -> impl Iterator<Item = &ObjectKey> {
        // Keys of a kind stand together.
        let first = ObjectKey { watched, namespace: String::new(), name: String::new() };
        self.objects.range(first..).map(|(key, _)| key).take_while(move |key| key.watched == watched)
    }

    fn remove(&mut self, key: &ObjectKey) -> bool {
        let Some(old) = self.forget(key) else {
            return false;
        };
        if matches!(&old.fact, Fact::Pod(pod) if pod.running && pod.live) {
            self.torn.insert(old.workspace);
        }
        self.parted.note(old);
        true
    }

    fn forget(&mut self, key: &ObjectKey) -> Option<Observed> {
        let old = self.objects.remove(key)?;
        self.touched.insert(old.workspace);
        if let Some(keys) = self.workspaces.get_mut(&old.workspace) {
            keys.remove(key);
            if keys.is_empty() {
                self.workspaces.remove(&old.workspace);
            }
        }
        Some(old)
    }
}

/// The objects of one workspace in the place where it lives. What carries its labels elsewhere is in no view.
pub(crate) struct View<'a> {
    home: Option<&'a Home>,
    objects: Vec<&'a Observed>,
    doubted: &'a BTreeSet<ObjectKey>,
}

impl<'a> View<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    pub(crate) fn deployment(&self) -> Option<&'a DeploymentFact> {
        let home = self.home?;
        self.objects.iter().find_map(|observed| match &observed.fact {
            Fact::Deployment(fact) => (observed.key.name == home.object_name).then_some(fact.as_ref()),
            Fact::Pod(_) | Fact::Present { .. } | Fact::Secret { .. } => None,
        })
    }

    pub(crate) fn pods(&self) -> impl Iterator<Item = (&'a ObjectKey, &'a PodFact)> {
        self.objects.iter().filter_map(|observed| match &observed.fact {
            Fact::Pod(fact) => Some((&observed.key, fact)),
            Fact::Deployment(_) | Fact::Present { .. } | Fact::Secret { .. } => None,
        })
    }

    /// How an object is, of which only the metadata is watched. What the last list lacked counts as there, and says nothing of how
    /// it is: to write it once more harms nobody.
    pub(crate) fn stamp(&self, kind: Kind, name: &str) -> Option<Stamp> {
        let watched = Watched::Applied(kind);
        self.objects.iter().find_map(|observed| match (&observed.key, &observed.fact) {
            (key, Fact::Present { stamp, .. } | Fact::Secret { stamp, .. })
                if key.watched == watched && key.name == name && !self.doubted.contains(key) =>
            {
                Some(*stamp)
            }
            _ => None,
        })
    }

    /// What is not as the agent left it.
    pub(crate) fn drift(&self) -> Vec<Drifted> {
        let Some((home, deployment)) = self.home.zip(self.deployment()) else { return vec![] };
        let itself =
            |change| Drifted { object: record::key(Kind::Deployment, &home.object_name).into(), change };
        let Some(record) = &deployment.record else { return vec![itself(Change::Unrecorded)] };
        let seen: Vec<_> = self
            .objects
            .iter()
            .filter_map(|observed| match (observed.key.watched, &observed.fact) {
                (Watched::Applied(kind), Fact::Present { stamp, .. }) => {
                    Some((kind, observed.key.name.as_str(), *stamp))
                }
                _ => None,
            })
            .collect();
        let own = deployment.changed.then(|| itself(Change::Changed));
        own.into_iter().chain(record.compare(&seen)).collect()
    }

    /// What holds the workspace's content and is gone, or about to go.
    pub(crate) fn lost(&self) -> Option<Lost> {
        let home = self.home?;
        let of = |kind| {
            self.objects.iter().filter_map(move |observed| match &observed.fact {
                Fact::Present { leaving, .. } if observed.key.watched == Watched::Applied(kind) => {
                    Some(*leaving)
                }
                _ => None,
            })
        };
        let namespace = if home.is_own { of(Kind::Namespace).next() } else { Some(false) };
        match (namespace, self.deployment()) {
            (Some(true), _) => Some(Lost::NamespaceLeaving),
            (None, None) => Some(Lost::Namespace),
            (Some(false), None) => of(Kind::PersistentVolumeClaim).next().is_none().then_some(Lost::Volumes),
            (_, Some(_)) => {
                of(Kind::PersistentVolumeClaim).any(|leaving| leaving).then_some(Lost::VolumeLeaving)
            }
        }
    }

    /// What has to be put in the place of what somebody has made of it: an apply alone would leave what was added.
    pub(crate) fn replaced(&self) -> BTreeSet<String> {
        let shared =
            self.objects.iter().filter_map(|observed| match (observed.key.watched, &observed.fact) {
                (Watched::Applied(kind), _) if !kind.is_replaced() => None,
                (Watched::Applied(kind), Fact::Present { alone: false, .. }) => {
                    Some(record::key(kind, &observed.key.name))
                }
                (Watched::Applied(kind), Fact::Deployment(fact)) if !fact.alone => {
                    Some(record::key(kind, &observed.key.name))
                }
                _ => None,
            });
        let drift = self.drift().into_iter().filter(|drifted| drifted.change == Change::Changed);
        let namespace = record::key(Kind::Namespace, "");
        let changed = drift.map(|drifted| drifted.object.to_string());
        shared.chain(changed.filter(|object| !object.starts_with(&namespace))).collect()
    }

    /// What is known and not shown, of what is to be written: it is gone, or somebody has taken its labels off, and then has to be
    /// put in the place of what is there as well.
    pub(crate) fn unlabelled<'m>(
        &self,
        known: &Known,
        manifests: impl Iterator<Item = &'m Manifest>,
    ) -> Vec<String> {
        let shows = |manifest: &Manifest| {
            let watched = Watched::Applied(manifest.kind);
            self.objects.iter().any(|one| one.key.watched == watched && one.key.name == manifest.name)
        };
        let lost = manifests.filter(|manifest| manifest.kind.is_replaced() && !shows(manifest));
        let lost = lost.filter(|manifest| known.holds(manifest.kind, &manifest.name));
        lost.map(|manifest| record::key(manifest.kind, &manifest.name)).collect()
    }

    /// The Git credentials of the workspace.
    pub(crate) fn credentials(&self) -> Option<Delivered> {
        let secret = git_secret(&self.home?.object_name);
        self.objects.iter().find_map(|observed| match &observed.fact {
            Fact::Secret { delivered: Some(delivered), .. } => {
                (observed.key.name == secret).then_some(*delivered)
            }
            _ => None,
        })
    }

    /// Whether anything is there of the kinds that are pruned for which `belongs` does not hold.
    pub(crate) fn has_strays(&self, belongs: impl Fn(Kind, &str) -> bool) -> bool {
        self.objects.iter().any(|observed| match observed.key.watched {
            Watched::Applied(kind) => Kind::PRUNED.contains(&kind) && !belongs(kind, &observed.key.name),
            Watched::Pod => false,
        })
    }

    /// Whether the cluster shows all of a generation, or of a later one.
    pub(crate) fn proves(&self, generation: Generation) -> bool {
        let live = self.deployment().and_then(|fact| fact.applied_generation);
        let as_left = self.drift().iter().all(|drifted| drifted.change == Change::Unrecorded);
        live.is_some_and(|live| live.reaches(generation)) && self.has_secrets() && as_left
    }

    /// Whether both Secrets that the pods need are there, and as they were left: the Deployment, which is written after
    /// them, has it on record.
    pub(crate) fn has_secrets(&self) -> bool {
        let Some(home) = self.home else { return false };
        let version = |secret: String| {
            self.objects.iter().find_map(|Observed { key, fact, .. }| match fact {
                Fact::Secret { version, .. } => (key.name == secret).then_some(version),
                _ => None,
            })
        };
        let both =
            version(environment_secret(&home.object_name)).zip(version(file_secret(&home.object_name)));
        let Some((environment, files)) = both else {
            return false;
        };
        let now = SecretVersions::new(environment, files);
        self.deployment().is_none_or(|deployment| deployment.secrets.as_ref() == Some(&now))
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
