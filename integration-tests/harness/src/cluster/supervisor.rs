//! Runs inside a cluster's namespaces, as the child of their init process. When it ends, the kernel ends everything else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client};
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::components::{API_SERVER, Component, ETCD, KUBELET, Phase, STOP_ORDER, components};
use super::events::{Event, Events};
use super::inside::Inside;
use super::plan::Plan;
use super::reservation::Registry;
use super::{control, dispose, files, leftovers, network, objects};
use crate::process::{ProcessId, log_file};

/// How long an API server may take on a busy machine.
const API_LIMIT: Duration = Duration::from_secs(60);

/// Runs the cluster whose directory is `dir` until it is told to stop.
pub async fn supervise(dir: &Path) -> anyhow::Result<()> {
    let plan = wait_for_plan(dir).await?;
    let events = Events::append_to(dir)?;
    let result = Supervisor::run(plan, dir, events.clone()).await;
    if let Err(cause) = &result {
        events.write(&Event::Failed(format!("{cause:#}")));
    }
    result
}

/// The plan is written once the host's end of the cable is there.
async fn wait_for_plan(dir: &Path) -> anyhow::Result<Plan> {
    let path = dir.join("plan.json");
    for _ in 0..500 {
        if let Ok(text) = fs::read(&path) {
            return serde_json::from_slice(&text).context("the cluster's plan is broken");
        }
        sleep(Duration::from_millis(20)).await;
    }
    bail!("no plan came to {}", path.display())
}

