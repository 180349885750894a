//! One cluster for all tests of a test binary.

use anyhow::anyhow;
use tokio::sync::OnceCell;

use super::{Cluster, ClusterConfig, Node};
use crate::lock::Lock;

static SHARED: OnceCell<Result<Shared, String>> = OnceCell::const_new();
static CONTROL_PLANE: OnceCell<Result<Shared, String>> = OnceCell::const_new();

#[derive(Debug)]
struct Shared {
    cluster: Cluster,
    /// Marks its directory as in use.
    _directory: Lock,
}

/// The test process's cluster, started by the first test that asks. It ends when the process does.
///
/// Where a node is impossible (not root), the control plane alone runs: ask [`Cluster::has_node`].
pub async fn shared_cluster() -> anyhow::Result<&'static Cluster> {
    let start = || async { start("shared", Node::if_possible()).await.map_err(|cause| format!("{cause:#}")) };
    given(SHARED.get_or_init(start).await)
}

/// The same without a node: an API server with its controllers, which needs no root.
pub async fn shared_control_plane() -> anyhow::Result<&'static Cluster> {
    let start = || async { start("control-plane", Node::None).await.map_err(|cause| format!("{cause:#}")) };
    given(CONTROL_PLANE.get_or_init(start).await)
}

fn given(started: &'static Result<Shared, String>) -> anyhow::Result<&'static Cluster> {
    started.as_ref().map(|shared| &shared.cluster).map_err(|cause| anyhow!(cause.clone()))
}

/// A static is never dropped, so the directory is one that the next run clears: see [`super::leftovers`].
async fn start(name: &str, node: Node) -> anyhow::Result<Shared> {
    let (dir, directory) = super::leftovers::temporary_dir(name)?;
    let config = ClusterConfig { name: name.to_owned(), dir, keep_data: false, detached: false, node };
    Ok(Shared { cluster: Cluster::start(config).await?, _directory: directory })
}
