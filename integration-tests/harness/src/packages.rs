//! Debian packages that the harness calls programs of.

use anyhow::{bail, ensure};

use crate::command::{command, is_installed, output};
use crate::process::is_root;

/// A program and the Debian package that has it.
pub type Need = (&'static str, &'static str);

/// What a cluster with a node calls.
pub const CLUSTER: &[Need] = &[
    ("ip", "iproute2"),
    ("ipset", "ipset"),
    ("iptables", "iptables"),
    ("nft", "nftables"),
    ("tini", "tini"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
];

/// What building images calls.
pub const IMAGES: &[Need] = &[
    ("buildah", "buildah"),
    ("mmdebstrap", "mmdebstrap"),
    ("busybox", "busybox-static"),
    ("tini-static", "tini"),
    ("strip", "binutils"),
];

/// The packages that are missing.
pub fn missing(needs: &[Need]) -> Vec<&'static str> {
    let mut packages: Vec<_> =
        needs.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Says which packages are missing, if any are.
pub fn check(needs: &[Need]) -> anyhow::Result<()> {
    let packages = missing(needs);
    ensure!(
        packages.is_empty(),
        "missing Debian packages: {0}; run `apt-get install {0}` as root",
        packages.join(" ")
    );
    Ok(())
}

/// Installs what is missing where that is possible: as root on a machine that has apt.
///
/// # Errors
/// Where it is not possible: the message names the packages.
pub async fn install(packages: &[&str]) -> anyhow::Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !(is_root() && is_installed("apt-get")) {
        bail!(
            "missing packages: {list}; install them (Debian: `sudo apt-get install {list}`) and run this again"
        );
    }
    let apt = || {
        let mut apt = command("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        apt
    };
    output(apt().arg("update")).await?;
    output(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages)).await?;
    Ok(())
}
