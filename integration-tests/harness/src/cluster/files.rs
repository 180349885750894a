//! The configuration files of a node's programs. The reasons for the settings that are not Kubernetes' own defaults stand beside
//! them.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::plan::{Place, Plan};

/// The image of a pod's sandbox, which containerd takes by name. It is imported before the first pod.
pub const SANDBOX_IMAGE: &str = "localhost/berth/pause:dev";

/// Writes the files below `etc/`, which only a node's programs read. JSON is YAML.
pub(super) fn write(plan: &Plan, dir: &Path) -> anyhow::Result<()> {
    let Some(place) = &plan.place else { return Ok(()) };
    let etc = dir.join("etc");
    fs::create_dir_all(etc.join("cni")).with_context(|| format!("{} cannot be made", etc.display()))?;
    let files = [
        ("kubelet.yaml", format!("{:#}", kubelet(plan, place))),
        ("kube-proxy.yaml", format!("{:#}", kube_proxy(plan, place))),
        ("containerd.toml", containerd(plan)),
        ("cni/10-bridge.conflist", format!("{:#}", bridge(place))),
        // The cluster has no name server, and the host's may be on an address that pods do not reach.
        ("resolv.conf", String::new()),
    ];
    for (name, text) in files {
        fs::write(etc.join(name), text).with_context(|| format!("{name} cannot be written"))?;
    }
    Ok(())
}

fn kubelet(plan: &Plan, place: &Place) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": plan.path("pki/ca.crt") },
        },
        "authorization": { "mode": "Webhook" },
        "tlsCertFile": plan.path("pki/kubelet-server.crt"),
        "tlsPrivateKeyFile": plan.path("pki/kubelet-server.key"),
        "containerRuntimeEndpoint": format!("unix://{}", plan.path("containerd.sock")),
        "resolvConf": plan.path("etc/resolv.conf"),
        "podLogsDir": plan.path("pod-logs"),
        "volumePluginDir": plan.path("volume-plugins"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", place.cgroup()),
        // Machines with version 1 of cgroups still build this.
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        "evictionHard": { "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
        // An image that was imported cannot be pulled again.
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": false,
        "maxPods": 200,
        "serializeImagePulls": false,
        "registryPullQPS": 0,
        "nodeLeaseDurationSeconds": 40,
        "shutdownGracePeriod": "0s",
    })
}

fn kube_proxy(plan: &Plan, place: &Place) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": place.pods(),
        "hostnameOverride": plan.node_name(),
        "clientConnection": { "kubeconfig": plan.path("kube-proxy.kubeconfig") },
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        // The limits of connection tracking belong to the machine.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    })
}

/// No masquerading: the host has a route to the pods, so each sees the other's own address.
///
/// Without IPv6: every interface would have a link-local address by itself, by which pods of one bridge reach each other and the
/// node. Nobody made that a part of the cluster, and an engine that is told of IPv4 alone holds no policy there.
fn bridge(place: &Place) -> Value {
    let mut network = json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": place.pods() }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
                // Leases end with the pods, that is with the cluster.
                "dataDir": "/run/cni",
            },
        }],
    });
    if super::network::has_ipv6()
        && let Some(plugins) = network["plugins"].as_array_mut()
    {
        let off = json!({ "net.ipv6.conf.all.disable_ipv6": "1", "net.ipv6.conf.default.disable_ipv6": "1" });
        plugins.push(json!({ "type": "tuning", "sysctl": off }));
    }
    network
}

fn containerd(plan: &Plan) -> String {
    let socket = plan.path("containerd.sock");
    let root = plan.path("containerd");
    let configs = plan.path("etc/cni");
    let programs = plan.node_programs.display();
    format!(
        r#"version = 3
root = "{root}"
state = "/run/containerd"

[grpc]
  address = "{socket}"

[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "{SANDBOX_IMAGE}"

[plugins.'io.containerd.cri.v1.runtime']
  # Without CAP_SYS_RESOURCE a score may not be lowered, and each sandbox would fail.
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "runc"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        BinaryName = "{programs}/runc"
        SystemdCgroup = false
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["{programs}"]
    conf_dir = "{configs}"
"#
    )
}
