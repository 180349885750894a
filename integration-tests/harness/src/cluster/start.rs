//! Starting a cluster, from the host's side.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::api::Api;
use kube::runtime::wait::await_condition;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::events::{self, Event};
use super::inside::Namespaces;
use super::plan::{ClusterConfig, Node as NodeKind, Place, Plan};
use super::reservation::{Registry, Reservation};
use super::{Cluster, PROCESS_FILE, cgroups, credentials, leftovers, network};
use crate::binaries::Binaries;
use crate::process::{ProcessId, is_root, log_file, write_atomically};
use crate::{images, packages, paths};

const LIMIT: Duration = Duration::from_secs(120);
const LATE: &str = "the cluster did not get ready within two minutes";

pub(super) async fn start(config: ClusterConfig) -> anyhow::Result<Cluster> {
    if let Some(running) = Cluster::attach(&config.dir) {
        ensure!(config.detached, "a cluster already runs in {}", config.dir.display());
        return Ok(running);
    }
    if config.node != NodeKind::None {
        ensure!(is_root(), "a node needs root; without it only the control plane can run");
        packages::check(packages::CLUSTER)?;
        leftovers::remove();
    }
    let binaries = Binaries::ensure().await?;

    let since = Timestamp::now();
    let cluster = launch(&config, &binaries).await?;
    match timeout(LIMIT, prepare(&cluster, since)).await.context(LATE).flatten() {
        Ok(()) => Ok(cluster),
        Err(cause) => {
            cluster.abandon();
            Err(cause.context(format!("the logs are in {}/log", config.dir.display())))
        }
    }
}

/// From a running supervisor to a cluster that takes pods.
async fn prepare(cluster: &Cluster, since: Timestamp) -> anyhow::Result<()> {
    wait_for_supervisor(cluster).await?;
    if cluster.has_node() {
        cluster.ensure_image(&images::PAUSE).await?;
    }
    wait_for_api(cluster).await?;
    settle(cluster, since).await
}

/// What is read of a plan that an earlier version kept.
#[derive(Deserialize)]
struct Earlier {
    #[serde(default)]
    node: bool,
    slot: u8,
}

/// Starts the supervisor and gives it its plan.
async fn launch(config: &ClusterConfig, binaries: &Binaries) -> anyhow::Result<Cluster> {
    let dir = &config.dir;
    fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    events::clear(dir);
    let reservation = if config.node == NodeKind::None { None } else { Some(reserve(config).await?) };
    let _ = fs::remove_file(dir.join("plan.json"));

    let mut child = spawn(config)?;
    let process = ProcessId::of(child.id()).context("the cluster's process ended at once")?;
    write_atomically(&dir.join(PROCESS_FILE), serde_json::to_vec(&process)?)?;
    let node = match &reservation {
        Some(reservation) => match connect(config, process, &reservation.place).await {
            Ok(namespaces) => Some((reservation.place.clone(), namespaces)),
            Err(cause) => {
                child.kill().context("the cluster's process cannot be ended")?;
                child.wait().context("the cluster's process cannot be waited for")?;
                return Err(cause);
            }
        },
        None => None,
    };
    let cluster = Cluster {
        plan: Plan::new(config, node, binaries)?,
        dir: dir.clone(),
        kubeconfig: dir.join("admin.kubeconfig"),
        process,
        _reservation: reservation,
        child: Some(child),
    };
    credentials::write(&cluster.plan, dir)?;
    write_atomically(&dir.join("plan.json"), serde_json::to_vec_pretty(&cluster.plan)?)?;
    Ok(cluster)
}

async fn reserve(config: &ClusterConfig) -> anyhow::Result<Reservation> {
    let earlier = fs::read(config.dir.join("plan.json")).ok();
    let earlier = earlier.and_then(|text| serde_json::from_slice::<Earlier>(&text).ok());
    let earlier = earlier.filter(|plan| plan.node).map(|plan| plan.slot);
    let base = network::free_base().await?;
    Registry::of_machine().reserve(&config.dir, config.keep_data, earlier, base)
}

/// Gives the node its cable and its cgroup, once its namespaces are there.
async fn connect(config: &ClusterConfig, process: ProcessId, place: &Place) -> anyhow::Result<Namespaces> {
    // The first child is what the kernel made the PID namespace for; by then the others are there too.
    let init = loop {
        if let Some(init) = process.children().into_iter().next() {
            break init;
        }
        ensure!(
            process.is_alive(),
            "no namespaces could be made; see {}/log/supervisor.log",
            config.dir.display()
        );
        sleep(Duration::from_millis(5)).await;
    };
    let namespaces = Namespaces::of_cluster(init)?;
    network::connect(init.pid, place).await?;
    cgroups::remove(place);
    cgroups::create(place);
    Ok(namespaces)
}

fn spawn(config: &ClusterConfig) -> anyhow::Result<Child> {
    let supervisor = paths::program("berth-dev")?;
    let mut words: Vec<&str> = Vec::new();
    if config.detached {
        words.push("setsid");
    }
    if config.node != NodeKind::None {
        words.extend(["unshare", "--mount", "--pid", "--net", "--fork", "--mount-proc", "--kill-child"]);
        words.extend(["--propagation", "private", "--", "tini", "--"]);
    }
    let log = log_file(&config.dir.join("log/supervisor.log"))?;
    let mut command = match words.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(&supervisor);
            command
        }
        None => Command::new(&supervisor),
    };
    command.arg("cluster-supervise").arg(&config.dir);
    command.stdin(if config.detached { Stdio::null() } else { Stdio::piped() });
    command.stdout(log.try_clone().context("a log's handle cannot be duplicated")?).stderr(log);
    command.spawn().context("the cluster's process cannot be started")
}

async fn wait_for_supervisor(cluster: &Cluster) -> anyhow::Result<()> {
    loop {
        let events = events::read(cluster.dir());
        if events.contains(&Event::Ready) {
            return Ok(());
        }
        if let Some(Event::Failed(cause)) = events.last() {
            bail!("the cluster failed: {cause}");
        }
        ensure!(cluster.process.is_alive(), "the cluster ended");
        sleep(Duration::from_millis(20)).await;
    }
}

pub(super) async fn wait_for_api(cluster: &Cluster) -> anyhow::Result<()> {
    let client = cluster.client().await?;
    let answers = async {
        while !super::api_is_ready(&client).await {
            let missing = cluster.missing_components().await?;
            ensure!(missing.is_empty(), "{} ended; see {}/log", missing.join(", "), cluster.dir().display());
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    timeout(LIMIT, answers).await.context("the API server is not ready")?
}

/// Pods can be made once the node is ready and the default namespace has its service account.
async fn settle(cluster: &Cluster, since: Timestamp) -> anyhow::Result<()> {
    let client = cluster.client().await?;
    let accounts = Api::<ServiceAccount>::default_namespaced(client.clone());
    await_condition(accounts, "default", |account: Option<&ServiceAccount>| account.is_some()).await?;
    if cluster.has_node() {
        let ready = move |node: Option<&Node>| node.is_some_and(|node| is_ready(node, since));
        await_condition(Api::<Node>::all(client), &cluster.node_name(), ready).await?;
    }
    Ok(())
}

/// Whether the kubelet said so after `since`: kept data says that it was ready once. Heartbeats have whole seconds.
fn is_ready(node: &Node, since: Timestamp) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|one| {
        let heard =
            one.last_heartbeat_time.as_ref().is_some_and(|heard| heard.0.as_second() >= since.as_second());
        one.type_ == "Ready" && one.status == "True" && heard
    })
}
