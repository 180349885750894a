//! What is to be done, and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use berth_schema::kubernetes::{is_shared, object_name, secrets};
use berth_schema::reconcile::{ErrorDetails, ErrorType, WorkspaceDirective};
use berth_schema::variables::VariableBundle;
use berth_schema::{Generation, NamespaceName, WorkspaceId, WorkspaceName};
use serde_json::Value;

use crate::gate::Template;
use crate::home::Home;
use crate::index::Index;
use crate::kinds::Kind;
use crate::known::Known;
use crate::policy::{Identity, Manifest, Refusal};
use crate::record;
use crate::sealing::Credentials;
use crate::secrets::{SecretManifest, SecretVersions};
use crate::work::{Goal, Skip, Wanted};
use crate::written::Left;

/// Everything to be done for one workspace; there is never more than one of a workspace at a time.
#[derive(Debug)]
pub struct Action<Stage> {
    pub workspace: WorkspaceId,
    pub name: WorkspaceName,
    pub namespace: NamespaceName,
    pub generation: Generation,
    pub stage: Stage,
}

/// Decided and checked, not yet done.
#[derive(Debug)]
pub struct Prepared(pub Task);

/// Done, one way or another.
#[derive(Debug)]
pub struct Applied {
    pub(crate) outcome: Outcome,
    pub(crate) left: Vec<Left>,
}

#[derive(Debug)]
pub enum Task {
    Apply(Box<Apply>),
    /// Write new Git credentials and nothing else.
    Deliver(Box<SecretManifest>),
    /// Delete what is left of the workspace, or find that nothing is.
    Terminate,
}

/// Objects in the order of application, without those that are in the cluster as they were applied before.
#[derive(Debug)]
pub struct Apply {
    /// Everything that comes before the Secrets.
    pub first: Vec<Manifest>,
    /// Absent: those in the cluster stay as they are.
    pub secrets: Option<[SecretManifest; 2]>,
    /// Git credentials; absent: those in the cluster stay as they are.
    pub credentials: Option<SecretManifest>,
    /// Everything that comes after the Secrets; the Deployment is the last.
    pub then: Vec<Manifest>,
    /// Secrets of the workspace that are not written, and that the watches do not show as its own: one of such a name may be
    /// somebody else's, and then no pod shall read it.
    pub unseen: Vec<String>,
    /// Objects of the set that nobody has touched since they were applied.
    pub(crate) kept: BTreeMap<(Kind, String), Left>,
    /// Objects that somebody has changed, by kind and name: each is put in the place of what is there, with nothing added.
    pub(crate) replaced: BTreeSet<String>,
    /// Objects that are the workspace's although they may not say so any more.
    pub known: Known,
    /// Whether there may be objects that no longer belong.
    pub prune: bool,
    /// Only the Deployment has to be written, and so the watches show it. At another version it has to be read.
    pub seen: Option<SeenDeployment>,
}

/// What has to be known of the Deployment that is written over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenDeployment {
    pub version: String,
    /// What it has on record stays there while the Secrets are not written.
    pub secrets: Option<SecretVersions>,
    /// Its `metadata.generation`.
    pub generation: Option<i64>,
    pub template: Template,
}