struct Supervisor {
    plan: Plan,
    /// Absent without a node: then the cluster has no namespaces, and what is to be seen is the machine's.
    inside: Option<Inside>,
    events: Events,
    components: Vec<(Phase, Component)>,
    running: BTreeMap<&'static str, ProcessId>,
    /// Told by the task that waits for each child: name, process, and how it ended.
    ended: mpsc::UnboundedSender<(&'static str, ProcessId, String)>,
}

impl Supervisor {
    async fn run(plan: Plan, dir: &Path, events: Events) -> anyhow::Result<()> {
        let inside = plan.namespaces.map(Inside::prove).transpose()?;
        // As long as this process runs, nobody takes for left what is the cluster's.
        let _directory = leftovers::hold(dir)?;
        let _place = plan.place.as_ref().map(|place| Registry::of_machine().hold(place)).transpose()?;
        if let Some(inside) = inside {
            prepare_mounts(&plan, dir, inside)?;
            network::configure_inside(&plan, inside).await?;
        }
        files::write(&plan, plan.root())?;
        let (ended, mut ends) = mpsc::unbounded_channel();
        let mut requests = control::listen(plan.root())?;
        let components = components(&plan);
        let mut supervisor = Self { plan, inside, events, components, running: BTreeMap::new(), ended };
        let mut stop = Box::pin(told_to_stop(supervisor.plan.detached));

        let started = tokio::select! {
            started = supervisor.start_all() => started,
            () = &mut stop => { supervisor.stop_all().await; return Ok(()) }
        };
        started?;
        supervisor.events.write(&Event::Ready);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some((name, process, how)) = ends.recv() => supervisor.note_end(name, process, how),
                Some((request, answer)) = requests.recv() => {
                    if request == control::Request::Stop {
                        break;
                    }
                    let _ = answer.send(supervisor.serve(&request).await);
                }
            }
        }
        supervisor.stop_all().await;
        if !supervisor.plan.keep_data {
            dispose::everything(&supervisor.plan, inside);
        }
        Ok(())
    }

    async fn start_all(&mut self) -> anyhow::Result<()> {
        self.start_phase(Phase::First)?;
        let client = self.api_server_ready().await?;
        objects::apply(&client).await?;
        self.start_phase(Phase::WithApi)?;
        if self.plan.has_node() {
            self.node_registered(client).await?;
        }
        self.start_phase(Phase::WithNode)
    }

    async fn node_registered(&self, client: Client) -> anyhow::Result<()> {
        let nodes = Api::<Node>::all(client);
        let deadline = Instant::now() + API_LIMIT;
        while nodes.get_opt(&self.plan.node_name()).await?.is_none() {
            if !self.running.get(KUBELET).is_some_and(|process| process.is_alive()) {
                bail!("{KUBELET} ended at its start; see log/{KUBELET}.log");
            }
            if Instant::now() > deadline {
                bail!("the node was not registered within {} s; see log/{KUBELET}.log", API_LIMIT.as_secs());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn start_phase(&mut self, phase: Phase) -> anyhow::Result<()> {
        let names: Vec<_> =
            self.components.iter().filter(|(when, _)| *when == phase).map(|(_, part)| part.name).collect();
        names.into_iter().try_for_each(|name| self.start(name))
    }

    fn start(&mut self, name: &str) -> anyhow::Result<()> {
        let Some((_, component)) = self.components.iter().find(|(_, part)| part.name == name) else {
            bail!("there is no component {name}");
        };
        let name = component.name;
        if self.running.get(name).is_some_and(|process| process.is_alive()) {
            bail!("{name} runs already");
        }
        let log = log_file(&self.plan.root().join("log").join(format!("{name}.log")))?;
        let mut child = launch(component, !self.plan.has_node())
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("a log's handle cannot be duplicated")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let process = child.id().and_then(ProcessId::of).with_context(|| format!("{name} ended at once"))?;
        let ended = self.ended.clone();
        tokio::spawn(async move {
            let how = child.wait().await.map_or_else(|cause| cause.to_string(), |status| status.to_string());
            // Nobody listens while everything stops.
            let _ = ended.send((name, process, how));
        });
        self.running.insert(name, process);
        self.events.write(&Event::Started(name.to_owned()));
        Ok(())
    }

    async fn api_server_ready(&self) -> anyhow::Result<Client> {
        let client = super::client(&self.plan.root().join("admin.kubeconfig")).await?;
        let deadline = Instant::now() + API_LIMIT;
        while !super::api_is_ready(&client).await {
            for name in [ETCD, API_SERVER] {
                if !self.running.get(name).is_some_and(|process| process.is_alive()) {
                    bail!("{name} ended at its start; see log/{name}.log");
                }
            }
            if Instant::now() > deadline {
                bail!(
                    "the API server was not ready within {} s; see log/{API_SERVER}.log",
                    API_LIMIT.as_secs()
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(client)
    }

    /// Nothing is restarted: a component that ends by itself is a finding, and the next `make up` starts it and says so.
    fn note_end(&mut self, name: &'static str, process: ProcessId, how: String) {
        if self.running.get(name) == Some(&process) {
            self.running.remove(name);
        }
        self.events.write(&Event::Ended(name.to_owned(), how));
    }

    async fn serve(&mut self, request: &control::Request) -> control::Answer {
        use control::Request;
        match request {
            Request::Pid(name) => self
                .running
                .get(name.as_str())
                .filter(|process| process.is_alive())
                .map(|process| process.pid.to_string())
                .ok_or_else(|| format!("{name} does not run")),
            Request::Start(name) => {
                self.start(name).map(|()| String::new()).map_err(|cause| format!("{cause:#}"))
            }
            Request::Kill(name) => {
                let Some(process) = self.running.get(name.as_str()).copied() else {
                    return Err(format!("{name} does not run"));
                };
                process.signal(rustix::process::Signal::KILL);
                process.ended_within(Duration::from_secs(10)).await;
                Ok(String::new())
            }
            Request::Missing => Ok(self
                .components
                .iter()
                .map(|(_, part)| part.name)
                .filter(|name| !self.running.get(name).is_some_and(|process| process.is_alive()))
                .collect::<Vec<_>>()
                .join(" ")),
            Request::Stop => Ok(String::new()),
        }
    }

    async fn stop_all(&mut self) {
        for name in STOP_ORDER {
            if let Some(process) = self.running.remove(name) {
                process.stop(Duration::from_secs(if name == ETCD { 10 } else { 2 })).await;
            }
            if let (KUBELET, Some(inside)) = (name, self.inside) {
                stop_containers(inside).await;
            }
        }
        self.events.write(&Event::Stopped);
    }
}

/// Without namespaces nothing ends the children when their parent is killed, so the kernel is asked for it one by one.
fn launch(component: &Component, with_parent: bool) -> Command {
    let mut command = if with_parent {
        let mut wrapper = Command::new("setpriv");
        wrapper.args(["--pdeathsig", "KILL", "--"]).arg(&component.program);
        wrapper
    } else {
        Command::new(&component.program)
    };
    command.args(&component.arguments).env("PATH", network::SYSTEM_PATH);
    command
}

/// Mounts are private to the cluster, but shared within it, as the kubelet needs. The cluster's directory gets a short path,
/// `/run` is empty, and what the kubelet writes to `/var/log` stays below the directory.
fn prepare_mounts(plan: &Plan, dir: &Path, _: Inside) -> anyhow::Result<()> {
    mount_change("/", MountPropagationFlags::SHARED | MountPropagationFlags::REC)
        .context("mounts cannot be shared")?;
    let directory: PathBuf = fs::canonicalize(dir)?;
    let logs = directory.join("var-log");
    fs::create_dir_all(&logs).context("no room for logs")?;
    mount_bind(&logs, "/var/log").context("/var/log cannot be covered")?;
    let handle = fs::File::open(&directory).context("the cluster's directory cannot be opened")?;
    rustix::mount::mount("tmpfs", "/run", "tmpfs", rustix::mount::MountFlags::empty(), c"mode=755")
        .context("/run cannot be covered")?;
    fs::create_dir_all(plan.root()).context("no mount point")?;
    // By the open handle, since the directory itself may lie below what was just covered.
    use std::os::fd::AsRawFd as _;
    let source = format!("/proc/self/fd/{}", handle.as_raw_fd());
    mount_bind(source, plan.root()).context("the cluster's directory cannot be mounted")
}

/// Asks the programs in the pods to end, and waits shortly: what they have open is saved, as at a node's shutdown.
async fn stop_containers(inside: Inside) {
    let mut inits = inside.processes();
    inits.retain(|process| is_init_of_a_container(process.pid));
    for init in &inits {
        init.signal(rustix::process::Signal::TERM);
    }
    let all = async {
        for init in &inits {
            init.ended_within(Duration::from_secs(5)).await;
        }
    };
    let _ = timeout(Duration::from_secs(5), all).await;
}

/// Whether the process is number 1 of a PID namespace below this one.
fn is_init_of_a_container(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let numbers: Vec<&str> = numbers.split_whitespace().collect();
    numbers.len() > 1 && numbers.last() == Some(&"1")
}

/// Ends at SIGTERM or SIGINT, and, where somebody holds the other end of standard input, when they have gone.
async fn told_to_stop(detached: bool) {
    let (Ok(mut term), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    let parent_gone = async {
        if detached {
            std::future::pending::<()>().await;
        }
        // A thread of its own, since a pending read cannot be taken back when something else ends the wait.
        let (gone, told) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            let _ = gone.send(());
        });
        let _ = told.await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
        () = parent_gone => {}
    }
}
