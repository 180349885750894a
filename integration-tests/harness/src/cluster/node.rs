//! Reaching into a cluster's namespaces from the host.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::Cluster;
use crate::command::{command, output};

/// The host's number of the process that is `inner` in the PID namespace of `init`.
pub(super) fn host_pid(init: u32, inner: &str) -> Option<u32> {
    let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let wanted: PathBuf = namespace(init)?;
    fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| namespace(*pid).as_ref() == Some(&wanted))
        .find(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
            numbers.split_whitespace().next_back() == Some(inner)
        })
}

pub(super) async fn import_image(cluster: &Cluster, archive: &Path) -> anyhow::Result<()> {
    ensure!(cluster.has_node(), "a control plane without a node has no images");
    let init = cluster.init().context("the cluster has ended")?;
    let ctr = cluster.plan.node_programs.join("ctr");
    let mut import = command("nsenter");
    import.args(["--target", &init.pid.to_string(), "--mount", "--pid", "--net", "--"]).arg(ctr);
    import.args(["--address", &cluster.plan.path("containerd.sock"), "--namespace", "k8s.io"]);
    import.args(["images", "import", "--local"]).arg(archive);
    output(&mut import).await.with_context(|| format!("{} cannot be imported", archive.display()))?;
    Ok(())
}
