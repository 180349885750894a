//! Images from the Containerfiles under `images/`, built without a registry and kept as OCI archives in the cache.
//!
//! No base image can be pulled where there is no registry: mmdebstrap makes one from Debian's packages, and the Containerfile
//! gets its name as a build argument. An archive's name holds a hash of everything that went into it.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use crate::binaries::hex;
use crate::command::{command, is_installed, logged};
use crate::lock::Lock;
use crate::process::{is_root, write_atomically};
use crate::{packages, paths};

/// A root filesystem of Debian packages.
#[derive(Debug)]
struct Base {
    name: &'static str,
    /// mmdebstrap's variant: `extract` runs no maintainer scripts and leaves out the package manager.
    variant: &'static str,
    packages: &'static str,
}

const RUNTIME: Base =
    Base { name: "base-runtime", variant: "extract", packages: "libc6,libgcc-s1,ca-certificates" };
const DEVELOPMENT: Base = Base {
    name: "base-development",
    variant: "essential",
    packages: "busybox,ca-certificates,curl,git,less,openssh-client,openssh-server,procps,rsync,tini",
};

const TOOLS: Base = Base {
    name: "base-tools",
    variant: "essential",
    packages: "busybox-static,ca-certificates,g++,git,libkrb5-dev,libnss-wrapper,make,openssh-client,openssh-server,patchelf,pkg-config,python3,python3-pip",
};

/// With `extract` nobody else puts the public certificates together.
const CERTIFICATES: &str = r#"mkdir -p "$1/etc/ssl/certs" && cat "$1"/usr/share/ca-certificates/mozilla/*.crt > "$1/etc/ssl/certs/ca-certificates.crt""#;

/// One of Berth's images.
#[derive(Debug)]
pub struct Image {
    name: &'static str,
    /// What pods call it.
    pub reference: &'static str,
    base: Option<&'static Base>,
    /// Programs of this machine that the Containerfile copies.
    copied: &'static [&'static str],
    /// A program of this workspace that the Containerfile copies.
    program: Option<&'static str>,
    /// Steps of the build fetch from package registries, and keep in `/var/cache/berth` what takes minutes to make.
    fetches: bool,
}

/// The sandbox of every pod.
pub const PAUSE: Image = Image {
    name: "pause",
    reference: crate::cluster::SANDBOX_IMAGE,
    base: None,
    copied: &["busybox", "tini-static"],
    program: None,
    fetches: false,
};

/// Berth's agent, around the binary that is built now.
pub const AGENT: Image = Image {
    name: "agent",
    reference: "localhost/berth/agent:dev",
    base: Some(&RUNTIME),
    copied: &[],
    program: Some("berth-agent"),
    fetches: false,
};

/// Berth's proxy, around the binary that is built now.
pub const PROXY: Image = Image {
    name: "proxy",
    reference: "localhost/berth/proxy:dev",
    base: Some(&RUNTIME),
    copied: &[],
    program: Some("berth-proxy"),
    fetches: false,
};

/// A sample development image.
pub const WORKSPACE: Image = Image {
    name: "workspace",
    reference: "localhost/berth/workspace:dev",
    base: Some(&DEVELOPMENT),
    copied: &[],
    program: None,
    fetches: false,
};

/// The tools injector: editor, sshd and git for workspaces whose own images have none.
pub const TOOLS_INJECTOR: Image = Image {
    name: "tools",
    reference: "localhost/berth/tools:dev",
    base: Some(&TOOLS),
    copied: &[],
    program: None,
    fetches: true,
};

/// The least that a workspace can be made of.
pub const SHELL: Image = Image {
    name: "shell",
    reference: "localhost/berth/shell:dev",
    base: None,
    copied: &["busybox"],
    program: None,
    fetches: false,
};

/// All of them.
pub const ALL: [&Image; 6] = [&PAUSE, &WORKSPACE, &SHELL, &TOOLS_INJECTOR, &AGENT, &PROXY];

