//! A whole Berth for a scenario: Postgres, the server's and the agent's real binaries, and a real Kubernetes.

mod actor;
mod cluster_view;
mod installation;

pub use actor::{Actor, Answer, variable};
pub use cluster_view::ClusterView;
pub use installation::{Installation, WORKSPACE_IMAGE, unique};
