//! What `make up` keeps, and where.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use berth_harness::authority::Authority;
use berth_harness::process::{ProcessId, write_atomically};
use berth_harness::{Cluster, paths, tree};
use serde::{Deserialize, Serialize};

/// Says that a directory is `make up`'s own, to be removed with all that is in it.
const MARK: &str = ".berth-dev";
/// What was written there before it was marked.
const OWN: [&str; 10] = [
    "agent",
    "agent.json",
    "cluster",
    "clusters",
    "lock",
    "log",
    "note.txt",
    "server",
    "server.json",
    "welcome.yaml",
];

/// The state directory.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    root: PathBuf,
}

/// A process of ours that outlives the command that started it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) process: ProcessId,
    /// Where it answers on this machine.
    pub(crate) address: SocketAddr,
    pub(crate) metrics: SocketAddr,
    /// Where it answers by TLS. What is remembered may be of a version that did not.
    #[serde(default)]
    pub(crate) tls: Option<SocketAddr>,
}

impl Site {
    pub(crate) fn open() -> anyhow::Result<Self> {
        let root = paths::state();
        fs::create_dir_all(&root).with_context(|| format!("{} cannot be made", root.display()))?;
        let root = fs::canonicalize(&root).context("the state directory is gone")?;
        mark(&root)?;
        Ok(Self { root })
    }

    /// Removes everything that `make up` keeps.
    pub(crate) fn remove(self) -> anyhow::Result<()> {
        Cluster::forget_below(&self.root)?;
        tree::remove(&self.root).context("the data cannot be removed")
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn cluster(&self) -> PathBuf {
        self.root.join("cluster")
    }

    /// Clusters that were started by their names, each in a directory of its own.
    pub(crate) fn clusters(&self) -> PathBuf {
        self.root.join("clusters")
    }

    /// The server's own state: Postgres, the key-encryption key, the first token.
    pub(crate) fn server(&self) -> PathBuf {
        self.root.join("server")
    }

    pub(crate) fn first_token(&self) -> PathBuf {
        self.server().join("first-token")
    }

    /// Signs what answers below `localhost` to browsers and to the command line.
    pub(crate) fn authority(&self) -> anyhow::Result<Authority> {
        Authority::open(&self.root().join("authority"))
    }

    /// The agent's token and the manifests that install it.
    pub(crate) fn agent(&self) -> PathBuf {
        self.root.join("agent")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.root.join("log").join(format!("{name}.log"))
    }

    /// What is remembered of a process, running or not.
    pub(crate) fn kept(&self, name: &str) -> Option<Kept> {
        let text = fs::read(self.record(name)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(crate) fn keep(&self, name: &str, kept: Kept) -> anyhow::Result<()> {
        write_atomically(&self.record(name), serde_json::to_vec(&kept)?)
    }

    fn record(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.json"))
    }
}

/// Marks a directory that holds nothing of others. `BERTH_STATE_DIR` may name any, and `make down PURGE=1` removes it.
fn mark(root: &Path) -> anyhow::Result<()> {
    if root.join(MARK).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(root).context("the state directory cannot be read")? {
        let name = entry.context("the state directory cannot be read")?.file_name();
        ensure!(
            OWN.iter().any(|own| name == *own),
            "{} holds {}, which is not of Berth: name a directory of its own in BERTH_STATE_DIR",
            root.display(),
            name.display()
        );
    }
    fs::write(root.join(MARK), "Made by `make up`; `make down PURGE=1` removes this directory.\n")
        .context("the state directory cannot be marked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_things_of_others_is_never_taken_and_so_never_purged() {
        let all = tempfile::tempdir().expect("a directory");
        fs::create_dir(all.path().join("clusters")).expect("made");
        mark(all.path()).expect("what an earlier version left is ours");
        fs::write(all.path().join("letter"), "").expect("written");
        mark(all.path()).expect("it was marked before");
        let home = tempfile::tempdir().expect("a directory");
        fs::write(home.path().join("letter"), "").expect("written");
        let refused = mark(home.path()).expect_err("somebody's home").to_string();
        assert!(refused.contains("letter") && refused.contains("BERTH_STATE_DIR"), "{refused}");
        assert!(!home.path().join(MARK).exists());
    }
}
