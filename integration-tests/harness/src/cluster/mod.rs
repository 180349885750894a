//! A real Kubernetes in namespaces of its own.
//!
//! Every cluster has its own mount, PID and network namespace. Their init process is the only thing to kill: the kernel then
//! ends every process of the cluster and takes its mounts and its cable to the host away. Three kinds of process take part:
//! the caller with a [`Cluster`], `unshare` as the handle of the namespaces, and in them `berth-dev cluster-supervise`.

mod cgroups;
mod components;
mod control;
mod credentials;
mod dispose;
mod door;
mod events;
mod files;
mod inside;
mod leftovers;
mod network;
mod node;
mod objects;
mod plan;
mod provisioner;
mod reservation;
pub(crate) mod shared;
mod start;
mod supervisor;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

pub use door::{Door, Forward, PROXY_NAMESPACE};
pub use files::SANDBOX_IMAGE;
pub use plan::{ClusterConfig, Node, Plan};
pub use provisioner::Provisioner;
pub use supervisor::supervise;

use crate::process::ProcessId;
use crate::{images, tree};
use control::Request;
use reservation::{Registry, Reservation};

/// Holds the [`ProcessId`] of `unshare`, by which a cluster is found again.
const PROCESS_FILE: &str = "process.json";

/// A running cluster. Unless it is detached it ends when this is dropped, and when this process ends.
#[derive(Debug)]
pub struct Cluster {
    plan: Plan,
    dir: PathBuf,
    kubeconfig: PathBuf,
    /// `unshare`, or without a node the supervisor itself.
    process: ProcessId,
    /// Its place stays its own as long as this is held, or its supervisor runs. `None` without a node, or when another
    /// process started it.
    _reservation: Option<Reservation>,
    /// Its standard input is what a supervisor that is not detached watches.
    child: Option<Child>,
}

impl Cluster {
    /// Starts a cluster and waits until its API server answers and its node, if any, is ready.
    ///
    /// A detached one that already runs in the same directory is given back as it is.
    pub async fn start(config: ClusterConfig) -> anyhow::Result<Self> {
        start::start(config).await
    }

    /// The cluster that runs in `dir`, if one does.
    pub fn attach(dir: &Path) -> Option<Self> {
        let process: ProcessId = serde_json::from_slice(&std::fs::read(dir.join(PROCESS_FILE)).ok()?).ok()?;
        let plan: Plan = serde_json::from_slice(&std::fs::read(dir.join("plan.json")).ok()?).ok()?;
        process.is_alive().then(|| Self {
            plan,
            dir: dir.to_owned(),
            kubeconfig: dir.join("admin.kubeconfig"),
            process,
            _reservation: None,
            child: None,
        })
    }

    /// An administrator's kubeconfig, whose only context is `berth-<name>`.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client with an administrator's rights.
    pub async fn client(&self) -> anyhow::Result<Client> {
        client(&self.kubeconfig).await
    }

    /// The host's address as pods reach it.
    pub fn host_address(&self) -> IpAddr {
        self.plan.host_address()
    }

    pub fn node_address(&self) -> IpAddr {
        self.plan.node_address()
    }

    /// Where the API server answers pods.
    pub fn api_address(&self) -> SocketAddr {
        SocketAddr::new(self.plan.node_address(), self.plan.ports.api)
    }

    /// The node's name.
    pub fn node_name(&self) -> String {
        self.plan.node_name()
    }

    /// The only context of its kubeconfig.
    pub fn context(&self) -> String {
        self.plan.context()
    }

    /// Whether it runs pods.
    pub fn has_node(&self) -> bool {
        self.plan.has_node()
    }

    /// Where everything of it is kept; `log/` has a file for each component.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The pid, as the host counts, of a component such as `kube-apiserver`.
    pub async fn component_pid(&self, component: &str) -> anyhow::Result<u32> {
        let inner = control::ask(&self.dir, Request::Pid(component.to_owned())).await?;
        if !self.plan.has_node() {
            return Ok(inner.parse()?);
        }
        let init = self.init().context("the cluster has ended")?;
        node::host_pid(init.pid, &inner).with_context(|| format!("{component} has ended"))
    }

    /// `kill -9` of a component; it stays down until [`Cluster::start_component`].
    pub async fn kill(&self, component: &str) -> anyhow::Result<()> {
        control::ask(&self.dir, Request::Kill(component.to_owned())).await.map(drop)
    }

