//! Windows into a workspace of the local cluster: ports of this machine behind which its ports are.
//!
//! A workspace lets in nobody but the proxy's namespace. Until the proxy serves people, a process of this machine stands in for it there.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use berth_harness::{Cluster, paths};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use serde_json::Value;

use crate::detached::{self, HERE};
use crate::site::{Kept, Site};

/// What is shown, by the name of its record.
pub(crate) const PAGE: &str = "window-page";
pub(crate) const EDITOR: &str = "window-editor";

/// What the process does: it ends with the cluster, or when it is told to.
pub(crate) async fn keep_open(cluster: &Path, port: u16, to: SocketAddr) -> anyhow::Result<()> {
    let cluster = Cluster::attach(cluster).context("the cluster does not run")?;
    cluster.door().await?.show(port, to).await?.run().await
}

/// Opens a window at the workspace's Service, which keeps its address when the pod does not, or finds it open. Gives where it is.
pub(crate) async fn open(
    site: &Site,
    cluster: &Cluster,
    name: &str,
    workspace: &Value,
    port: u16,
) -> anyhow::Result<SocketAddr> {
    let text =
        |field: &str| workspace[field].as_str().with_context(|| format!("a workspace without {field}"));
    let services = Api::<Service>::namespaced(cluster.client().await?, text("namespace")?);
    let spec = services.get(text("name")?).await.context("the workspace has no Service")?.spec;
    let address = spec.and_then(|spec| spec.cluster_ip).context("the Service has no address")?;
    let to = SocketAddr::new(address.parse().context("the Service's address is none")?, port);

    let program = fs::canonicalize(paths::program("berth-dev")?)?;
    let kept = site.kept(name);
    if let Some(kept) = kept.filter(|kept| kept.process.is_alive()) {
        if detached::is_current(kept.process, &program) && shows(kept, to) {
            return Ok(kept.address);
        }
        kept.process.stop(Duration::from_secs(5)).await;
    }
    let address = detached::address(HERE, kept.map_or(port, |kept| kept.address.port()))?;
    let mut command = detached::command(&program);
    command.arg("window").arg("--cluster").arg(cluster.dir());
    command.args(["--port", &address.port().to_string(), "--to", &to.to_string()]);
    let process = detached::spawn(command, &site.log(name))?;
    site.keep(name, Kept { process, address, metrics: address })?;
    Ok(address)
}

/// Whether the window is at this Service: another workspace of the same name has another.
fn shows(kept: Kept, to: SocketAddr) -> bool {
    let command = fs::read(format!("/proc/{}/cmdline", kept.process.pid)).unwrap_or_default();
    command.split(|byte| *byte == 0).any(|word| word == to.to_string().as_bytes())
}

/// Closes it.
pub(crate) async fn close(site: &Site, name: &str) {
    if let Some(kept) = site.kept(name) {
        kept.process.stop(Duration::from_secs(5)).await;
    }
}
