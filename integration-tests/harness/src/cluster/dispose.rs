//! What a cluster whose data is not kept does at its end, from inside: the caller may be gone, and nobody else would do it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::Signal;

use super::inside::Inside;
use super::plan::Plan;
use super::reservation::Registry;
use crate::process::pause_blocking;
use crate::tree;

/// Ends every process of the cluster but init and this one, then removes its cgroup and its directory. Failures are left to the
/// next start, which looks for leftovers.
pub(super) fn everything(plan: &Plan, inside: Option<Inside>) {
    if let (Some(place), Some(inside)) = (&plan.place, inside) {
        end_all_others(inside);
        unmount_below(plan.root(), inside);
        let _ = unmount("/var/log", UnmountFlags::DETACH);
        let _ = Registry::of_machine().release(place);
    }
    let _ = tree::remove(&plan.host_dir);
}

/// Shims and whatever the pods left.
fn end_all_others(inside: Inside) {
    for _ in 0..100 {
        let others = inside.processes();
        if others.is_empty() {
            return;
        }
        for process in others {
            process.signal(Signal::KILL);
        }
        pause_blocking(Duration::from_millis(20));
    }
}

/// The kubelet's and containerd's mounts, so that removing the directory does not walk into them.
fn unmount_below(root: &Path, _: Inside) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut points: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    // Those on top of others come later.
    points.reverse();
    for point in points.into_iter().filter(|point| Path::new(point).starts_with(root)) {
        let _ = unmount(point, UnmountFlags::DETACH);
    }
}
