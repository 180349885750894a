//! What `make up` keeps, and where.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use berth_harness::paths;
use berth_harness::process::{ProcessId, write_atomically};
use serde::{Deserialize, Serialize};

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
}

impl Site {
    pub(crate) fn open() -> anyhow::Result<Self> {
        let root = paths::state();
        fs::create_dir_all(&root).with_context(|| format!("{} cannot be made", root.display()))?;
        let root = fs::canonicalize(&root).context("the state directory is gone")?;
        Ok(Self { root })
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
