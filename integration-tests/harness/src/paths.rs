//! Where things are: the sources, the cache, the built binaries.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The top of the source tree that this binary was built from.
pub fn repository() -> &'static Path {
    // <top>/integration-tests/harness
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().and_then(Path::parent).unwrap_or(here)
}

/// What is worth keeping between runs: `BERTH_CACHE_DIR`, else `berth` in the user's cache directory.
pub fn cache() -> anyhow::Result<PathBuf> {
    if let Some(dir) = variable("BERTH_CACHE_DIR") {
        return Ok(dir.into());
    }
    if let Some(dir) = variable("XDG_CACHE_HOME") {
        return Ok(Path::new(&dir).join("berth"));
    }
    let home = variable("HOME").context("none of BERTH_CACHE_DIR, XDG_CACHE_HOME and HOME is set")?;
    Ok(Path::new(&home).join(".cache/berth"))
}

/// Where `make up` keeps its data: `BERTH_STATE_DIR`, else `.berth` in the source tree.
pub fn state() -> PathBuf {
    variable("BERTH_STATE_DIR").map_or_else(|| repository().join(".berth"), PathBuf::from)
}

/// A program of this workspace, built into the same profile's directory as the running one.
///
/// # Errors
/// When it is not there; the message says how to build it.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("the running program's path is not known")?;
    // target/debug/berth-dev, or target/debug/deps/scenario-0123 for a test.
    for dir in own.ancestors().skip(1).take(2) {
        let candidate = dir.join(name);
        if candidate.is_file() {
            return Ok(candidate);
        }
    }
    bail!("{name} is not built beside {}: run `cargo build --workspace` first", own.display())
}

/// An environment variable that is set to something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
