//! The cgroup of a cluster's pods: the only thing that outlives a cluster's processes.
//!
//! Its name holds the drawn id of the cluster's reservation, so that none of the same name can be anybody else's.

use std::fs;
use std::path::{Path, PathBuf};

use super::plan::Place;

const ROOT: &str = "/sys/fs/cgroup";

/// The tops of the hierarchies: one with cgroup v2, one a controller with v1.
fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_owned()];
    }
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir() && !path.is_symlink()).collect()
}

/// Makes the group that the kubelet is told to stay in.
pub(super) fn create(place: &Place) {
    let name = place.cgroup();
    for top in hierarchies() {
        // Version 2 hands a controller down only where the parent says so; version 1 has no such file. A hierarchy
        // that refuses is one that the kubelet does without, or names in its own error.
        if let Ok(controllers) = fs::read_to_string(top.join("cgroup.controllers")) {
            let wanted: Vec<_> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
            let _ = fs::write(top.join("cgroup.subtree_control"), wanted.join(" "));
            let _ = fs::create_dir(top.join(&name));
            let _ = fs::write(top.join(&name).join("cgroup.subtree_control"), wanted.join(" "));
        } else {
            let _ = fs::create_dir(top.join(&name));
        }
    }
}

/// Removes the group of a cluster whose processes have ended.
pub(super) fn remove(place: &Place) {
    for top in hierarchies() {
        remove_tree(&top.join(place.cgroup()));
    }
}

/// A cgroup is removed with rmdir, leaves first; the files in it are not files.
fn remove_tree(group: &Path) {
    let Ok(entries) = fs::read_dir(group) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&entry.path());
    }
    // Busy while a process in it is still ending: the next start tries again.
    let _ = fs::remove_dir(group);
}
