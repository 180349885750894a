//! NetworkPolicy that is enforced: what a workspace's pod reaches, and who reaches it. Everything that is closed to it is shown to be there by
//! a pod that no policy holds.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_harness::{Cluster, command::command};
use berth_integration_tests::{Installation, WORKSPACE_IMAGE, unique};
use berth_schema::api::Workspace;
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::wait::await_condition;
use serde_json::json;
use tokio::process::Child;

use crate::{PATIENCE, devfile};

/// Never given to a pod, a node or a Service of the cluster.
const METADATA: &str = "169.254.169.254";
const PRIVATE: &str = "192.168.177.1";

async fn workspace(berth: &Installation, name: &str) -> anyhow::Result<Workspace> {
    let created = berth.admin.create_from_devfile(&unique(name), &devfile()).await?;
    berth.admin.running(&created).await
}

/// A pod that serves on a port and is held by no policy.
struct Unheld {
    namespace: String,
    address: String,
}

impl Unheld {
    async fn start(berth: &Installation, namespace: &str, port: u16) -> anyhow::Result<Self> {
        let client = berth.view.client();
        let namespaces = Api::<Namespace>::all(client.clone());
        if namespaces.get_opt(namespace).await?.is_none() {
            let made = serde_json::from_value(json!({ "metadata": { "name": namespace } }))?;
            namespaces.create(&PostParams::default(), &made).await?;
        }
        let pod = serde_json::from_value(json!({
            "metadata": { "name": "unheld" },
            "spec": {
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 1,
                "containers": [{
                    "name": "main", "image": WORKSPACE_IMAGE,
                    "command": ["tini", "--", "httpd", "-f", "-p", port.to_string(), "-h", "/etc"],
                }],
            },
        }))?;
        let pods = Api::<Pod>::namespaced(client, namespace);
        let begin = Instant::now();
        // Service accounts of a new namespace come a moment after it.
        while let Err(cause) = pods.create(&PostParams::default(), &pod).await {
            ensure!(begin.elapsed() < PATIENCE, "the pod is refused: {cause}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let runs = |pod: Option<&Pod>| {
            let status = pod.and_then(|pod| pod.status.as_ref());
            status.is_some_and(|status| status.phase.as_deref() == Some("Running") && status.pod_ip.is_some())
        };
        let pod = tokio::time::timeout(PATIENCE, await_condition(pods, "unheld", runs)).await??;
        let address = pod.and_then(|pod| pod.status?.pod_ip).context("no address")?;
        Ok(Self { namespace: namespace.to_owned(), address })
    }

    async fn remove(self, berth: &Installation) -> anyhow::Result<()> {
        let pods = Api::<Pod>::namespaced(berth.view.client(), &self.namespace);
        pods.delete("unheld", &DeleteParams::default()).await?;
        if self.namespace.starts_with("unheld-") {
            let namespaces = Api::<Namespace>::all(berth.view.client());
            namespaces.delete(&self.namespace, &DeleteParams::default()).await?;
        }
        Ok(())
    }
}

/// The address that an interface with this hardware address gives itself, as curl has it.
fn link_local(hardware: &str) -> anyhow::Result<String> {
    let bytes = hardware.trim().split(':').map(|byte| u8::from_str_radix(byte, 16));
    let bytes = bytes.collect::<Result<Vec<_>, _>>().context("a hardware address")?;
    let (vendor, device) =
        bytes.split_at_checked(3).filter(|_| bytes.len() == 6).context("a hardware address")?;
    let mut address = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0];
    address[8..11].copy_from_slice(vendor);
    address[13..].copy_from_slice(device);
    // The bit that says that it is of this network alone.
    address[8] ^= 2;
    Ok(format!("[{}%eth0]", std::net::Ipv6Addr::from(address)))
}

/// Whether something answers there, in whatever way.
fn knock(target: &str) -> String {
    // 7: refused. 28: no answer in time. Everything else began with a connection.
    format!(
        "curl --silent --insecure --output /dev/null --connect-timeout 3 --max-time 5 {target}; \
         case $? in 7|28) echo shut;; *) echo open;; esac"
    )
}

async fn is_open(berth: &Installation, from: &Workspace, target: &str) -> anyhow::Result<bool> {
    Ok(berth.view.exec(from, &knock(target)).await? == b"open\n")
}

/// Programs in the node's network namespace, at addresses that only it has. They end with this.
async fn serve_at_the_node(cluster: &Cluster, address: &str) -> anyhow::Result<Child> {
    let kubelet = cluster.component_pid("kubelet").await?.to_string();
    let inside = || {
        let mut inside = command("nsenter");
        inside.args(["--net", "--target", &kubelet]);
        inside
    };
    let mut add = inside();
    add.args(["ip", "address", "add", &format!("{address}/32"), "dev", "lo"]);
    ensure!(add.status().await?.success(), "no address {address}");
    let mut serve = inside();
    serve.args(["busybox", "httpd", "-f", "-p", &format!("{address}:80"), "-h", "/etc"]);
    serve.stdout(Stdio::null()).spawn().context("nothing serves at the node")
}

