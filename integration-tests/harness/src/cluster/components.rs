//! The programs of a cluster and their arguments.

use std::path::{Path, PathBuf};

use super::plan::Plan;

/// One program that the supervisor runs.
#[derive(Clone, Debug)]
pub(super) struct Component {
    pub(super) name: &'static str,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
}

/// When a component may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// At once.
    First,
    /// When the API server is ready: the controllers need its bootstrap roles.
    WithApi,
    /// When the node is registered: who looks at its own node at its start ends without it.
    WithNode,
}

pub(super) const ETCD: &str = "etcd";
pub(super) const API_SERVER: &str = "kube-apiserver";
pub(super) const KUBELET: &str = "kubelet";
pub(super) const KUBE_ROUTER: &str = "kube-router";

/// In the order of starting. [`STOP_ORDER`] is not simply the reverse.
pub(super) fn components(plan: &Plan) -> Vec<(Phase, Component)> {
    let mut all = vec![(Phase::First, etcd(plan)), (Phase::First, api_server(plan))];
    if plan.has_node() {
        all.push((Phase::First, containerd(plan)));
    }
    all.push((Phase::WithApi, controller_manager(plan)));
    all.push((Phase::WithApi, scheduler(plan)));
    if plan.has_node() {
        all.push((Phase::WithApi, kubelet(plan)));
        all.push((Phase::WithApi, kube_proxy(plan)));
        all.push((Phase::WithApi, volume_provisioner(plan)));
    }
    if let (Some(_), Some(programs)) = (&plan.place, &plan.network_policy_programs) {
        all.push((Phase::WithNode, kube_router(plan, programs)));
    }
    all
}

/// What must still be there when another stops: the kubelet reports to the API server, and an API server whose etcd has gone
/// first hangs. The pods' processes end between the kubelet and containerd.
pub(super) const STOP_ORDER: [&str; 9] = [
    KUBE_ROUTER,
    "kube-proxy",
    "volume-provisioner",
    KUBELET,
    "containerd",
    "kube-scheduler",
    "kube-controller-manager",
    API_SERVER,
    ETCD,
];

fn component<const N: usize>(name: &'static str, program: PathBuf, arguments: [String; N]) -> Component {
    Component { name, program, arguments: arguments.into() }
}

fn etcd(plan: &Plan) -> Component {
    let client = format!("https://127.0.0.1:{}", plan.ports.etcd);
    let peer = format!("http://127.0.0.1:{}", plan.ports.etcd_peer);
    component(
        ETCD,
        plan.node_programs.join("server"),
        [
            format!("--data-dir={}", plan.path("etcd")),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            format!("--cert-file={}", plan.path("pki/etcd.crt")),
            format!("--key-file={}", plan.path("pki/etcd.key")),
            format!("--trusted-ca-file={}", plan.path("pki/ca.crt")),
            "--client-cert-auth".to_owned(),
            "--log-level=warn".to_owned(),
            // What nobody will read again need not reach the disk.
            format!("--unsafe-no-fsync={}", !plan.keep_data),
        ],
    )
}

fn api_server(plan: &Plan) -> Component {
    // Without a node there is no address that pods could reach, and loopback is refused as an endpoint.
    let reconciler = if plan.has_node() { "lease" } else { "none" };
    let bind = if plan.has_node() { "0.0.0.0" } else { "127.0.0.1" };
    component(
        API_SERVER,
        plan.control_plane_programs.join(API_SERVER),
        [
            format!("--etcd-servers=https://127.0.0.1:{}", plan.ports.etcd),
            format!("--etcd-cafile={}", plan.path("pki/ca.crt")),
            format!("--etcd-certfile={}", plan.path("pki/api-server-client.crt")),
            format!("--etcd-keyfile={}", plan.path("pki/api-server-client.key")),
            format!("--bind-address={bind}"),
            format!("--secure-port={}", plan.ports.api),
            format!("--advertise-address={}", plan.node_address()),
            format!("--endpoint-reconciler-type={reconciler}"),
            format!("--service-cluster-ip-range={}", plan.services()),
            format!("--client-ca-file={}", plan.path("pki/ca.crt")),
            format!("--tls-cert-file={}", plan.path("pki/api-server.crt")),
            format!("--tls-private-key-file={}", plan.path("pki/api-server.key")),
            format!("--kubelet-certificate-authority={}", plan.path("pki/ca.crt")),
            format!("--kubelet-client-certificate={}", plan.path("pki/api-server-client.crt")),
            format!("--kubelet-client-key={}", plan.path("pki/api-server-client.key")),
            // The node's name cannot be resolved; exec and logs go by address.
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", plan.path("pki/service-accounts.pub")),
            format!("--service-account-signing-key-file={}", plan.path("pki/service-accounts.key")),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--profiling=false".to_owned(),
            // Otherwise a stop waits a minute for the watches of others.
            "--shutdown-delay-duration=0s".to_owned(),
        ],
    )
}

