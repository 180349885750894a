//! What a killed run leaves: directories and cgroups, never a process, a mount or an interface. The next start removes them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::cgroups;
use crate::process::{ProcessId, write_atomically};

const PREFIX: &str = "berth-cluster-";
const OWNER: &str = "owner.json";

/// A directory for a cluster whose data is not kept, marked with this process as its owner.
pub(super) fn temporary_dir(name: &str) -> anyhow::Result<PathBuf> {
    remove();
    let dir = tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{name}-"))
        .tempdir()
        .context("no room for a cluster")?
        .keep();
    let owner = ProcessId::of(std::process::id()).context("this process is not known")?;
    write_atomically(&dir.join(OWNER), serde_json::to_vec(&owner)?)?;
    Ok(dir)
}

/// Removes what killed processes left.
pub(super) fn remove() {
    cgroups::remove_leftovers();
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_orphan(&entry.path()) {
            // Another run may be at it at this moment.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether owner and supervisor have both ended.
fn is_orphan(dir: &Path) -> bool {
    let alive = |file: &str| {
        let process =
            fs::read(dir.join(file)).ok().and_then(|text| serde_json::from_slice::<ProcessId>(&text).ok());
        process.map(ProcessId::is_alive)
    };
    alive(OWNER) == Some(false) && alive(super::PROCESS_FILE) != Some(true)
}
