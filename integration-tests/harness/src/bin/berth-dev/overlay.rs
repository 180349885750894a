//! The manifests of `manifests/`, with what this installation adds: a kustomize overlay.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use berth_harness::paths;

pub(crate) const NAMESPACE: &str = "berth-agent";

/// What differs between installations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) image: &'a str,
    pub(crate) server_url: &'a str,
    /// Changes when the image does, even under the same name.
    pub(crate) version: &'a str,
}

/// Writes the overlay into `dir`, where the file `token` is already. kustomize takes nothing from outside of a directory, so
/// the base is copied.
pub(crate) fn write(dir: &Path, settings: &Settings<'_>) -> anyhow::Result<()> {
    let base = paths::repository().join("manifests/base");
    let copy = dir.join("base");
    fs::create_dir_all(&copy).context("no room for the manifests")?;
    for entry in fs::read_dir(&base).with_context(|| format!("{} is missing", base.display()))? {
        let entry = entry?;
        fs::copy(entry.path(), copy.join(entry.file_name())).context("a manifest cannot be copied")?;
    }
    fs::write(dir.join("kustomization.yaml"), overlay(settings)).context("the overlay cannot be written")
}

fn overlay(settings: &Settings<'_>) -> String {
    let Settings { image, server_url, version } = settings;
    format!(
        r"apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [base]
namespace: {NAMESPACE}
"
    ) + &format!("# {image} {server_url} {version}\n")
}
