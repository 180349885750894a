//! Where git may write: a directory of this process, below which each look has one of its own.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use tempfile::TempDir;
use tracing::{info, warn};

const PREFIX: &str = "berth-repositories.";
const LOCK: &str = "lock";

/// It is removed with this. What a process left that was killed is removed by the next one: nobody holds its lock any more.
#[derive(Debug)]
pub(super) struct Room {
    directory: TempDir,
    _lock: File,
}

impl Room {
    pub(super) fn open() -> io::Result<Self> {
        Self::open_in(&std::env::temp_dir())
    }

    fn open_in(parent: &Path) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = File::create_new(directory.path().join(LOCK))?;
        lock.try_lock().map_err(io::Error::from)?;
        let room = Self { directory, _lock: lock };
        room.clear(parent);
        Ok(room)
    }

    /// Of nobody else's: in a directory of all users anybody may call theirs so.
    fn clear(&self, parent: &Path) {
        let own = fs::symlink_metadata(self.directory.path()).map(|own| own.uid()).ok();
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let is_room = entry.file_name().to_string_lossy().starts_with(PREFIX);
            let is_ours = entry.metadata().is_ok_and(|it| it.is_dir() && Some(it.uid()) == own);
            if !is_room || !is_ours || entry.path() == self.directory.path() {
                continue;
            }
            let path = entry.path();
            let is_over = match File::open(path.join(LOCK)) {
                Ok(lock) => match lock.try_lock() {
                    Ok(()) => true,
                    Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
                },
                // Between the making of a directory and of its lock is no time in which a look could leave anything.
                Err(_) => false,
            };
            if is_over {
                match fs::remove_dir_all(&path) {
                    Ok(()) => info!(directory = %path.display(), "what an earlier process left is removed"),
                    Err(error) => {
                        warn!(directory = %path.display(), %error, "what an earlier process left stays");
                    }
                }
            }
        }
    }

    /// For one look.
    pub(super) fn directory(&self) -> io::Result<TempDir> {
        let look = tempfile::Builder::new().prefix("look.").tempdir_in(self.directory.path())?;
        for part in ["home", "repository", "repository/objects", "repository/refs"] {
            DirBuilder::new().mode(0o700).create(look.path().join(part))?;
        }
        Ok(look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(parent: &Path) -> usize {
        fs::read_dir(parent).expect("a directory").count()
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_another_uses_stays() {
        let parent = tempfile::tempdir().expect("a directory");
        let used = Room::open_in(parent.path()).expect("a room");
        let killed = Room::open_in(parent.path()).expect("a room");
        fs::write(killed.directory().expect("a directory").keep().join("pack"), "x").expect("written");
        // As a process ends that is killed: its lock is nobody's, and its directory is there.
        let Room { directory, _lock: lock } = killed;
        let left = directory.keep();
        drop(lock);
        let elsewhere = tempfile::tempdir().expect("a directory");
        fs::write(elsewhere.path().join(LOCK), "").expect("written");
        std::os::unix::fs::symlink(elsewhere.path(), parent.path().join(format!("{PREFIX}link")))
            .expect("a link");
        assert_eq!(rooms(parent.path()), 3);
        let next = Room::open_in(parent.path()).expect("a room");
        assert!(!left.exists() && used.directory.path().exists() && elsewhere.path().join(LOCK).exists());
        drop((next, used));
        assert_eq!(rooms(parent.path()), 1, "the link");
    }
}