/// Waits until the workspace finds a target open, or shut: an engine follows what is declared a moment later.
async fn becomes(berth: &Installation, from: &Workspace, target: &str, open: bool) -> anyhow::Result<()> {
    let begin = Instant::now();
    while is_open(berth, from, target).await? != open {
        ensure!(
            begin.elapsed() < PATIENCE,
            "{target} does not become {}",
            if open { "open" } else { "shut" }
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_workspace_reaches_nothing_of_the_cluster_and_only_the_proxy_reaches_it() -> anyhow::Result<()> {
    let Some(berth) = Installation::start_alone().await? else {
        return Ok(());
    };
    let (one, two) = (workspace(&berth, "one").await?, workspace(&berth, "two").await?);
    let unheld = Unheld::start(&berth, &unique("unheld"), 8080).await?;
    let dns = Unheld::start(&berth, "kube-system", 53).await?;
    let _metadata = serve_at_the_node(berth.cluster, METADATA).await?;
    let _private = serve_at_the_node(berth.cluster, PRIVATE).await?;
    let listener = tokio::net::TcpListener::bind((berth.cluster.host_address(), 0)).await?;
    let machine = listener.local_addr()?;
    // Accepted and closed.
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });

    let services = Api::<Service>::namespaced(berth.view.client(), two.namespace.as_str());
    let service = services.get(two.name.as_str()).await?.spec.and_then(|spec| spec.cluster_ip);
    let api = Api::<Service>::namespaced(berth.view.client(), "default");
    let api = api.get("kubernetes").await?.spec.and_then(|spec| spec.cluster_ip).context("no address")?;
    let (two_address, node) = (berth.view.pod_address(&two).await?, berth.cluster.node_address());

    // The others' ports, closed to everybody but the proxy.
    let guarded = [format!("http://{two_address}:8080"), format!("http://{}:8080", service.context("none")?)];
    // Closed to workspaces alone.
    let closed = [
        format!("http://{}:8080", unheld.address),
        format!("https://{node}:10250"),
        format!("https://{node}:6443"),
        format!("https://{api}:443"),
        format!("http://{METADATA}:80"),
        format!("http://{PRIVATE}:80"),
        format!("http://{machine}"),
    ];
    for target in &closed {
        let found = berth.view.exec_in(&unheld.namespace, "unheld", &knock(target)).await?;
        assert_eq!(found, b"open\n", "{target} is not there: that it is closed to workspaces shows nothing");
    }
    for target in &guarded {
        let found = berth.view.exec_in(&unheld.namespace, "unheld", &knock(target)).await?;
        assert_eq!(found, b"shut\n", "a pod of another namespace reaches a workspace at {target}");
    }
    for target in guarded.iter().chain(&closed) {
        assert!(!is_open(&berth, &one, target).await?, "a workspace reaches {target}");
    }
    // What pods of one bridge could reach without anybody's doing.
    let hardware = berth.view.exec(&two, "cat /sys/class/net/eth0/address").await?;
    let neighbour = link_local(std::str::from_utf8(&hardware)?)?;
    let table = berth.view.exec(&one, "grep -v Flags /proc/net/arp | awk '{print $4}' | sort -u").await?;
    let node = std::str::from_utf8(&table)?.lines().map(link_local).collect::<Result<Vec<_>, _>>()?;
    ensure!(!node.is_empty(), "no neighbour is known");
    for host in node.iter().chain([&neighbour]) {
        for target in
            [format!("http://{host}:8080"), format!("https://{host}:10250"), format!("https://{host}:6443")]
        {
            assert!(!is_open(&berth, &one, &format!("'{target}'")).await?, "a workspace reaches {target}");
        }
    }
    let from_here = tokio::net::TcpStream::connect(format!("{two_address}:8080"));
    let from_here = tokio::time::timeout(Duration::from_secs(3), from_here).await;
    assert!(!matches!(from_here, Ok(Ok(_))), "the machine reaches a workspace");
    berth.view.exec(&two, "echo let in > /projects/note").await?;
    assert_eq!(berth.view.http_get(&two, 8080, "/note").await?, "let in\n");

    // DNS is where the names are resolved, and nothing else there.
    becomes(&berth, &one, &format!("http://{}:53", dns.address), true).await?;
    // What is declared is open, a moment later, and nothing beside it.
    berth.let_out_to_this_machine("agent").await?;
    becomes(&berth, &one, &format!("http://{machine}"), true).await?;
    for target in guarded.iter().chain(&closed).filter(|target| **target != format!("http://{machine}")) {
        assert!(!is_open(&berth, &one, target).await?, "a workspace reaches {target}");
    }
    unheld.remove(&berth).await?;
    dns.remove(&berth).await
}

#[tokio::test]
async fn a_policy_that_is_switched_off_is_pruned_and_one_that_is_switched_on_holds_again()
-> anyhow::Result<()> {
    let Some(berth) = Installation::start_with_open_networks().await? else {
        return Ok(());
    };
    let (one, two) = (workspace(&berth, "from").await?, workspace(&berth, "to").await?);
    let to = SocketAddr::new(berth.view.pod_address(&two).await?.parse()?, 8080);
    let target = format!("http://{to}");
    assert!(!is_open(&berth, &one, &target).await?, "closed from the beginning");
    let policies = |workspace: &Workspace| {
        Api::<NetworkPolicy>::namespaced(berth.view.client(), workspace.namespace.as_str())
    };
    for (enabled, open) in [(false, true), (true, false)] {
        let document = json!({ "network_policy": { "enabled": enabled } });
        let set = berth.admin.put("agents/agent/configuration", &document).await?;
        set.expect::<serde_json::Value>()?;
        becomes(&berth, &one, &target, open).await?;
        for workspace in [&one, &two] {
            let begin = Instant::now();
            while policies(workspace).list(&ListParams::default()).await?.items.is_empty() == enabled {
                ensure!(begin.elapsed() < PATIENCE, "the policy is not what it should be");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    Ok(())
}
