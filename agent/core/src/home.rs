//! Where a workspace's own objects are. Whoever restores a backup under another name makes objects with a workspace's labels in
//! a place that is not its own: these are nobody's state, and nobody's to change.

use berth_schema::kubernetes::{is_shared, may_be_shared, object_name, own_namespace};
use berth_schema::{NamespaceName, WorkspaceId, WorkspaceName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::facts::{Observed, Watched};
use crate::kinds::Kind;
use crate::policy::Identity;

/// The place of a workspace: its namespace, and what its objects there are named after. What is seen of a workspace is only
/// ever looked at from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) name: WorkspaceName,
    pub(crate) namespace: NamespaceName,
    pub(crate) object_name: String,
    /// The namespace is the workspace's alone.
    pub(crate) is_own: bool,
}

impl Home {
    pub(crate) fn new(workspace: WorkspaceId, name: &WorkspaceName, namespace: &NamespaceName) -> Self {
        Self {
            name: name.clone(),
            namespace: namespace.clone(),
            object_name: object_name(name, workspace, namespace.as_str()),
            is_own: !is_shared(name, workspace, namespace.as_str()),
        }
    }

    /// What the labels and places of a workspace's objects say of its home, for as long as nobody has told. The objects come
    /// in the order of their kinds, Deployments first.
    #[expect(clippy::needless_pass_by_value, reason = "an iterator is read by cloning it")]
    pub(crate) fn guess<'a>(
        identity: &Identity,
        workspace: WorkspaceId,
        objects: impl Iterator<Item = &'a Observed> + Clone,
    ) -> Option<Self> {
        let namespaces =
            || objects.clone().filter(|one| one.key.watched == Watched::Applied(Kind::Namespace));
        let candidates = objects.clone().filter_map(|observed| {
            let name = observed.workspace_name.as_ref()?;
            let namespace = NamespaceName::new(observed.key.namespace.as_str()).ok()?;
            let labelled = namespaces().any(|one| one.key.namespace == observed.key.namespace);
            let likely = likelihood(identity, workspace, name, &namespace, labelled)?;
            Some((likely, Self::new(workspace, name, &namespace)))
        });
        // Of equally likely ones the first.
        candidates.min_by_key(|(likely, _)| *likely).map(|(_, home)| home)
    }
}

/// The workspace that an object of a fresh list says is there; `None` where it is no workspace's, or not in its place.
pub fn lives_there(identity: &Identity, kind: Kind, metadata: &ObjectMeta) -> Option<WorkspaceId> {
    let observed = Observed::metadata(Watched::Applied(kind), metadata).ok()?;
    let workspace = observed.workspace;
    Home::guess(identity, workspace, std::iter::once(&observed)).map(|_| workspace)
}

/// How likely a namespace is to be a workspace's home, the lowest first; `None`: it cannot be. `labelled`: the namespace itself
/// carries the workspace's labels.
fn likelihood(
    identity: &Identity,
    workspace: WorkspaceId,
    name: &WorkspaceName,
    namespace: &NamespaceName,
    labelled: bool,
) -> Option<u8> {
    let text = namespace.as_str();
    if text == own_namespace(name, workspace) {
        Some(0)
    } else if is_shared(name, workspace, text) {
        (identity.shared_namespace.as_ref() == Some(namespace) && may_be_shared(text)).then_some(1)
    } else if text.strip_prefix("berth-") == Some(name.as_str()) {
        // As namespaces were named before they held a part of the id.
        Some(2)
    } else {
        labelled.then_some(3)
    }
}