fn kubeconfig(plan: &Plan, name: &str) -> String {
    format!("--kubeconfig={}", plan.path(&format!("{name}.kubeconfig")))
}

fn controller_manager(plan: &Plan) -> Component {
    component(
        "kube-controller-manager",
        plan.control_plane_programs.join("kube-controller-manager"),
        [
            kubeconfig(plan, "kube-controller-manager"),
            format!("--service-account-private-key-file={}", plan.path("pki/service-accounts.key")),
            format!("--root-ca-file={}", plan.path("pki/ca.crt")),
            "--use-service-account-credentials=true".to_owned(),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            // The default of 20 requests a second makes fifty workspaces at once wait for the controllers.
            "--kube-api-qps=200".to_owned(),
            "--kube-api-burst=400".to_owned(),
            "--profiling=false".to_owned(),
        ],
    )
}

fn scheduler(plan: &Plan) -> Component {
    component(
        "kube-scheduler",
        plan.control_plane_programs.join("kube-scheduler"),
        [
            kubeconfig(plan, "kube-scheduler"),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            "--profiling=false".to_owned(),
        ],
    )
}

fn containerd(plan: &Plan) -> Component {
    component(
        "containerd",
        plan.node_programs.join("containerd"),
        [format!("--config={}", plan.path("etc/containerd.toml"))],
    )
}

fn kubelet(plan: &Plan) -> Component {
    component(
        KUBELET,
        plan.control_plane_programs.join(KUBELET),
        [
            kubeconfig(plan, KUBELET),
            format!("--config={}", plan.path("etc/kubelet.yaml")),
            format!("--root-dir={}", plan.path("kubelet")),
            format!("--cert-dir={}", plan.path("kubelet/pki")),
            format!("--hostname-override={}", plan.node_name()),
            // Loopback is refused as a node's address.
            format!("--node-ip={}", plan.node_address()),
        ],
    )
}

fn kube_proxy(plan: &Plan) -> Component {
    component(
        "kube-proxy",
        plan.control_plane_programs.join("kube-proxy"),
        [format!("--config={}", plan.path("etc/kube-proxy.yaml"))],
    )
}

/// The engine for NetworkPolicy alone: routes are the bridge's, Services kube-proxy's.
fn kube_router(plan: &Plan, programs: &Path) -> Component {
    component(
        KUBE_ROUTER,
        programs.join(KUBE_ROUTER),
        [
            kubeconfig(plan, KUBE_ROUTER),
            "--run-firewall=true".to_owned(),
            "--run-router=false".to_owned(),
            "--run-service-proxy=false".to_owned(),
            "--run-loadbalancer=false".to_owned(),
            format!("--hostname-override={}", plan.node_name()),
            format!("--service-cluster-ip-range={}", plan.services()),
            "--metrics-port=0".to_owned(),
            "--health-port=0".to_owned(),
        ],
    )
}

fn volume_provisioner(plan: &Plan) -> Component {
    component(
        "volume-provisioner",
        plan.own_program.clone(),
        [
            "provision-volumes".to_owned(),
            format!("--kubeconfig={}", plan.path("admin.kubeconfig")),
            format!("--directory={}", plan.path("volumes")),
            format!("--node={}", plan.node_name()),
        ],
    )
}