impl Image {
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// The image's OCI archive, built first where its sources changed.
pub async fn archive(image: &Image) -> anyhow::Result<PathBuf> {
    let (inputs, archive) = plan(image)?;
    let store = paths::cache()?.join("images");
    // Before looking: from now on no other tree removes it.
    note_use(&store, image.name, &archive)?;
    if archive.is_file() {
        return Ok(archive);
    }
    ensure!(is_root(), "images are built as root here; build {} with docker or podman", image.name);
    packages::check(packages::IMAGES)?;
    let _lock = Lock::wait(&store.join("images.lock"))?;
    if !archive.is_file() {
        let build =
            Build { store: &store, scratch: tempfile::tempdir_in(&store).context("no room for an image")? };
        build.run(image, &inputs, &archive).await?;
        remove_unused(&store, image.name);
    }
    Ok(archive)
}

/// Whether the archive is there already.
pub fn is_cached(image: &Image) -> anyhow::Result<bool> {
    Ok(plan(image)?.1.is_file())
}

/// A file of the build context: where it is, and its path there.
type Input = (PathBuf, PathBuf);

/// The image's inputs, and where its archive is or will be.
fn plan(image: &Image) -> anyhow::Result<(Vec<Input>, PathBuf)> {
    let inputs = inputs(image)?;
    let name = format!("{}-{}.tar", image.name, key(image, &inputs)?);
    Ok((inputs, paths::cache()?.join("images").join(name)))
}

/// The image's folder with all that is in it, and the programs that are copied.
fn inputs(image: &Image) -> anyhow::Result<Vec<Input>> {
    let folder = paths::repository().join("images").join(image.name);
    let mut inputs = Vec::new();
    files(&folder, Path::new(""), &mut inputs)
        .with_context(|| format!("{} cannot be read", folder.display()))?;
    inputs.sort();
    for program in image.copied {
        let found =
            ["/usr/bin", "/bin"].iter().map(|dir| Path::new(dir).join(program)).find(|path| path.is_file());
        inputs.push((found.with_context(|| format!("{program} is not installed"))?, program.into()));
    }
    if let Some(program) = image.program {
        inputs.push((paths::program(program)?, program.into()));
    }
    Ok(inputs)
}

fn files(folder: &Path, below: &Path, found: &mut Vec<Input>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder.join(below))? {
        let entry = entry?;
        let name = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            files(folder, &name, found)?;
        } else {
            found.push((entry.path(), name));
        }
    }
    Ok(())
}

fn key(image: &Image, inputs: &[Input]) -> anyhow::Result<String> {
    let mut text = format!("{:?} {}", image.base, suite());
    for (input, name) in inputs {
        let bytes = fs::read(input).with_context(|| format!("{} cannot be read", input.display()))?;
        let _ = write!(text, " {} {}", name.display(), hex(&bytes));
    }
    Ok(hex(text.as_bytes())[..16].to_owned())
}

/// The Debian release to make bases of: this machine's.
fn suite() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| {
        release
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .map(|value| value.trim_matches('"').to_owned())
    };
    match (value("ID="), value("VERSION_CODENAME=")) {
        (Some(id), Some(codename)) if id == "debian" => codename,
        _ => "stable".to_owned(),
    }
}

struct Build<'a> {
    store: &'a Path,
    scratch: tempfile::TempDir,
}

impl Build<'_> {
    async fn run(&self, image: &Image, inputs: &[Input], archive: &Path) -> anyhow::Result<()> {
        let context = self.scratch.path().join("context");
        for (input, name) in inputs {
            let copy = context.join(name);
            fs::create_dir_all(copy.parent().unwrap_or(&context)).context("no build context")?;
            fs::copy(input, copy).with_context(|| format!("{} cannot be copied", input.display()))?;
        }
        if let (Some(program), true) = (image.program, is_installed("strip")) {
            // Debug information is four fifths of it.
            self.log(command("strip").arg(context.join(program)), "strip").await?;
        }
        let mut bud = self.buildah();
        bud.args(["bud", "--isolation", "chroot", "--layers=false", "--tag", image.reference]);
        if let Some(base) = image.base {
            bud.arg("--build-arg").arg(format!("BASE={}", self.base(base).await?));
        }
        if image.fetches {
            for volume in self.volumes()? {
                bud.arg("--volume").arg(volume);
            }
        }
        self.log(bud.arg(&context), image.name).await?;
        let partial = self.scratch.path().join("image.tar");
        let target = format!("oci-archive:{}:{}", partial.display(), image.reference);
        self.log(self.buildah().args(["push", image.reference, &target]), image.name).await?;
        self.log(self.buildah().args(["rmi", "--force", image.reference]), image.name).await?;
        fs::rename(&partial, archive).with_context(|| format!("{} cannot be made", archive.display()))
    }

    /// For builds that fetch: what they keep between two builds, and this machine's authorities, which may be more than the
    /// public ones.
    fn volumes(&self) -> anyhow::Result<Vec<String>> {
        const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
        let kept = self.store.join("kept");
        fs::create_dir_all(&kept).with_context(|| format!("{} cannot be made", kept.display()))?;
        let mut volumes = vec![format!("{}:/var/cache/berth", kept.display())];
        if Path::new(AUTHORITIES).is_file() {
            volumes.push(format!("{AUTHORITIES}:{AUTHORITIES}:ro"));
        }
        Ok(volumes)
    }

    /// Makes the base where it is missing and gives its name.
    async fn base(&self, base: &Base) -> anyhow::Result<String> {
        let key = hex(format!("{base:?} {}", suite()).as_bytes())[..16].to_owned();
        let reference = format!("localhost/berth/{}:{key}", base.name);
        let present = self.buildah().args(["inspect", "--type", "image", &reference]).output().await;
        if present.is_ok_and(|output| output.status.success()) {
            return Ok(reference);
        }
        let context = self.scratch.path().join(base.name);
        fs::create_dir(&context).context("no build context")?;
        let mut debootstrap = command("mmdebstrap");
        debootstrap.arg(format!("--variant={}", base.variant)).arg(format!("--include={}", base.packages));
        if base.variant == "extract" {
            debootstrap.arg(format!("--customize-hook={CERTIFICATES}"));
        }
        debootstrap.arg(suite()).arg(context.join("root.tar"));
        self.log(&mut debootstrap, base.name).await?;
        fs::write(context.join("Containerfile"), "FROM scratch\nADD root.tar /\n")
            .context("no Containerfile")?;
        let mut bud = self.buildah();
        bud.args(["bud", "--isolation", "chroot", "--layers=false", "--tag", &reference]).arg(&context);
        self.log(&mut bud, base.name).await?;
        Ok(reference)
    }

    /// vfs works on every filesystem, and there are few layers.
    fn buildah(&self) -> tokio::process::Command {
        let mut buildah = command("buildah");
        buildah.arg("--storage-driver").arg("vfs");
        buildah.arg("--root").arg(self.store.join("storage"));
        buildah.arg("--runroot").arg(self.store.join("storage-run"));
        buildah
    }

    async fn log(&self, command: &mut tokio::process::Command, name: &str) -> anyhow::Result<()> {
        logged(command, &self.store.join(format!("{name}.log"))).await
    }
}

