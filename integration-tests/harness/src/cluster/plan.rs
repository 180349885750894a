//! What a cluster is, decided before anything starts: addresses, ports and paths.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

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
    /// Whether there is a node that runs pods. It needs root.
    pub node: bool,
}

/// How many clusters there may be on one machine at once.
pub(super) const SLOTS: u8 = 64;

/// What the supervisor needs to know. Paths are those inside the cluster's namespaces.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub name: String,
    pub node: bool,
    pub keep_data: bool,
    pub detached: bool,
    /// Which of the address ranges, interface names and cgroups is this cluster's. 0 without a node.
    pub slot: u8,
    pub ports: Ports,
    pub control_plane_programs: PathBuf,
    pub node_programs: PathBuf,
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
    pub(super) fn new(config: &ClusterConfig, slot: u8, binaries: &Binaries) -> anyhow::Result<Self> {
        Ok(Self {
            name: config.name.clone(),
            node: config.node,
            keep_data: config.keep_data,
            detached: config.detached,
            slot,
            ports: if config.node { Ports::ALONE } else { Ports::free()? },
            control_plane_programs: binaries.control_plane.clone(),
            node_programs: binaries.node.clone(),
            own_program: crate::paths::program("berth-dev")?,
            host_dir: config.dir.clone(),
        })
    }

    /// The cluster's directory as its own processes see it. Short, because the paths of sockets must be.
    pub fn root(&self) -> &Path {
        if self.node { Path::new("/run/berth") } else { &self.host_dir }
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
        if self.node { Ipv4Addr::new(10, 88, self.slot, 1).into() } else { Ipv4Addr::LOCALHOST.into() }
    }

    /// The cluster's end: the node, with the API server on it.
    pub fn node_address(&self) -> IpAddr {
        if self.node { Ipv4Addr::new(10, 88, self.slot, 2).into() } else { Ipv4Addr::LOCALHOST.into() }
    }

    pub fn pods(&self) -> String {
        format!("10.89.{}.0/24", self.slot)
    }

    /// Without a node nobody routes to it, and there is room for as many workspaces as a measurement makes.
    pub fn services(&self) -> String {
        if self.node { format!("10.90.{}.0/24", self.slot) } else { "10.90.0.0/16".to_owned() }
    }

    /// The address of the Service `kubernetes`: Kubernetes takes the range's first.
    pub fn first_service_address(&self) -> IpAddr {
        Ipv4Addr::new(10, 90, self.slot, 1).into()
    }

    pub fn api_url(&self) -> String {
        format!("https://{}:{}", self.node_address(), self.ports.api)
    }

    /// The host's interface, and the cgroup of the cluster's pods.
    pub fn slot_name(&self) -> String {
        slot_name(self.slot)
    }
}

pub(super) fn slot_name(slot: u8) -> String {
    format!("berth{slot}")
}
