//! A whole Berth for a scenario: Postgres, the server's and the agent's real binaries, and a real Kubernetes.

mod actor;
mod balancer;
pub mod browser;
mod cluster_view;
mod entry;
mod fleet;
mod git_server;
mod hostile_registry;
mod installation;
pub mod keycloak;
mod leaks;
pub mod openid_provider;
mod poison;
mod recorder;
pub mod schemathesis;

pub use actor::{Actor, Answer, variable};
pub use balancer::Balancer;
pub use browser::Browser;
pub use cluster_view::ClusterView;
pub use entry::{proxy_token, sign_in_link};
pub use fleet::Fleet;
pub use git_server::{GitServer, repository};
pub use hostile_registry::HostileRegistry;
pub use installation::{
    Installation, SHARED_NAMESPACE, WORKSPACE_IMAGE, cluster_with_node, proxy_options, unique,
};
pub use keycloak::Keycloak;
pub use leaks::{Hunt, Leak, spell};
pub use openid_provider::OpenIdProvider;
pub use poison::refuse_deployments;
pub use recorder::Recorder;