impl Apply {
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.first.iter().chain(&self.then)
    }

    /// How all objects of the set are left that are on record: those that stayed as they were, and what was written.
    pub fn left<'a>(&'a self, written: &'a [Left]) -> impl Iterator<Item = &'a Left> {
        self.kept.values().chain(written)
    }

    /// Whether an object takes the place of what somebody has made of it.
    pub fn replaces(&self, manifest: &Manifest) -> bool {
        self.replaced.contains(&record::key(manifest.kind, &manifest.name))
    }

    /// Whether an object belongs to the set: what does not is pruned. The Secrets of variables and Git credentials always belong.
    pub fn holds(&self, object_name: &str, kind: Kind, name: &str) -> bool {
        let secret = kind == Kind::Secret && secrets(object_name).iter().any(|secret| name == secret);
        let mut written = self.manifests();
        secret
            || self.kept.contains_key(&(kind, name.to_owned()))
            || written.any(|manifest| manifest.kind == kind && manifest.name == name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every object is applied and what no longer belongs is pruned.
    Applied,
    /// New Git credentials are written.
    Delivered,
    /// The cluster has a newer generation; nothing was changed.
    OlderThanLive {
        live: Generation,
    },
    /// Deletion is on its way.
    Leaving,
    /// Of the workspace only PersistentVolumes are left, which are being deleted.
    VolumesLeft,
    /// Nothing is left.
    Gone,
    Failed(ErrorDetails),
    /// Somebody has deleted the namespace, and it is not gone yet: until then nothing can be made in it.
    Waits,
    /// The API server gave no answer. That says nothing of this workspace.
    Unanswered,
}

impl<Stage> Action<Stage> {
    /// What the workspace's objects are named after.
    pub fn object_name(&self) -> String {
        object_name(&self.name, self.workspace, self.namespace.as_str())
    }

    /// The same action with what became of it.
    pub fn done(&self, outcome: Outcome) -> Action<Applied> {
        self.left(outcome, vec![])
    }

    /// The same, with how the objects were left that were written.
    pub fn left(&self, outcome: Outcome, left: Vec<Left>) -> Action<Applied> {
        self.to(Applied { outcome, left })
    }

    fn to<Other>(&self, stage: Other) -> Action<Other> {
        Action {
            workspace: self.workspace,
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            generation: self.generation,
            stage,
        }
    }
}

impl<Stage> Action<Stage> {
    /// Whether others live in the workspace's namespace, so that it must outlive the workspace.
    pub fn is_in_shared_namespace(&self) -> bool {
        is_shared(&self.name, self.workspace, self.namespace.as_str())
    }
}

impl Action<Prepared> {
    pub(crate) fn new(wanted: &Wanted, task: Task) -> Self {
        Self {
            workspace: wanted.workspace,
            name: wanted.name.clone(),
            namespace: wanted.namespace.clone(),
            generation: wanted.generation,
            stage: Prepared(task),
        }
    }
}

/// What follows from an answer of the server.
#[derive(Debug, Default)]
pub struct Plan {
    pub actions: Vec<Action<Prepared>>,
    /// Directives that lead to nothing now, each with the reason.
    pub skipped: Vec<(WorkspaceId, Skip)>,
    /// How many of the reports that were sent the answer acknowledges.
    pub acknowledged: usize,
    /// The server wants everything, compared with a fresh list of the cluster.
    pub full_requested: bool,
}

pub(crate) fn wanted(directive: &WorkspaceDirective, goal: Goal) -> Wanted {
    Wanted {
        workspace: directive.workspace_id,
        name: directive.name.clone(),
        namespace: directive.namespace.clone(),
        generation: directive.generation,
        goal,
        puts_back: false,
    }
}

/// The checked objects of a directive, with the Secrets in their place; or why nothing of it is applied.
pub(crate) fn prepare(
    identity: &Identity,
    index: &Index,
    mut directive: WorkspaceDirective,
    variables: Option<VariableBundle>,
    credentials: Option<Credentials>,
) -> Result<Apply, Skip> {
    let objects: Vec<Value> = directive.config_to_apply.take().unwrap_or_default();
    if objects.is_empty() {
        return Err(Skip::Refused(Refusal::Nothing));
    }
    let home = Home::new(directive.workspace_id, &directive.name, &directive.namespace);
    let view = index.view(directive.workspace_id, Some(&home));
    let live = view.deployment().and_then(|fact| fact.applied_generation);
    if let Some(live) = live.filter(|live| live.outruns(directive.generation)) {
        return Err(Skip::OlderThanLive { live });
    }
    // Somebody may have scaled it by hand since it was proven.
    let replicas = view.deployment().map(|fact| fact.info.replicas);
    let as_wanted = replicas == Some(directive.desired_state.replicas());
    if as_wanted && view.proves(directive.generation) && view.drift().is_empty() {
        return Err(Skip::AlreadyProven);
    }
    if directive.variables.is_some() && variables.is_none() {
        return Err(Skip::Refused(Refusal::Sealed));
    }
    let mut first = identity.check(&directive, objects).map_err(Skip::Refused)?;
    // Secrets follow the configuration and come before whatever mounts or serves them.
    let late = [Kind::PersistentVolumeClaim, Kind::Service, Kind::Deployment];
    let at = first.iter().position(|manifest| late.contains(&manifest.kind));
    let then = first.split_off(at.unwrap_or(first.len()));
    let [environment, files, git] = secrets(&home.object_name);
    let mut unseen = vec![];
    if variables.is_none() && !view.has_secrets() {
        unseen.extend([environment, files]);
    }
    unseen.extend((credentials.is_none() && view.credentials().is_none()).then_some(git));
    let secrets = variables.map(|variables| SecretManifest::both(identity.agent, &directive, variables));
    let credentials =
        credentials.map(|credentials| SecretManifest::credentials(identity.agent, &directive, credentials));
    Ok(Apply {
        first,
        secrets,
        credentials,
        then,
        unseen,
        kept: BTreeMap::new(),
        replaced: BTreeSet::new(),
        known: index.known(directive.workspace_id, &home),
        prune: true,
        seen: None,
    })
}

pub(crate) fn refused(refusal: &Refusal) -> ErrorDetails {
    ErrorDetails { error_type: ErrorType::Applier, error_message: refusal.to_string().into() }
}
