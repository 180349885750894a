//! Directories of clusters whose data is not kept, when their owner was killed: the next start removes them.
//!
//! A directory is a cluster's when its own record says so, and left behind when nobody holds its lock. The lock goes with the
//! process, whatever process number it has, and in whichever PID namespace: a number that is not seen here proves nothing.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::reservation::Registry;
use crate::lock::Lock;
use crate::process::write_atomically;
use crate::tree;

const PREFIX: &str = "berth-cluster-";
const RECORD: &str = "owner.json";
const LOCK: &str = "owner.lock";

/// Which directory the record is of: a copy of it says nothing about the place that it was copied to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    device: u64,
    inode: u64,
}

impl Record {
    fn of(dir: &Path) -> std::io::Result<Self> {
        let found = fs::symlink_metadata(dir)?;
        Ok(Self { device: found.dev(), inode: found.ino() })
    }
}

/// A directory for a cluster whose data is not kept, and what marks it as in use.
pub(super) fn temporary_dir(name: &str) -> anyhow::Result<(PathBuf, Lock)> {
    remove();
    let dir = tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{name}-"))
        .tempdir()
        .context("no room for a cluster")?
        .keep();
    // Before the record: without one a directory is nobody's to remove.
    let lock = Lock::share(&dir.join(LOCK))?;
    write_atomically(&dir.join(RECORD), serde_json::to_vec(&Record::of(&dir)?)?)?;
    Ok((dir, lock))
}

/// What the supervisor holds as long as it runs: `None` where the directory is not of this kind.
pub(super) fn hold(dir: &Path) -> anyhow::Result<Option<Lock>> {
    let path = dir.join(LOCK);
    path.exists().then(|| Lock::share(&path)).transpose()
}

/// Removes what killed processes left.
pub(super) fn remove() {
    if crate::process::is_root() {
        Registry::of_machine().remove_abandoned();
    }
    remove_in(&std::env::temp_dir());
}

fn remove_in(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_left(&entry.path()) {
            // Another run may be at it at this moment.
            let _ = tree::remove(&entry.path());
        }
    }
}

/// Whether it is a directory of ours whose owner and supervisor have both ended.
fn is_left(dir: &Path) -> bool {
    let own = fs::symlink_metadata(dir)
        .is_ok_and(|found| found.is_dir() && found.uid() == rustix::process::geteuid().as_raw());
    let record = || serde_json::from_slice::<Record>(&fs::read(dir.join(RECORD)).ok()?).ok();
    own && Record::of(dir).ok().is_some_and(|here| record() == Some(here))
        && dir.join(LOCK).exists()
        && Lock::attempt(&dir.join(LOCK)).is_ok_and(|lock| lock.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_recorded_directory_whose_lock_nobody_holds_is_removed() {
        let place = tempfile::tempdir().expect("a directory");
        let make = |name: &str| {
            let dir = place.path().join(format!("{PREFIX}{name}"));
            fs::create_dir(&dir).expect("made");
            dir
        };
        let marked = |name: &str| {
            let dir = make(name);
            fs::write(dir.join(LOCK), "").expect("written");
            let record = serde_json::to_vec(&Record::of(&dir).expect("it is there")).expect("JSON");
            fs::write(dir.join(RECORD), record).expect("written");
            dir
        };
        let (left, lives, notes) = (marked("left"), marked("lives"), make("notes"));
        let held = hold(&lives).expect("a lock").expect("it is of the kind");
        let copied = make("copied");
        for file in [LOCK, RECORD] {
            fs::copy(left.join(file), copied.join(file)).expect("copied");
        }
        let linked = place.path().join(format!("{PREFIX}linked"));
        std::os::unix::fs::symlink(&notes, &linked).expect("linked");

        remove_in(place.path());
        assert!(!left.exists(), "what a killed run left");
        for other in [&lives, &notes, &copied, &linked] {
            assert!(other.exists(), "{} is not a killed run's", other.display());
        }
        drop(held);
        remove_in(place.path());
        assert!(!lives.exists());
    }
}
