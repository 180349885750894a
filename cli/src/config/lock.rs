//! One writer at a time. A command that wrote back what it had read before another refreshed a login would bring back a refresh
//! token that was used, and the next use of that ends the session.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Config, directory_of, resolved};
use crate::error::Error;

/// How often a lock that another command holds is tried again. Trying can be given up at any time; waiting in the kernel cannot.
const PAUSE: Duration = Duration::from_millis(20);
/// Another command holds it while it asks the server for other tokens: not for longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The configuration, read again after every other writer was kept out. Only this one can be saved.
#[derive(Debug)]
pub(crate) struct Locked {
    config: Config,
    /// Let go when it is closed.
    _lock: File,
}

impl Locked {
    /// Waits for the commands that write at the moment. The lock is a file beside the configuration, which itself is replaced at
    /// each writing.
    pub(crate) async fn open(path: Option<&Path>) -> Result<Self, Error> {
        let path = path.map_or_else(super::default_path, |path| Ok(path.to_owned()))?;
        let beside = beside(&path);
        let lock = make(&beside).map_err(|error| Error::file("make the lock", &beside, error))?;
        let locked = tokio::time::timeout(PATIENCE, async {
            loop {
                match lock.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
                    Err(TryLockError::Error(error)) => return Err(Error::file("lock", &beside, error)),
                }
            }
        });
        let late =
            |_| Error::Other(format!("another command has held the lock {} for a minute", beside.display()));
        locked.await.map_err(late)??;
        Ok(Self { config: Config::load(Some(&path))?, _lock: lock })
    }

    /// Writes the file whole or not at all, readable by its owner alone.
    pub(crate) fn save(&self) -> Result<(), Error> {
        self.config.save()
    }
}

impl Deref for Locked {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

impl DerefMut for Locked {
    fn deref_mut(&mut self) -> &mut Config {
        &mut self.config
    }
}

/// Where the lock of a configuration is: the same one by whatever name that is found.
fn beside(path: &Path) -> PathBuf {
    let mut name = resolved(path).into_os_string();
    name.push(".lock");
    PathBuf::from(name)
}

fn make(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory_of(path))?;
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn by_whatever_name_there_is_one_writer() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, link) = (directory.path().join("file.yaml"), directory.path().join("link.yaml"));
        fs::write(&file, "contexts: {}").expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        let mut first = Locked::open(Some(&file)).await.expect("the lock");
        let second = tokio::spawn(async move { Locked::open(Some(&link)).await });
        first.contents.current = Some("written by the first".to_owned());
        first.save().expect("saved");
        assert!(!second.is_finished(), "it waits");
        drop(first);
        let second = second.await.expect("no panic").expect("the lock");
        assert_eq!(second.contents.current.as_deref(), Some("written by the first"), "and reads again");
    }
}
