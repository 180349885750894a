//! Proof of standing in a cluster's own namespaces.
//!
//! What signals processes or takes mounts away goes by what `/proc` shows. In the machine's own namespaces that would be
//! everybody's, so such a function takes an [`Inside`], which cannot be had there.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, bail, ensure};
use rustix::process::getpid;
use serde::{Deserialize, Serialize};

use crate::process::ProcessId;

/// The namespaces of a process, by their inodes: the kernel gives no two living ones the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    pid: u64,
    mount: u64,
    network: u64,
}

impl Namespaces {
    /// Those of a process; `of("self")` is this one.
    fn of(process: &str) -> anyhow::Result<Self> {
        let inode = |kind: &str| {
            let path = format!("/proc/{process}/ns/{kind}");
            fs::metadata(&path).map(|found| found.ino()).with_context(|| format!("{path} cannot be read"))
        };
        Ok(Self { pid: inode("pid")?, mount: inode("mnt")?, network: inode("net")? })
    }

    /// Those of the init process that this process made for a cluster.
    ///
    /// # Errors
    /// When one of them is this process's own: nothing of a cluster may happen there.
    pub(super) fn of_cluster(init: ProcessId) -> anyhow::Result<Self> {
        let (theirs, own) = (Self::of(&init.pid.to_string())?, Self::of("self")?);
        let shared = theirs.pid == own.pid || theirs.mount == own.mount || theirs.network == own.network;
        ensure!(!shared, "the cluster shares a namespace with the process that starts it");
        Ok(theirs)
    }
}

/// This process is in the namespaces that were made for its cluster, and its `/proc` shows them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside(());

impl Inside {
    /// Looks whether this process is in `made`.
    pub(super) fn prove(made: Namespaces) -> anyhow::Result<Self> {
        ensure!(Namespaces::of("self")? == made, "this process is not in the cluster's namespaces");
        // A `/proc` of the machine would show the machine's processes.
        let first = fs::metadata("/proc/1/ns/pid").context("/proc shows no first process")?;
        if first.ino() != made.pid {
            bail!("/proc is not that of the cluster's namespace");
        }
        Ok(Self(()))
    }

    /// All processes of the cluster but its first and this one.
    #[expect(clippy::unused_self, reason = "without the proof these would be the machine's")]
    pub(super) fn processes(self) -> Vec<ProcessId> {
        let own = getpid().as_raw_nonzero().get().unsigned_abs();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| *pid != 1 && *pid != own).filter_map(ProcessId::of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_namespaces_are_no_clusters() {
        let own = Namespaces::of("self").expect("they are readable");
        let other = Namespaces { pid: own.pid + 1, ..own };
        Inside::prove(other).expect_err("another PID namespace than this one");
        let this = ProcessId::of(std::process::id()).expect("it runs");
        Namespaces::of_cluster(this).expect_err("a cluster that was given no namespaces");
    }
}