    /// Starts a component that does not run.
    pub async fn start_component(&self, component: &str) -> anyhow::Result<()> {
        control::ask(&self.dir, Request::Start(component.to_owned())).await.map(drop)
    }

    /// The components that should run and do not.
    pub async fn missing_components(&self) -> anyhow::Result<Vec<String>> {
        let names = control::ask(&self.dir, Request::Missing).await?;
        Ok(names.split_whitespace().map(str::to_owned).collect())
    }

    /// Waits until the API server answers, for instance after [`Cluster::start_component`].
    pub async fn wait_for_api(&self) -> anyhow::Result<()> {
        start::wait_for_api(self).await
    }

    /// Imports an image archive (OCI or Docker) into the node, under the names that it holds.
    pub async fn import_image(&self, archive: &Path) -> anyhow::Result<()> {
        node::import_image(self, archive).await
    }

    /// Imports one of Berth's images where the node has it not yet, or has an older one. True when it did.
    pub async fn ensure_image(&self, image: &images::Image) -> anyhow::Result<bool> {
        let archive = images::archive(image).await?;
        let memory = self.dir.join("imported").join(image.name());
        // An archive's name holds the hash of its sources.
        let name = archive.to_string_lossy();
        if std::fs::read_to_string(&memory).is_ok_and(|imported| imported == name) {
            return Ok(false);
        }
        self.import_image(&archive).await?;
        std::fs::create_dir_all(self.dir.join("imported")).context("no room for the memory of imports")?;
        crate::process::write_atomically(&memory, name.as_bytes())?;
        Ok(true)
    }

    /// Stops everything in order. The data stays where `keep_data` says so.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        // Refused when the supervisor has gone already; then the rest is certain to go.
        let asked = control::ask(&self.dir, Request::Stop).await;
        if asked.is_err() || !self.process.ended_within(Duration::from_secs(40)).await {
            self.kill_all();
            self.process.ended_within(Duration::from_secs(10)).await;
        }
        if let Some(child) = &mut self.child {
            child.wait().context("the cluster's process cannot be waited for")?;
        }
        self.clean_up();
        Ok(())
    }

    /// Forgets what stopped clusters whose data is in `directory` or below it have of the machine: it is going to be removed.
    pub fn forget_below(directory: &Path) -> anyhow::Result<()> {
        if crate::process::is_root() { Registry::of_machine().release_below(directory) } else { Ok(()) }
    }

    /// The init process of the namespaces.
    fn init(&self) -> Option<ProcessId> {
        self.process.children().into_iter().next()
    }

    /// Ends a cluster that did not start, but keeps its logs.
    fn abandon(mut self) {
        self.kill_all();
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
        if let Some(place) = &self.plan.place {
            network::disconnect(place);
            cgroups::remove(place);
        }
    }

    fn kill_all(&self) {
        if let Some(init) = self.init() {
            init.signal(rustix::process::Signal::KILL);
        }
        self.process.signal(rustix::process::Signal::KILL);
    }

    fn clean_up(&self) {
        if let Some(place) = &self.plan.place {
            network::disconnect(place);
            cgroups::remove(place);
        }
        let _ = std::fs::remove_file(self.dir.join(PROCESS_FILE));
        if !self.plan.keep_data {
            // It is in the way of nobody; the next start tries again.
            let _ = tree::remove(&self.dir);
            if let Some(place) = &self.plan.place {
                let _ = Registry::of_machine().release(place);
            }
        }
    }
}

impl Drop for Cluster {
    /// The quick way: no data is kept that could suffer, and the kernel leaves nothing.
    fn drop(&mut self) {
        if self.plan.detached || self.child.is_none() {
            return;
        }
        let init = self.init();
        self.kill_all();
        // It ends behind everything in its namespace, and its parent before that.
        for process in init.into_iter().chain([self.process]) {
            process.wait_blocking(Duration::from_secs(5));
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
        self.clean_up();
    }
}

/// A client for the current context of a kubeconfig file.
pub async fn client(kubeconfig: &Path) -> anyhow::Result<Client> {
    crate::install_crypto();
    let file = Kubeconfig::read_from(kubeconfig).context("the kubeconfig cannot be read")?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .context("the kubeconfig cannot be used")?;
    Client::try_from(config).context("no client for the cluster")
}

/// Whether the API server says that it is ready.
async fn api_is_ready(client: &Client) -> bool {
    let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else {
        return false;
    };
    let answer = tokio::time::timeout(Duration::from_secs(2), client.request_text(request)).await;
    matches!(answer, Ok(Ok(_)))
}
