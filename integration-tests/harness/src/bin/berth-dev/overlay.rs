//! The manifests of `manifests/`, with what this installation adds: a kustomize overlay like `manifests/overlays/local`.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use berth_harness::paths;
use serde_json::{Value, json};

pub(crate) const NAMESPACE: &str = "berth-agent";
const NAME: &str = "berth-agent";
/// As the Deployment mounts it.
const AUTHORITY: &str = "ca.crt";

/// What differs between installations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) image: &'a str,
    pub(crate) server_url: &'a str,
    /// The file of the authority that signed the server's certificate, where pods do not know it.
    pub(crate) authority: Option<&'a Path>,
    /// What the agent may install of the proxy.
    pub(crate) proxy_image: Option<&'a str>,
    /// Changes when the image does, even under the same name.
    pub(crate) version: &'a str,
}

/// Writes the overlay into `dir`, where the file `token` is already. kustomize takes nothing from outside of a directory, so
/// the manifests are copied.
pub(crate) fn write(dir: &Path, settings: &Settings<'_>) -> anyhow::Result<()> {
    let copy = dir.join("manifests");
    if copy.exists() {
        fs::remove_dir_all(&copy).context("old manifests cannot be removed")?;
    }
    copy_tree(&paths::repository().join("manifests"), &copy)?;
    if let Some(authority) = settings.authority {
        fs::copy(authority, dir.join(AUTHORITY)).context("the authority's certificate cannot be copied")?;
    }
    let overlay = format!("{:#}", overlay(settings));
    fs::write(dir.join("kustomization.yaml"), overlay).context("the overlay cannot be written")
}

fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("{} cannot be made", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("{} cannot be read", from.display()))? {
        let (entry, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name())))?;
        if entry.is_dir() {
            copy_tree(&entry, &target)?;
        } else {
            fs::copy(&entry, &target).with_context(|| format!("{} cannot be copied", entry.display()))?;
        }
    }
    Ok(())
}

/// JSON is YAML.
fn overlay(settings: &Settings<'_>) -> Value {
    let Settings { image, server_url, authority, proxy_image, version } = settings;
    let (name, tag) = split(image);
    let allow_http = server_url.starts_with("http://");
    // Neither another image under the same name nor another ConfigMap starts a pod anew; this annotation does.
    let restart = json!([{
        "op": "add",
        "path": "/spec/template/metadata/annotations",
        "value": { "berth.dev/installed": format!("{version} {server_url} {}", proxy_image.unwrap_or_default()) },
    }]);
    let mut literals = vec![
        format!("BERTH_SERVER_URL={server_url}"),
        format!("BERTH_ALLOW_HTTP={allow_http}"),
        format!("BERTH_PROXY_IMAGE={}", proxy_image.unwrap_or_default()),
    ];
    literals.extend(authority.map(|_| format!("BERTH_CA_FILE=/etc/berth/ca/{AUTHORITY}")));
    let mut maps = vec![json!({
        "name": NAME, "namespace": NAMESPACE, "behavior": "replace", "literals": literals,
    })];
    maps.extend(
        authority
            .map(|_| json!({ "name": format!("{NAME}-ca"), "namespace": NAMESPACE, "files": [AUTHORITY] })),
    );
    json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["manifests/base"],
        // Nothing else prints in this cluster.
        "components": ["manifests/components/logs"],
        "images": [{ "name": "localhost/berth/agent", "newName": name, "newTag": tag }],
        "configMapGenerator": maps,
        "secretGenerator": [{ "name": NAME, "namespace": NAMESPACE, "files": ["token"] }],
        "generatorOptions": { "disableNameSuffixHash": true },
        "patches": [{ "target": { "kind": "Deployment", "name": NAME }, "patch": restart.to_string() }],
    })
}

/// Name and tag; a colon before the last slash belongs to a port.
fn split(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_port_is_not_a_tag() {
        assert_eq!(split("localhost:5000/berth/agent"), ("localhost:5000/berth/agent", "latest"));
        assert_eq!(split("localhost:5000/berth/agent:dev"), ("localhost:5000/berth/agent", "dev"));
    }
}
