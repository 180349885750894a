//! The cable between host and cluster: a veth pair, one end in the cluster's network namespace.
//!
//! The host's firewall and forwarding are left alone. The pair and its routes go with the namespace, so there is nothing to
//! remove.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::sleep;

use super::plan::{Plan, SLOTS, slot_name};
use crate::command::{command, output};

async fn ip(arguments: &str) -> anyhow::Result<String> {
    let mut ip = command("ip");
    output(ip.args(arguments.split(' ')).env("PATH", SYSTEM_PATH)).await
}

/// Programs of administrators are not in everyone's PATH.
pub(super) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether a living cluster of this machine has the slot.
pub(super) fn slot_is_taken(slot: u8) -> bool {
    Path::new("/sys/class/net").join(slot_name(slot)).exists()
}

/// Connects the namespace of process `pid` and gives the slot. Making the interface is what takes a slot: the kernel lets
/// only one process do it.
///
/// `wanted` is the slot of kept data, whose addresses are written in it.
pub(super) async fn connect(pid: u32, wanted: Option<u8>) -> anyhow::Result<u8> {
    if let Some(slot) = wanted {
        // The kernel takes a moment to remove the interface of a cluster that was killed.
        for _ in 0..100 {
            if !slot_is_taken(slot) {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        cable(pid, slot).await.with_context(|| {
            format!("the kept data needs the addresses 10.88.{slot}.0/30, which are taken: stop that cluster, or purge this one")
        })?;
        return Ok(slot);
    }
    let routes = ip("-4 route show table all").await?;
    for slot in 0..SLOTS {
        let conflict = [88, 89, 90].iter().any(|net| routes.contains(&format!("10.{net}.{slot}.")));
        if !conflict && !slot_is_taken(slot) && cable(pid, slot).await.is_ok() {
            return Ok(slot);
        }
    }
    bail!("none of the {SLOTS} address ranges 10.88.0.0/30 to 10.88.{}.0/30 is free", SLOTS - 1)
}

async fn cable(pid: u32, slot: u8) -> anyhow::Result<()> {
    let name = slot_name(slot);
    ip(&format!("link add {name} type veth peer name eth0 netns {pid}")).await?;
    ip(&format!("address add 10.88.{slot}.1/30 dev {name}")).await?;
    ip(&format!("link set {name} up")).await?;
    for net in [89, 90] {
        // Until the cluster's end is up the gateway cannot be seen to be on the link.
        ip(&format!("route add 10.{net}.{slot}.0/24 via 10.88.{slot}.2 dev {name} onlink")).await?;
    }
    Ok(())
}

/// Removes the cable at once. The kernel would do it too, a while after the last process.
pub(super) fn disconnect(slot: u8) {
    let mut ip = std::process::Command::new("ip");
    ip.args(["link", "delete", &slot_name(slot)])
        .env("PATH", SYSTEM_PATH)
        .stderr(std::process::Stdio::null());
    // Refused when the kernel was quicker.
    let _ = ip.status();
}

/// The cluster's end, set up from inside its namespace.
pub(super) async fn configure_inside(plan: &Plan) -> anyhow::Result<()> {
    for _ in 0..200 {
        if Path::new("/proc/self/net/dev").exists()
            && fs::read_to_string("/proc/self/net/dev")?.contains("eth0:")
        {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    ip("link set lo up").await?;
    ip(&format!("address add {}/30 dev eth0", plan.node_address())).await?;
    ip("link set eth0 up").await?;
    ip(&format!("route add default via {}", plan.host_address())).await?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("the cluster's namespace cannot forward")
}