/// Which archive a source tree uses. Several trees share the cache.
#[derive(Debug, Serialize, Deserialize)]
struct Use {
    tree: PathBuf,
    archive: PathBuf,
}

/// Notes that this source tree uses the archive now, and no other of this image.
fn note_use(store: &Path, name: &str, archive: &Path) -> anyhow::Result<()> {
    let tree = paths::repository();
    let file = uses(store).join(format!("{}-{name}.json", &hex(tree.as_os_str().as_bytes())[..16]));
    let noted = serde_json::to_vec(&Use { tree: tree.to_owned(), archive: archive.to_owned() })?;
    if fs::read(&file).is_ok_and(|before| before == noted) {
        return Ok(());
    }
    fs::create_dir_all(uses(store)).context("no room for the memory of images")?;
    write_atomically(&file, noted)
}

fn uses(store: &Path) -> PathBuf {
    store.join("uses")
}

/// An agent's archive is superseded by every change of its code. It goes when no source tree uses it, for one that does may be
/// about to import it.
fn remove_unused(store: &Path, name: &str) {
    let mut used = Vec::new();
    for entry in fs::read_dir(uses(store)).into_iter().flatten().flatten() {
        match fs::read(entry.path()).ok().and_then(|text| serde_json::from_slice::<Use>(&text).ok()) {
            Some(one) if one.tree.exists() => used.push(one.archive),
            // The tree was removed.
            Some(_) => drop(fs::remove_file(entry.path())),
            None => {}
        }
    }
    for entry in fs::read_dir(store).into_iter().flatten().flatten() {
        let path = entry.path();
        if is_archive_of(name, &entry.file_name().to_string_lossy()) && !used.contains(&path) {
            // Another run may have removed it.
            let _ = fs::remove_file(path);
        }
    }
}

/// `<name>-<16 hexadecimal digits>.tar`.
fn is_archive_of(name: &str, file: &str) -> bool {
    let key = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".tar"));
    key.is_some_and(|key| key.len() == 16 && key.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_another_source_tree_uses_stays() {
        let store = tempfile::tempdir().expect("a directory");
        let archive = |name: &str| {
            let path = store.path().join(name);
            fs::write(&path, "").expect("written");
            path
        };
        let others = archive("agent-0123456789abcdef.tar");
        let superseded = archive("agent-1123456789abcdef.tar");
        let ours = archive("agent-2123456789abcdef.tar");
        let foreign = [archive("agent-notes.tar"), archive("agent-of-mine-3123456789abcdef.tar")];
        fs::create_dir(uses(store.path())).expect("made");
        let other = Use { tree: store.path().to_owned(), archive: others.clone() };
        let text = serde_json::to_vec(&other).expect("JSON");
        fs::write(uses(store.path()).join("other-agent.json"), text).expect("written");
        note_use(store.path(), "agent", &superseded).expect("noted");
        note_use(store.path(), "agent", &ours).expect("noted");
        remove_unused(store.path(), "agent");
        assert!(others.exists() && ours.exists() && !superseded.exists());
        assert!(foreign.iter().all(|path| path.exists()));

        let gone = Use { tree: store.path().join("removed"), archive: others.clone() };
        let text = serde_json::to_vec(&gone).expect("JSON");
        fs::write(uses(store.path()).join("other-agent.json"), text).expect("written");
        remove_unused(store.path(), "agent");
        assert!(!others.exists() && ours.exists());
    }
}
