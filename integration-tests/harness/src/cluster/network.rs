//! The cable between host and cluster: a veth pair, one end in the cluster's network namespace.
//!
//! The host's firewall and forwarding are left alone. The pair and its routes go with the namespace, so there is nothing to
//! remove.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;

use super::inside::Inside;
use super::plan::{Place, Plan};
use crate::command::{command, output};

async fn ip(arguments: &str) -> anyhow::Result<String> {
    let mut ip = command("ip");
    output(ip.args(arguments.split(' ')).env("PATH", SYSTEM_PATH)).await
}

/// Programs of administrators are not in everyone's PATH.
pub(super) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn interface_exists(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).exists()
}

/// Gives for a slot the first of the address ranges that nothing else of this machine is at, if there is one.
pub(super) async fn free_base() -> anyhow::Result<impl Fn(u8) -> Option<u8>> {
    let routes = ip("-4 route show table all").await?;
    let routes: Vec<Prefix> = routes.lines().filter_map(Prefix::of_route).collect();
    Ok(move |slot: u8| {
        let free = |base: &u8| !routes.iter().any(|route| route.takes(*base, slot));
        let base = Place::BASES.into_iter().find(free);
        base.filter(|_| !interface_exists(&format!("berth{slot}")))
    })
}

/// A range of addresses: the first, and how many bits of it count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Prefix {
    first: Ipv4Addr,
    bits: u8,
}

impl Prefix {
    /// Routes that are wider than this are ways to everything, such as a company's network, and not a network beside this one.
    const WIDE: u8 = 11;

    /// The destination of a line of `ip route`; `None` for the default route, and for what is no route to a place.
    fn of_route(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let mut destination = words.next()?;
        if ["local", "broadcast", "multicast", "unreachable", "blackhole", "prohibit", "throw", "nat"]
            .contains(&destination)
        {
            destination = words.next()?;
        }
        let (first, bits) = destination.split_once('/').unwrap_or((destination, "32"));
        Some(Self { first: first.parse().ok()?, bits: bits.parse().ok().filter(|bits| *bits <= 32)? })
    }

    /// Whether it holds an address that a cluster of this place would take.
    fn takes(self, base: u8, slot: u8) -> bool {
        let ours = (0..3).map(|net| Self { first: Ipv4Addr::new(10, base + net, slot, 0), bits: 24 });
        self.bits > Self::WIDE && ours.into_iter().any(|one| one.overlaps(self))
    }

    fn overlaps(self, other: Self) -> bool {
        let shift = 32 - u32::from(self.bits.min(other.bits));
        let top = |prefix: Self| u32::from(prefix.first).checked_shr(shift).unwrap_or_default();
        top(self) == top(other)
    }
}

/// Lays the cable into the namespace of process `pid`.
pub(super) async fn connect(pid: u32, place: &Place) -> anyhow::Result<()> {
    let name = place.interface();
    // The kernel takes a moment to remove the interface of a cluster that was killed.
    for _ in 0..100 {
        if !interface_exists(&name) {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    let laid = cable(pid, place).await;
    if laid.is_err() {
        disconnect(place);
    }
    laid.with_context(|| format!("the addresses {}/30 cannot be had", place.host_address()))
}

async fn cable(pid: u32, place: &Place) -> anyhow::Result<()> {
    let (name, host, node) = (place.interface(), place.host_address(), place.node_address());
    ip(&format!("link add {name} type veth peer name eth0 netns {pid}")).await?;
    // By this mark the interface is known as this cluster's, whatever took its name since.
    fs::write(mark_file(&name), place.mark()).context("the interface cannot be marked")?;
    ip(&format!("address add {host}/30 dev {name}")).await?;
    ip(&format!("link set {name} up")).await?;
    for net in [place.pods(), place.services()] {
        // Until the cluster's end is up the gateway cannot be seen to be on the link.
        ip(&format!("route add {net} via {node} dev {name} onlink")).await?;
    }
    Ok(())
}

fn mark_file(interface: &str) -> PathBuf {
    Path::new("/sys/class/net").join(interface).join("ifalias")
}

/// Removes the cable at once, if it is still this cluster's. The kernel would do it too, a while after the last process.
pub(super) fn disconnect(place: &Place) {
    let name = place.interface();
    if !fs::read_to_string(mark_file(&name)).is_ok_and(|mark| mark.trim_end() == place.mark()) {
        return;
    }
    let mut ip = std::process::Command::new("ip");
    ip.args(["link", "delete", &name]).env("PATH", SYSTEM_PATH).stderr(std::process::Stdio::null());
    // Refused when the kernel was quicker.
    let _ = ip.status();
}

const IPV6: &str = "/proc/sys/net/ipv6";

/// Whether this kernel has IPv6, which the cluster does without.
pub(super) fn has_ipv6() -> bool {
    Path::new(IPV6).exists()
}

/// The cluster's end, set up from inside its namespace.
pub(super) async fn configure_inside(plan: &Plan, _: Inside) -> anyhow::Result<()> {
    for _ in 0..200 {
        if Path::new("/proc/self/net/dev").exists()
            && fs::read_to_string("/proc/self/net/dev")?.contains("eth0:")
        {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    if has_ipv6() {
        for interfaces in ["all", "default"] {
            fs::write(format!("{IPV6}/conf/{interfaces}/disable_ipv6"), "1")
                .context("IPv6 cannot be switched off in the cluster's namespace")?;
        }
    }
    ip("link set lo up").await?;
    ip(&format!("address add {}/30 dev eth0", plan.node_address())).await?;
    ip("link set eth0 up").await?;
    ip(&format!("route add default via {}", plan.host_address())).await?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("the cluster's namespace cannot forward")?;
    if plan.network_policy_programs.is_some() {
        // Pods of one node talk over the bridge, which shows the firewall nothing unless it is told to.
        let bridged = "/proc/sys/net/bridge/bridge-nf-call-iptables";
        fs::write(bridged, "1")
            .with_context(|| format!("{bridged} cannot be set: NetworkPolicy needs br_netfilter"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(route: &str, base: u8, slot: u8) -> bool {
        Prefix::of_route(route).is_some_and(|route| route.takes(base, slot))
    }

    #[test]
    fn a_network_of_the_machine_is_never_shadowed() {
        let podman = "10.88.0.0/16 dev podman0 proto kernel scope link src 10.88.0.1";
        assert!(
            takes(podman, 88, 0) && takes(podman, 88, 63),
            "every slot of the first ranges is in podman's"
        );
        assert!(!takes(podman, 213, 0));
        assert!(takes("10.90.7.0/24 via 10.1.0.1 dev eth0", 88, 7), "the Services' range");
        assert!(!takes("10.90.7.0/24 via 10.1.0.1 dev eth0", 88, 6));
        assert!(takes("local 10.89.3.9 dev lo table local", 88, 3), "a single address");
        assert!(!takes("110.88.1.0/24 dev eth0", 88, 1), "another network that looks like it");
    }

    #[test]
    fn a_way_to_everything_is_no_network_of_the_machine() {
        for route in
            ["default via 10.0.2.2 dev eth0", "10.0.0.0/8 via 10.0.2.2 dev tun0", "fe80::/64 dev eth0", ""]
        {
            assert!(!takes(route, 88, 0), "{route}");
        }
    }
}
