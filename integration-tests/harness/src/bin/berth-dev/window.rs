//! The window through which this machine's browser reaches the proxy: a port of this machine behind which the proxy's Service is.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use berth_harness::{Cluster, paths};

use crate::detached::{self, HERE};
use crate::site::{Kept, Site};
use crate::target::Target;

/// The name of its record and its log.
const NAME: &str = "window-proxy";
/// The port that is taken where it is free.
const FIRST: u16 = 8_443;

/// What the process does where the cluster is ours: it ends with the cluster, or when it is told to. Whoever connects speaks TLS with the
/// proxy, which knows whom it answers.
pub(crate) async fn keep_open(cluster: &Path, port: u16, to: SocketAddr) -> anyhow::Result<()> {
    let cluster = Cluster::attach(cluster).context("the cluster does not run")?;
    cluster.door().await?.forward(port, to).await?.run().await
}

/// Where it is, or will be: browsers know the proxy by this port.
pub(crate) fn address(site: &Site) -> anyhow::Result<SocketAddr> {
    match site.kept(NAME) {
        Some(kept) if kept.process.is_alive() => Ok(kept.address),
        kept => detached::address(HERE, kept.map_or(FIRST, |kept| kept.address.port())),
    }
}

/// Opens it at the proxy's Service, which keeps its address when the pods do not, or finds it open.
pub(crate) async fn open(
    site: &Site,
    target: &Target,
    service: (&str, &str, SocketAddr),
    address: SocketAddr,
) -> anyhow::Result<()> {
    let program = fs::canonicalize(paths::program("berth-dev")?)?;
    let mut command = command(target, &program, service, address.port());
    if let Some(kept) = site.kept(NAME).filter(|kept| kept.process.is_alive()) {
        let is_same = target.local.is_none() || detached::is_current(kept.process, &program);
        if is_same && kept.address == address && is_running(kept, &command) {
            return Ok(());
        }
        kept.process.stop(Duration::from_secs(5)).await;
    }
    command.env_remove("RUST_LOG");
    let process = detached::spawn(command, &site.log(NAME))?;
    site.keep(NAME, Kept { process, address, metrics: address, tls: None })
}

/// Through a pod of ours into our own cluster, through the API server into another one.
fn command(
    target: &Target,
    program: &Path,
    (namespace, service, to): (&str, &str, SocketAddr),
    port: u16,
) -> Command {
    let Some(cluster) = &target.local else {
        let mut command = detached::command(Path::new("kubectl"));
        command.args(["--context", &target.context, "--namespace", namespace, "port-forward"]);
        command.args([
            "--address",
            "127.0.0.1",
            &format!("service/{service}"),
            &format!("{port}:{}", to.port()),
        ]);
        return command;
    };
    let mut command = detached::command(program);
    command.arg("window").arg("--cluster").arg(cluster.dir());
    command.args(["--port", &port.to_string(), "--to", &to.to_string()]);
    command
}

/// Whether the process was started by the same words.
fn is_running(kept: Kept, command: &Command) -> bool {
    let given = fs::read(format!("/proc/{}/cmdline", kept.process.pid)).unwrap_or_default();
    // `setsid` has become the program that was named to it.
    let wanted = command.get_args().flat_map(|word| [word.as_encoded_bytes(), &[0]].concat());
    given.into_iter().eq(wanted)
}

/// Closes it.
pub(crate) async fn close(site: &Site) {
    if let Some(kept) = site.kept(NAME) {
        kept.process.stop(Duration::from_secs(5)).await;
    }
}
