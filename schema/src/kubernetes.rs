//! The names that the server, the agent and the proxy must agree on inside a cluster.

pub mod proxy;

use std::fmt::Display;

use crate::{WorkspaceId, WorkspaceName};

/// Label on every object of a workspace: the agent that owns it. The agent watches this label alone.
pub const AGENT_ID: &str = "berth.dev/agent-id";
/// Label on every object of a workspace: whose it is.
pub const WORKSPACE_ID: &str = "berth.dev/workspace-id";
/// Label on every object of a workspace: its name, for people and for the agent.
pub const WORKSPACE_NAME: &str = "app.kubernetes.io/name";
/// Label on every object of the proxy: the agent that installed it. Another one than that of workspaces, whose objects are
/// watched.
pub const PROXY_OF: &str = "berth.dev/proxy-of";
/// Label on every namespace that an agent makes: the namespace that the agent itself is installed in. By it the API server
/// knows which agent may write there (`manifests/components/confine`).
pub const AGENT_NAMESPACE: &str = "berth.dev/agent-namespace";
/// Label on a namespace: what Kubernetes lets its pods be.
pub const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
/// Label on what an agent makes to try out whether its cluster enforces NetworkPolicy: whose it is.
pub const CANARY_OF: &str = "berth.dev/canary-of";
/// How the namespace of such a try is named; the agent's id follows.
pub const CANARY_NAMESPACE: &str = "berth-canary-";
/// Annotation on every object of a workspace: the generation it was last written for. On the Deployment, which is applied
/// last, it is the proof of application and is never lowered.
pub const GENERATION: &str = "berth.dev/generation";
/// Annotation on the Secret of Git credentials: the version of the organisation's hosts that they were issued from.
pub const GIT_VERSION: &str = "berth.dev/git-version";
/// Annotation on the Secret of Git credentials: when they are to be renewed, by the agent's clock (RFC 3339).
pub const GIT_RENEW_AT: &str = "berth.dev/git-renew-at";
/// Annotation on the Deployment, by the agent: at which versions it left the two Secrets of the variables. At another one
/// somebody has changed them.
pub const SECRET_VERSIONS: &str = "berth.dev/secret-versions";
/// Annotation on the Deployment, by the agent: how it left the Deployment itself and the objects beside it. What is different
/// now, somebody has changed.
pub const LEFT: &str = "berth.dev/left";
/// Scheduling gate of every pod of a workspace: the agent takes it away when no other pod of the workspace is left.
pub const POD_GATE: &str = "berth.dev/one-pod";
/// Annotation on the Service: how a port becomes a host name, for the proxy.
pub const HOST_TEMPLATE: &str = "berth.dev/host-template";
/// The one field manager of server-side apply.
pub const FIELD_MANAGER: &str = "berth-agent";

/// Where the editor answers in the main container.
pub const EDITOR_PORT: u16 = 60_001;
/// Where sshd answers in the main container.
pub const SSH_PORT: u16 = 60_022;
/// The ports that every workspace has, whatever its devfile says, by the names that no other one has.
pub const OWN_PORTS: [(&str, u16); 2] = [("editor", EDITOR_PORT), ("ssh", SSH_PORT)];

/// Where files among the variables are mounted in every container.
pub const VARIABLE_FILES_PATH: &str = "/.berth/variables";
/// Where git's configuration, the credential helper and the credentials are mounted in every container.
pub const GIT_PATH: &str = "/.berth/git";
/// Where the data volume is mounted in the main container.
pub const PROJECTS_PATH: &str = "/projects";

/// Where the tools injector puts its tools; `current` in it is the version in use.
pub const TOOLS_PATH: &str = "/projects/.berth/tools";
/// Where the start-up scripts, the tools and the user's commands write their logs.
pub const LOGS_PATH: &str = "/projects/workspace-logs";

/// How the names of shared namespaces begin: `berth-shared` alone, or with `-` and more. Within `berth-…`, so that an agent
/// that is confined to such namespaces may write there.
pub const SHARED_NAMESPACE: &str = "berth-shared";

/// Whether workspaces may share a namespace of that name.
pub fn may_be_shared(namespace: &str) -> bool {
    let rest = namespace.strip_prefix(SHARED_NAMESPACE);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The namespace of a workspace alone, if it is not in a shared one: unique in a cluster, even where several organisations
/// share one. The id makes it so, the name makes it readable.
pub fn own_namespace(name: &WorkspaceName, id: WorkspaceId) -> String {
    format!("berth-{name}-{}", short(id))
}

/// Whether the namespace is one that the workspace shares with others.
pub fn is_shared(name: &WorkspaceName, id: WorkspaceId, namespace: &str) -> bool {
    may_be_shared(namespace) && namespace != own_namespace(name, id)
}

/// What a workspace's objects are named after: its name in a namespace of its own; with a part of the id in a shared one,
/// where another organisation's workspace may have the same name.
pub fn object_name(name: &WorkspaceName, id: WorkspaceId, namespace: &str) -> String {
    if is_shared(name, id, namespace) { format!("{name}-{}", short(id)) } else { name.to_string() }
}

fn short(id: WorkspaceId) -> String {
    id.as_uuid().simple().to_string()[..8].to_owned()
}

/// The Secret that holds a workspace's environment variables, by the name of its objects.
pub fn environment_secret(object_name: impl Display) -> String {
    format!("{object_name}-env")
}

/// The Secret that holds a workspace's file variables, by the name of its objects.
pub fn file_secret(object_name: impl Display) -> String {
    format!("{object_name}-file")
}

/// The Secret that holds a workspace's Git credentials, by the name of its objects. It is there where the organisation has, or
/// had, Git hosts.
pub fn git_secret(object_name: impl Display) -> String {
    format!("{object_name}-git")
}

/// Every Secret of a workspace, by the name of its objects. The agent makes them, and nobody else.
pub fn secrets(object_name: &str) -> [String; 3] {
    [environment_secret(object_name), file_secret(object_name), git_secret(object_name)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_where_namespaces_are_shared() {
        let (one, other) = ("0123abcd-0000-4000-8000-000000000000", "0123abce-0000-4000-8000-000000000000");
        let (one, other): (WorkspaceId, WorkspaceId) =
            (one.parse().expect("an id"), other.parse().expect("an id"));
        let name = WorkspaceName::new("a".repeat(WorkspaceName::MAX)).expect("a name");
        let shared = object_name(&name, one, "berth-shared-red");
        assert_eq!(shared, format!("{name}-0123abcd"));
        assert!(shared.len() + "-scripts".len() <= 63, "a label of a host name has 63 characters");
        assert_ne!(shared, object_name(&name, other, "berth-shared-red"));
        assert_eq!(object_name(&name, one, &own_namespace(&name, one)), name.to_string());
    }

    #[test]
    fn a_workspace_named_shared_still_has_a_namespace_of_its_own() {
        let id: WorkspaceId = "0123abcd-0000-4000-8000-000000000000".parse().expect("an id");
        for text in ["shared", "shared-red"] {
            let name = WorkspaceName::new(text).expect("a name");
            assert!(!is_shared(&name, id, &own_namespace(&name, id)));
            assert!(is_shared(&name, id, "berth-shared"));
        }
        assert!(!may_be_shared("berth-sharedish") && !may_be_shared("berth-x") && !may_be_shared("shared"));
    }
}
