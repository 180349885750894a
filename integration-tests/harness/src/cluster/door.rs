//! Standing where the proxy stands.
//!
//! Workspaces let nobody in but the proxy's namespace, and this machine is not there. A pod in that namespace is: it does nothing, and
//! connections are made from its network namespace.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Cluster;
use super::files::SANDBOX_IMAGE;

/// Where the proxy is, unless an agent's configuration says otherwise.
pub const PROXY_NAMESPACE: &str = "berth-proxy";
const NAME: &str = "berth-door";
const LIMIT: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(5);

/// The network namespace of a running pod. It stays usable as long as the pod runs.
#[derive(Clone, Debug)]
pub struct Door(Arc<File>);

impl Cluster {
    /// A pod in the proxy's namespace, which the agent makes at its first contact, that may reach every other pod.
    pub async fn door(&self) -> anyhow::Result<Door> {
        self.door_in(PROXY_NAMESPACE).await
    }

    /// The same in the namespace of another agent's proxy.
    pub async fn door_in(&self, namespace: &str) -> anyhow::Result<Door> {
        ensure!(self.has_node(), "a control plane without a node has no pods");
        let client = self.client().await?;
        let exists = |namespace: Option<&Namespace>| namespace.is_some();
        timeout(LIMIT, await_condition(Api::all(client.clone()), namespace, exists))
            .await
            .context("no agent has made the proxy's namespace")??;
        let ours = PatchParams::apply("berth-dev").force();
        let policies = Api::<NetworkPolicy>::namespaced(client.clone(), namespace);
        policies.patch(NAME, &ours, &Patch::Apply(policy())).await.context("the door's policy is refused")?;
        let pods = Api::<Pod>::namespaced(client, namespace);
        pods.patch(NAME, &ours, &Patch::Apply(pod())).await.context("the door's pod is refused")?;
        let running = |pod: Option<&Pod>| {
            let phase = pod.and_then(|pod| pod.status.as_ref()?.phase.as_deref());
            phase == Some("Running")
        };
        let pod = timeout(LIMIT, await_condition(pods, NAME, running)).await;
        let pod = pod.context("the door's pod does not run")??.context("the door's pod is gone")?;
        self.network_of(&pod.metadata.uid.context("a pod without a uid")?)
    }

    /// The network namespace of a pod: that of any process in its own cgroup.
    fn network_of(&self, uid: &str) -> anyhow::Result<Door> {
        let place = self.plan.place.as_ref().context("no node")?;
        let (group, pod) = (format!("/{}/", place.cgroup()), format!("/pod{uid}/"));
        for entry in fs::read_dir("/proc")?.flatten() {
            let groups = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
            if groups.lines().any(|line| line.contains(&group) && line.contains(&pod))
                && let Ok(namespace) = File::open(entry.path().join("ns/net"))
            {
                return Ok(Door(Arc::new(namespace)));
            }
        }
        bail!("the pod has no process on this machine")
    }
}

impl Door {
    /// A connection that comes from the pod.
    pub async fn connect(&self, to: SocketAddr) -> anyhow::Result<TcpStream> {
        let namespace = Arc::clone(&self.0);
        let (sender, connected) = tokio::sync::oneshot::channel();
        // A thread of its own, since it never comes back from there.
        std::thread::spawn(move || {
            let connect = || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                let stream = std::net::TcpStream::connect_timeout(&to, CONNECT)?;
                stream.set_nonblocking(true)?;
                Ok::<_, std::io::Error>(stream)
            };
            // Nobody waits any more.
            let _ = sender.send(connect());
        });
        let stream = connected.await.context("the connecting thread ended")?;
        Ok(TcpStream::from_std(stream.with_context(|| format!("{to} is not reached"))?)?)
    }

    /// Listens on a port of this machine, 0 for any, and hands each connection on to `to`, whoever speaks whatever.
    pub async fn forward(&self, port: u16, to: SocketAddr) -> anyhow::Result<Forward> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("the port is taken")?;
        let address = listener.local_addr()?;
        let door = self.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let door = door.clone();
                tokio::spawn(async move {
                    // Closed at once where nobody listens, as if asked there.
                    let Ok(mut far) = door.connect(to).await else { return };
                    // Either end may go when it likes.
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Ok(Forward { address, task })
    }
}

/// A port of this machine behind which a port of a pod is. It closes when this is dropped.
#[derive(Debug)]
pub struct Forward {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Forward {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Until it fails, which it does not.
    pub async fn run(mut self) -> anyhow::Result<()> {
        (&mut self.task).await.context("nobody is let in any more")
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The namespace is closed both ways; this opens the way to pods for the door alone.
fn policy() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": { "name": NAME },
        "spec": {
            "podSelector": { "matchLabels": { "app.kubernetes.io/name": NAME } },
            "policyTypes": ["Egress"],
            "egress": [{ "to": [{ "namespaceSelector": {} }] }],
        },
    })
}

fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": NAME, "labels": { "app.kubernetes.io/name": NAME } },
        "spec": {
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": "main",
                "image": SANDBOX_IMAGE,
                "imagePullPolicy": "Never",
                "resources": { "limits": { "cpu": "50m", "memory": "16Mi" } },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": { "drop": ["ALL"] },
                },
            }],
        },
    })
}
