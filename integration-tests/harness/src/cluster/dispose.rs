//! What a cluster whose data is not kept does at its end, from inside: the caller may be gone, and nobody else would do it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Signal, getpid};

use super::cgroups;
use super::plan::Plan;
use crate::process::{ProcessId, pause_blocking};

/// Ends every process of the cluster but init and this one, then removes its cgroup and its directory. Failures are left to the
/// next start, which looks for leftovers.
pub(super) fn everything(plan: &Plan) {
    if plan.node {
        end_all_others();
        unmount_below(plan.root());
        let _ = unmount("/var/log", UnmountFlags::DETACH);
        cgroups::remove(plan.slot);
    }
    let _ = fs::remove_dir_all(&plan.host_dir);
}

/// Shims and whatever the pods left, all within this PID namespace.
fn end_all_others() {
    let own = getpid().as_raw_nonzero().get().unsigned_abs();
    let others = || {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(move |pid| *pid != 1 && *pid != own).filter_map(ProcessId::of)
    };
    for _ in 0..100 {
        if others().map(|process| process.signal(Signal::KILL)).count() == 0 {
            return;
        }
        pause_blocking(Duration::from_millis(20));
    }
}

/// The kubelet's and containerd's mounts, so that removing the directory does not walk into them.
fn unmount_below(root: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut points: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    // Those on top of others come later.
    points.reverse();
    for point in points.into_iter().filter(|point| Path::new(point).starts_with(root)) {
        let _ = unmount(point, UnmountFlags::DETACH);
    }
}
