//! Real parts for tests and for `make up`: a Postgres, a Kubernetes with a node, the server and the agent.
//!
//! Nothing here is a stand-in. A cluster is etcd, the Kubernetes control plane, containerd, a kubelet, kube-proxy and kube-router in
//! namespaces of their own ([`Cluster`]); Postgres is the installed one in a directory of its own ([`Postgres`]); server and
//! agent are the built binaries ([`Server`], [`AgentProcess`]). Everything ends when its handle is dropped, and also when the
//! process that holds the handle is killed.

mod agent;
pub mod authority;
pub mod binaries;
pub mod cluster;
pub mod command;
mod daemon;
pub mod images;
pub mod lock;
pub mod packages;
pub mod paths;
mod postgres;
pub mod process;
mod proxy;
mod server;
pub mod tree;

pub use agent::{AgentOptions, AgentProcess};
pub use cluster::shared::{shared_cluster, shared_control_plane};
pub use cluster::{Cluster, ClusterConfig, Door, Forward, Node};
pub use daemon::{answers, free_address, get};
pub use postgres::{Postgres, pg_dump};
pub use proxy::{ProxyOptions, ProxyProcess};
pub use server::{Server, ServerOptions};

/// Chooses ring for every TLS connection of this process. Harmless when repeated.
pub fn install_crypto() {
    // An error says that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
