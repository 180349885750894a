//! Where one workspace is reached, and how large it is: parts of [`Workspace`](super::Workspace) where it alone is meant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A port of a workspace, as browsers get to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Endpoint {
    /// As the devfile calls it; `editor`: VS Code.
    pub name: String,
    pub port: u16,
    /// It answers while the workspace runs, to whoever may.
    pub url: String,
}

/// What a container of a workspace may use, as Kubernetes quantities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerSize {
    pub container: String,
    pub image: String,
    /// Absent: as much as the node has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
}
