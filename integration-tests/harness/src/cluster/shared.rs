//! One cluster for all tests of a test binary.

use std::path::PathBuf;

use anyhow::anyhow;
use tokio::sync::OnceCell;

use super::{Cluster, ClusterConfig};

static SHARED: OnceCell<Result<Shared, String>> = OnceCell::const_new();

#[derive(Debug)]
struct Shared {
    cluster: Cluster,
}

/// The test process's cluster, started by the first test that asks. It ends when the process does.
///
/// Where a node is impossible (not root), the control plane alone runs: ask [`Cluster::has_node`].
pub async fn shared_cluster() -> anyhow::Result<&'static Cluster> {
    let started = SHARED.get_or_init(|| async { start().await.map_err(|cause| format!("{cause:#}")) }).await;
    started.as_ref().map(|shared| &shared.cluster).map_err(|cause| anyhow!(cause.clone()))
}

/// A static is never dropped, so the directory is one that the next run clears: see [`super::leftovers`].
async fn start() -> anyhow::Result<Shared> {
    let dir: PathBuf = super::leftovers::temporary_dir("shared")?;
    let config = ClusterConfig {
        name: "shared".to_owned(),
        dir,
        keep_data: false,
        detached: false,
        node: crate::process::is_root(),
    };
    Ok(Shared { cluster: Cluster::start(config).await? })
}
