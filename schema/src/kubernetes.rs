//! The names that the server, the agent and the proxy must agree on inside a cluster.

/// Label on every object of a workspace: the agent that owns it. The agent watches this label alone.
pub const AGENT_ID: &str = "berth.dev/agent-id";
/// Label on every object of a workspace: whose it is.
pub const WORKSPACE_ID: &str = "berth.dev/workspace-id";
/// Label on every object of a workspace: its name, for people and for the agent.
pub const WORKSPACE_NAME: &str = "app.kubernetes.io/name";
/// Label on every object of the proxy: the agent that installed it. Another one than that of workspaces, whose objects are
/// watched.
pub const PROXY_OF: &str = "berth.dev/proxy-of";
/// Annotation on every object of a workspace: the generation it was last written for. On the Deployment, which is applied
/// last, it is the proof of application and is never lowered.
pub const GENERATION: &str = "berth.dev/generation";
/// Annotation on the Service: how a port becomes a host name, for the proxy.
pub const HOST_TEMPLATE: &str = "berth.dev/host-template";
/// The one field manager of server-side apply.
pub const FIELD_MANAGER: &str = "berth-agent";

/// Where the editor answers in the main container.
pub const EDITOR_PORT: u16 = 60_001;
/// Where sshd answers in the main container.
pub const SSH_PORT: u16 = 60_022;

/// Where files among the variables are mounted in every container.
pub const VARIABLE_FILES_PATH: &str = "/.berth/variables";
/// Where the data volume is mounted in the main container.
pub const PROJECTS_PATH: &str = "/projects";

/// The Secret that holds a workspace's environment variables.
pub fn environment_secret(workspace: &crate::WorkspaceName) -> String {
    format!("{workspace}-env")
}

/// The Secret that holds a workspace's file variables.
pub fn file_secret(workspace: &crate::WorkspaceName) -> String {
    format!("{workspace}-file")
}
