//! What a cluster is, decided before anything starts: addresses, ports and paths.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use super::inside::Namespaces;
use crate::binaries::Binaries;

/// What the caller wants.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Names the kubeconfig's context (`berth-<name>`) and the node.
    pub name: String,
    /// Everything of the cluster is kept below this directory.
    pub dir: PathBuf,
    /// Whether a later start in the same directory finds the objects and volumes again. Without it etcd does not even
    /// wait for the disk.
    pub keep_data: bool,
    /// Whether it outlives this process. Otherwise it ends with it, however it ends.
    pub detached: bool,
    pub node: Node,
}

/// What runs pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// The control plane alone.
    None,
    /// A node that enforces NetworkPolicy. It needs root.
    Full,
    /// A node without an engine for NetworkPolicy: such clusters exist, and accept the objects all the same.
    WithoutPolicy,
}

impl Node {
    /// The whole one where this process may have one.
    pub fn if_possible() -> Self {
        if crate::process::is_root() { Self::Full } else { Self::None }
    }
}

/// How many clusters there may be on one machine at once.
pub(super) const SLOTS: u8 = 64;

/// What a cluster has of the machine that no other has: addresses, an interface and a cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub slot: u8,
    /// The second number of the cable's addresses; the pods' and the Services' follow it.
    base: u8,
    /// Drawn: tells what is this cluster's from what an earlier one of the slot had.
    id: String,
}

impl Place {
    /// 10.88, 10.89 and 10.90.
    pub(super) const FIRST_BASE: u8 = 88;
    /// Where something else of the machine is at the first: podman's own network is 10.88.0.0/16.
    pub(super) const BASES: [u8; 2] = [Self::FIRST_BASE, 213];

    pub(super) fn new(slot: u8, base: u8) -> anyhow::Result<Self> {
        let mut bytes = [0; 8];
        SystemRandom::new().fill(&mut bytes).ok().context("the machine has no randomness")?;
        Ok(Self { slot, base, id: format!("{:016x}", u64::from_be_bytes(bytes)) })
    }

    /// The host's interface. The kernel allows 15 characters.
    pub(super) fn interface(&self) -> String {
        format!("berth{}", self.slot)
    }

    /// What the host's interface is marked with.
    pub(super) fn mark(&self) -> String {
        format!("berth cluster {}", self.id)
    }

    /// The cgroup of the pods, below the top of each hierarchy.
    pub(super) fn cgroup(&self) -> String {
        format!("berth{}-{}", self.slot, self.id)
    }

    pub(super) fn host_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.base, self.slot, 1)
    }

    pub(super) fn node_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.base, self.slot, 2)
    }

    pub(super) fn pods(&self) -> String {
        format!("10.{}.{}.0/24", self.base + 1, self.slot)
    }

    pub(super) fn services(&self) -> String {
        format!("10.{}.{}.0/24", self.base + 2, self.slot)
    }

    /// The address of the Service `kubernetes`: Kubernetes takes the range's first.
    pub(super) fn first_service(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.base + 2, self.slot, 1)
    }
}

/// What the supervisor needs to know. Paths are those inside the cluster's namespaces.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub name: String,
    pub keep_data: bool,
    pub detached: bool,
    /// What the cluster has of the machine; a control plane without a node has nothing.
    pub place: Option<Place>,
    /// The namespaces that were made for it; none without a node.
    pub namespaces: Option<Namespaces>,
    pub ports: Ports,
    pub control_plane_programs: PathBuf,
    pub node_programs: PathBuf,
    /// The engine for NetworkPolicy; `None` in a cluster that enforces none.
    pub network_policy_programs: Option<PathBuf>,
    /// `berth-dev` itself, which is the volume provisioner too.
    pub own_program: PathBuf,
    /// The cluster's directory as the host sees it.
    pub host_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ports {
    pub api: u16,
    pub etcd: u16,
    pub etcd_peer: u16,
}

impl Ports {
    /// Alone in a network namespace every port is free.
    const ALONE: Self = Self { api: 6443, etcd: 2379, etcd_peer: 2380 };

    /// Ports that were free a moment ago.
    fn free() -> anyhow::Result<Self> {
        let listeners: Vec<TcpListener> = (0..3)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .collect::<Result<_, _>>()
            .context("no free port")?;
        let port = |index: usize| -> anyhow::Result<u16> { Ok(listeners[index].local_addr()?.port()) };
        Ok(Self { api: port(0)?, etcd: port(1)?, etcd_peer: port(2)? })
    }
}

impl Plan {
    pub(super) fn new(
        config: &ClusterConfig,
        node: Option<(Place, Namespaces)>,
        binaries: &Binaries,
    ) -> anyhow::Result<Self> {
        let (place, namespaces) = node.unzip();
        Ok(Self {
            name: config.name.clone(),
            keep_data: config.keep_data,
            detached: config.detached,
            ports: if place.is_some() { Ports::ALONE } else { Ports::free()? },
            place,
            namespaces,
            control_plane_programs: binaries.control_plane.clone(),
            node_programs: binaries.node.clone(),
            network_policy_programs: (config.node == Node::Full).then(|| binaries.network_policy.clone()),
            own_program: crate::paths::program("berth-dev")?,
            host_dir: config.dir.clone(),
        })
    }

    /// Whether it runs pods.
    pub fn has_node(&self) -> bool {
        self.place.is_some()
    }

    /// The cluster's directory as its own processes see it. Short, because the paths of sockets must be.
    pub fn root(&self) -> &Path {
        if self.has_node() { Path::new("/run/berth") } else { &self.host_dir }
    }

    pub fn path(&self, below: &str) -> String {
        self.root().join(below).display().to_string()
    }

    /// The kubeconfig's context.
    pub fn context(&self) -> String {
        format!("berth-{}", self.name)
    }

    pub fn node_name(&self) -> String {
        format!("{}-node", self.name)
    }

    /// The host's end of the cable between host and cluster: where pods find what runs on the host.
    pub fn host_address(&self) -> IpAddr {
        self.place.as_ref().map_or(Ipv4Addr::LOCALHOST, Place::host_address).into()
    }

    /// The cluster's end: the node, with the API server on it.
    pub fn node_address(&self) -> IpAddr {
        self.place.as_ref().map_or(Ipv4Addr::LOCALHOST, Place::node_address).into()
    }

    /// Without a node nobody routes to it, and there is room for as many workspaces as a measurement makes.
    pub fn services(&self) -> String {
        self.place.as_ref().map_or_else(|| "10.90.0.0/16".to_owned(), Place::services)
    }

    /// The address of the Service `kubernetes`.
    pub fn first_service_address(&self) -> IpAddr {
        self.place.as_ref().map_or(Ipv4Addr::new(10, 90, 0, 1), Place::first_service).into()
    }

    pub fn api_url(&self) -> String {
        format!("https://{}:{}", self.node_address(), self.ports.api)
    }
}
