//! The ResourceQuota: what one pod of the workspace takes, and never more. It is also what keeps a second pod away.

use std::collections::BTreeMap;

use berth_schema::quantity::{Unit, parse};
use serde::Deserialize;
use serde_json::Value;

use super::container::{Amount, Container, Resource};
use super::deployment;
use super::metadata::{Metadata, read};
use super::refusal::{Checked, Wrong, must};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ResourceQuota {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: Spec,
}

/// For every pod: a scope would leave some out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    #[serde(default)]
    hard: BTreeMap<String, Amount>,
}

pub(super) fn check(object: &Value) -> Checked {
    let quota: ResourceQuota = read(object)?;
    quota.metadata.check(false)
}

/// Whether the quota limits everything that the containers of the Deployment take, and to no more than they take together.
pub(super) fn fits(object: &Value, deployment: &Value) -> Checked {
    let quota: ResourceQuota = read(object)?;
    let pod = deployment::pod(deployment)?;
    let (staying, before) = pod.containers();
    for (part, resource) in PARTS {
        let amounts = |container: &Container| amount(container, part, resource);
        let together = staying.iter().filter_map(amounts).reduce(u128::saturating_add);
        let alone = before.iter().filter_map(amounts).max();
        let Some(total) = together.max(alone) else { continue };
        let name = format!("{part}.{}", resource.as_str());
        let path = format!("spec.hard[{name}]");
        let given = quota.spec.hard.get(&name);
        let given = given.ok_or_else(|| Wrong::new(&*path, "is missing, so that nothing limits it"))?;
        let given = parse(&given.0, resource.unit());
        must(
            given.is_some_and(|given| given <= total),
            &path,
            "is more than the workspace's containers take together",
        )?;
    }
    Ok(())
}

/// What a quota limits, as it names it.
const PARTS: [(&str, Resource); 4] = [
    ("limits", Resource::Cpu),
    ("limits", Resource::Memory),
    ("requests", Resource::Cpu),
    ("requests", Resource::Memory),
];

fn amount(container: &Container, part: &str, resource: Resource) -> Option<u128> {
    let resources = container.resources()?;
    let amounts = if part == "limits" { &resources.limits } else { &resources.requests };
    parse(&amounts.get(&resource)?.0, resource.unit())
}

impl Resource {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::EphemeralStorage => "ephemeral-storage",
        }
    }

    const fn unit(self) -> Unit {
        match self {
            Self::Cpu => Unit::Milli,
            Self::Memory | Self::EphemeralStorage => Unit::Whole,
        }
    }
}
