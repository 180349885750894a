//! Images from the Containerfiles under `images/`, built without a registry and kept as OCI archives in the cache.
//!
//! No base image can be pulled where there is no registry: mmdebstrap makes one from Debian's packages, and the Containerfile
//! gets its name as a build argument. An archive's name holds a hash of everything that went into it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::binaries::hex;
use crate::command::{command, is_installed, logged};
use crate::lock::Lock;
use crate::process::is_root;
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
    packages: "busybox,ca-certificates,curl,git,less,openssh-client,openssh-server,procps,tini",
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
}

/// The sandbox of every pod.
pub const PAUSE: Image = Image {
    name: "pause",
    reference: crate::cluster::SANDBOX_IMAGE,
    base: None,
    copied: &["busybox", "tini-static"],
    program: None,
};

/// Berth's agent, around the binary that is built now.
pub const AGENT: Image = Image {
    name: "agent",
    reference: "localhost/berth/agent:dev",
    base: Some(&RUNTIME),
    copied: &[],
    program: Some("berth-agent"),
};

/// A sample development image.
pub const WORKSPACE: Image = Image {
    name: "workspace",
    reference: "localhost/berth/workspace:dev",
    base: Some(&DEVELOPMENT),
    copied: &[],
    program: None,
};

impl Image {
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// The image's OCI archive, built first where its sources changed.
pub async fn archive(image: &Image) -> anyhow::Result<PathBuf> {
    let (inputs, archive) = plan(image)?;
    let store = paths::cache()?.join("images");
    if archive.is_file() {
        return Ok(archive);
    }
    ensure!(is_root(), "images are built as root here; build {} with docker or podman", inputs[0].display());
    packages::check(packages::IMAGES)?;
    let _lock = Lock::wait(&store.join("images.lock"))?;
    if !archive.is_file() {
        let build =
            Build { store: &store, scratch: tempfile::tempdir_in(&store).context("no room for an image")? };
        build.run(image, &inputs, &archive).await?;
        remove_older(&store, image.name, &archive);
    }
    Ok(archive)
}

/// Whether the archive is there already.
pub fn is_cached(image: &Image) -> anyhow::Result<bool> {
    Ok(plan(image)?.1.is_file())
}

/// The image's inputs, and where its archive is or will be.
fn plan(image: &Image) -> anyhow::Result<(Vec<PathBuf>, PathBuf)> {
    let containerfile = paths::repository().join("images").join(image.name).join("Containerfile");
    let inputs = inputs(image, &containerfile)?;
    let name = format!("{}-{}.tar", image.name, key(image, &inputs)?);
    Ok((inputs, paths::cache()?.join("images").join(name)))
}

/// The files of the build context, the Containerfile first.
fn inputs(image: &Image, containerfile: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut inputs = vec![containerfile.to_owned()];
    for program in image.copied {
        let found =
            ["/usr/bin", "/bin"].iter().map(|dir| Path::new(dir).join(program)).find(|path| path.is_file());
        inputs.push(found.with_context(|| format!("{program} is not installed"))?);
    }
    if let Some(program) = image.program {
        inputs.push(paths::program(program)?);
    }
    Ok(inputs)
}

fn key(image: &Image, inputs: &[PathBuf]) -> anyhow::Result<String> {
    let mut text = format!("{:?} {}", image.base, suite());
    for input in inputs {
        let bytes = fs::read(input).with_context(|| format!("{} cannot be read", input.display()))?;
        text.push_str(&hex(&bytes));
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
    async fn run(&self, image: &Image, inputs: &[PathBuf], archive: &Path) -> anyhow::Result<()> {
        let context = self.scratch.path().join("context");
        fs::create_dir(&context).context("no build context")?;
        for input in inputs {
            let name = input.file_name().context("a build input without a name")?;
            fs::copy(input, context.join(name))
                .with_context(|| format!("{} cannot be copied", input.display()))?;
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
        self.log(bud.arg(&context), image.name).await?;
        let partial = self.scratch.path().join("image.tar");
        let target = format!("oci-archive:{}:{}", partial.display(), image.reference);
        self.log(self.buildah().args(["push", image.reference, &target]), image.name).await?;
        self.log(self.buildah().args(["rmi", "--force", image.reference]), image.name).await?;
        fs::rename(&partial, archive).with_context(|| format!("{} cannot be made", archive.display()))
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

/// An agent's archive is superseded by every change of its code.
fn remove_older(store: &Path, name: &str, newest: &Path) {
    let prefix = format!("{name}-");
    for entry in fs::read_dir(store).into_iter().flatten().flatten() {
        let path = entry.path();
        let same = entry.file_name().to_string_lossy().starts_with(&prefix);
        if same && path != newest && path.extension().is_some_and(|extension| extension == "tar") {
            // Another run may have removed it.
            let _ = fs::remove_file(path);
        }
    }
}
