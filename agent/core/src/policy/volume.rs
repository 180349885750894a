//! A pod's volumes: claims, files and scratch space of the workspace itself.

use berth_schema::kubernetes::secrets;
use serde::Deserialize;

use super::Scope;
use super::refusal::{Checked, must};
use crate::kinds::Kind;

/// One of these sources. Not among them: paths of the host, images, other kinds of storage that a pod names directly, and
/// volumes made for the pod by a template.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Volume {
    #[serde(rename = "name")]
    _name: String,
    persistent_volume_claim: Option<Claim>,
    config_map: Option<ConfigMap>,
    secret: Option<Secret>,
    projected: Option<Projected>,
    #[serde(rename = "emptyDir")]
    _empty_dir: Option<EmptyDir>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Claim {
    claim_name: String,
    #[serde(rename = "readOnly")]
    _read_only: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConfigMap {
    name: String,
    #[serde(rename = "defaultMode")]
    _default_mode: Option<u32>,
    #[serde(rename = "optional")]
    _optional: Option<bool>,
    #[serde(rename = "items")]
    _items: Option<Vec<Item>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are Kubernetes' own")]
struct Secret {
    secret_name: String,
    #[serde(rename = "defaultMode")]
    _default_mode: Option<u32>,
    #[serde(rename = "optional")]
    _optional: Option<bool>,
    #[serde(rename = "items")]
    _items: Option<Vec<Item>>,
}

/// No token of the account, no facts of other objects.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Projected {
    #[serde(rename = "defaultMode")]
    _default_mode: Option<u32>,
    sources: Vec<Projection>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Projection {
    secret: Option<NamedProjection>,
    config_map: Option<NamedProjection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedProjection {
    name: String,
    #[serde(rename = "optional")]
    _optional: Option<bool>,
    #[serde(rename = "items")]
    _items: Option<Vec<Item>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    #[serde(rename = "key")]
    _key: String,
    #[serde(rename = "path")]
    _path: String,
    #[serde(rename = "mode")]
    _mode: Option<u32>,
}

/// On the node's disk or in its memory; how much is limited by the pod's resources.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EmptyDir {
    #[serde(rename = "medium")]
    _medium: Option<String>,
    #[serde(rename = "sizeLimit")]
    _size_limit: Option<String>,
}

impl Volume {
    pub(super) fn check(&self, scope: &Scope<'_>) -> Checked {
        if let Some(claim) = &self.persistent_volume_claim {
            in_set(scope, Kind::PersistentVolumeClaim, &claim.claim_name, "persistentVolumeClaim.claimName")?;
        }
        if let Some(map) = &self.config_map {
            in_set(scope, Kind::ConfigMap, &map.name, "configMap.name")?;
        }
        if let Some(secret) = &self.secret {
            own_secret(scope, &secret.secret_name, "secret.secretName")?;
        }
        for source in self.projected.iter().flat_map(|projected| &projected.sources) {
            if let Some(map) = &source.config_map {
                in_set(scope, Kind::ConfigMap, &map.name, "projected.sources.configMap.name")?;
            }
            if let Some(secret) = &source.secret {
                own_secret(scope, &secret.name, "projected.sources.secret.name")?;
            }
        }
        Ok(())
    }
}

/// What comes in the same set is written before the pod, and was looked at for its owner.
fn in_set(scope: &Scope<'_>, kind: Kind, name: &str, path: &str) -> Checked {
    let known = scope.set.contains(&(kind, name.to_owned()));
    must(known, path, "is not in the workspace's set of objects")
}

fn own_secret(scope: &Scope<'_>, name: &str, path: &str) -> Checked {
    let own = secrets(&scope.named).iter().any(|own| own == name);
    must(own, path, "is not one of the workspace's own Secrets")
}
