//! The Go programs of a cluster, built once from the pinned modules under `integration-tests/kubernetes/`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use ring::digest::{SHA256, digest};

use crate::command::{command, is_installed, logged};
use crate::lock::Lock;
use crate::paths;

/// One `go.mod` with its `tool` lines. Several of them, since their dependencies' versions must not mix.
#[derive(Debug)]
struct Toolchain {
    name: &'static str,
    /// The programs it makes; an incomplete directory is built again.
    programs: &'static [&'static str],
    arguments: &'static [&'static str],
}

const NODE: Toolchain = Toolchain {
    name: "node",
    // `server` is etcd: Go names a program after the last part of its path.
    programs: &[
        "bridge",
        "containerd",
        "containerd-shim-runc-v2",
        "ctr",
        "host-local",
        "loopback",
        "runc",
        "server",
        "tuning",
    ],
    // Without seccomp in runc every pod with the profile RuntimeDefault fails.
    arguments: &["-tags", "seccomp", "-ldflags", "-s -w"],
};

const CONTROL_PLANE: Toolchain = Toolchain {
    name: "control-plane",
    programs: &[
        "kube-apiserver",
        "kube-controller-manager",
        "kube-proxy",
        "kube-scheduler",
        "kubectl",
        "kubelet",
    ],
    // Without the version the node calls itself v0.0.0.
    arguments: &["-ldflags", "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3"],
};

const NETWORK_POLICY: Toolchain =
    Toolchain { name: "network-policy", programs: &["kube-router"], arguments: &["-ldflags", "-s -w"] };

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Binaries {
    pub control_plane: PathBuf,
    pub node: PathBuf,
    pub network_policy: PathBuf,
}

impl Binaries {
    /// The cached programs, or `None` when one of the builds is still to be done.
    pub fn cached() -> anyhow::Result<Option<Self>> {
        let found = Self {
            control_plane: CONTROL_PLANE.directory()?,
            node: NODE.directory()?,
            network_policy: NETWORK_POLICY.directory()?,
        };
        let complete = CONTROL_PLANE.is_complete(&found.control_plane)
            && NODE.is_complete(&found.node)
            && NETWORK_POLICY.is_complete(&found.network_policy);
        Ok(complete.then_some(found))
    }

    /// The cached programs, built first where they are missing (about 14 minutes on two cores).
    pub async fn ensure() -> anyhow::Result<Self> {
        Ok(Self {
            node: NODE.ensure().await?,
            control_plane: CONTROL_PLANE.ensure().await?,
            network_policy: NETWORK_POLICY.ensure().await?,
        })
    }

    pub fn kubectl(&self) -> PathBuf {
        self.control_plane.join("kubectl")
    }
}

impl Toolchain {
    fn module(&self) -> PathBuf {
        paths::repository().join("integration-tests/kubernetes").join(self.name)
    }

    fn directory(&self) -> anyhow::Result<PathBuf> {
        let key = key(&self.module())?;
        Ok(paths::cache()?.join("kubernetes").join(format!("{}-{key}", self.name)))
    }

    fn is_complete(&self, directory: &Path) -> bool {
        self.programs.iter().all(|program| directory.join(program).is_file())
    }

    async fn ensure(&self) -> anyhow::Result<PathBuf> {
        let directory = self.directory()?;
        if self.is_complete(&directory) {
            return Ok(directory);
        }
        let parent = paths::cache()?.join("kubernetes");
        let _lock = Lock::wait(&parent.join(format!("{}.lock", self.name)))?;
        if self.is_complete(&directory) {
            return Ok(directory);
        }
        ensure!(
            is_installed("go"),
            "Go is not installed: it builds Kubernetes (Debian: golang-go, 1.26 or later)"
        );
        self.build(&parent, &directory).await?;
        Ok(directory)
    }

    async fn build(&self, parent: &Path, directory: &Path) -> anyhow::Result<()> {
        let scratch = tempfile::tempdir_in(parent).context("no room for a build")?;
        let log = parent.join(format!("{}.log", self.name));
        let mut build = command("go");
        build.current_dir(self.module()).args(["build", "-trimpath"]).args(self.arguments);
        build.arg("-o").arg(scratch.path().join("bin/")).arg("tool");
        logged(&mut build, &log).await?;
        if directory.exists() {
            fs::remove_dir_all(directory).context("an incomplete build cannot be removed")?;
        }
        fs::rename(scratch.path().join("bin"), directory)
            .with_context(|| format!("{} cannot be made", directory.display()))
    }
}

/// The first 16 hexadecimal digits of what `sha256sum go.mod go.sum | sha256sum` prints.
fn key(module: &Path) -> anyhow::Result<String> {
    let mut sums = String::new();
    for file in ["go.mod", "go.sum"] {
        let path = module.join(file);
        let text = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let _ = writeln!(sums, "{}  {file}", hex(&text));
    }
    Ok(hex(sums.as_bytes())[..16].to_owned())
}

/// SHA-256 in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in digest(&SHA256, bytes).as_ref() {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
