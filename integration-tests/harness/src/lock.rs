//! A lock between processes, so that two never build the same thing at once.

use std::fs::{self, File};
use std::path::Path;

use anyhow::Context as _;

/// Held until it is dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

impl Lock {
    /// Waits until no other process holds the lock at `path`.
    pub fn wait(path: &Path) -> anyhow::Result<Self> {
        let file = open(path)?;
        file.lock().with_context(|| format!("{} cannot be locked", path.display()))?;
        Ok(Self(file))
    }

    /// A share of the lock, for those who use something together. Waits while another process holds it alone.
    pub fn share(path: &Path) -> anyhow::Result<Self> {
        let file = open(path)?;
        file.lock_shared().with_context(|| format!("{} cannot be locked", path.display()))?;
        Ok(Self(file))
    }

    /// The lock, or `None` when another process holds it.
    pub fn attempt(path: &Path) -> anyhow::Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(cause)) => {
                Err(cause).with_context(|| format!("{} cannot be locked", path.display()))
            }
        }
    }
}

fn open(path: &Path) -> anyhow::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
    }
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("{} cannot be opened", path.display()))
}
