//! What runs in the proxy's namespace: one program, by one of the images that the cluster's administrator named.

use berth_schema::kubernetes::proxy::{CONTAINER, FILES, NAME, SSH_LISTEN, mounts};
use serde::Deserialize;
use serde_json::Value;

use super::super::Identity;
use super::super::container;
use super::super::deployment::Selector;
use super::super::metadata::{Metadata, TemplateMetadata, read};
use super::super::pod;
use super::super::refusal::{Checked, Wrong, must};
use super::{is_selector, named_certificate};

/// The most copies.
const MAX_REPLICAS: u32 = 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Deployment {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    replicas: u32,
    #[serde(rename = "strategy")]
    _strategy: Value,
    selector: Selector,
    template: Template,
    #[serde(rename = "progressDeadlineSeconds")]
    _progress_deadline_seconds: Option<i32>,
    #[serde(rename = "revisionHistoryLimit")]
    _revision_history_limit: Option<i32>,
    #[serde(rename = "minReadySeconds")]
    _min_ready_seconds: Option<i32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    metadata: TemplateMetadata,
    spec: Pod,
}

/// Not among them: anything of the host, nodes and priorities, other accounts, other containers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pod {
    service_account_name: String,
    #[serde(rename = "automountServiceAccountToken")]
    _automount_service_account_token: bool,
    #[serde(rename = "enableServiceLinks")]
    _enable_service_links: Option<bool>,
    #[serde(rename = "terminationGracePeriodSeconds")]
    _termination_grace_period_seconds: Option<u32>,
    security_context: pod::Security,
    #[serde(default)]
    topology_spread_constraints: Vec<Spread>,
    containers: Vec<Container>,
    volumes: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spread {
    #[serde(rename = "maxSkew")]
    _max_skew: u32,
    #[serde(rename = "topologyKey")]
    _topology_key: String,
    #[serde(rename = "whenUnsatisfiable")]
    _when_unsatisfiable: String,
    label_selector: Selector,
}

/// Not among them: a command and arguments, which could name other files than the environment may.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Container {
    name: String,
    image: String,
    #[serde(rename = "imagePullPolicy")]
    _image_pull_policy: Option<String>,
    #[serde(default)]
    env: Vec<Variable>,
    #[serde(rename = "ports")]
    _ports: Option<Vec<container::Port>>,
    #[serde(rename = "livenessProbe")]
    _liveness_probe: Option<container::Probe>,
    #[serde(rename = "readinessProbe")]
    _readiness_probe: Option<container::Probe>,
    #[serde(rename = "startupProbe")]
    _startup_probe: Option<container::Probe>,
    #[serde(rename = "resources")]
    _resources: Option<container::Resources>,
    security_context: container::Security,
    volume_mounts: Value,
}

/// A value as it is: never one of a Secret.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    name: String,
    value: String,
}

/// What a server may say of how the program works, beside where its files are. Where it asks the server the agent says, and what it
/// does with its health port is Kubernetes' to see.
const SETTINGS: [&str; 6] = [
    "BERTH_ZONES",
    "BERTH_PUBLIC_PORT",
    "BERTH_PUBLIC_URL",
    "BERTH_RECHECK_SECONDS",
    "BERTH_MAX_CONNECTIONS",
    "BERTH_LOG",
];

pub(super) fn deployment(identity: &Identity, object: &Value) -> Checked {
    let deployment: Deployment = read(object)?;
    deployment.metadata.check(false)?;
    let Spec { replicas, selector, template, .. } = deployment.spec;
    let some = (1..=MAX_REPLICAS).contains(&replicas);
    must(some, "spec.replicas", &format!("must be between 1 and {MAX_REPLICAS}"))?;
    is_selector(&selector).map_err(|wrong| wrong.within("spec.selector"))?;
    template.metadata.check().map_err(|wrong| wrong.within("spec.template.metadata"))?;
    template.spec.check(identity).map_err(|wrong| wrong.within("spec.template.spec"))
}

impl Pod {
    fn check(&self, identity: &Identity) -> Checked {
        must(self.service_account_name == NAME, "serviceAccountName", "must be the proxy's own account")?;
        self.security_context.check().map_err(|wrong| wrong.within("securityContext"))?;
        for spread in &self.topology_spread_constraints {
            is_selector(&spread.label_selector)
                .map_err(|wrong| wrong.within("topologySpreadConstraints.labelSelector"))?;
        }
        let known = named_certificate(&self.volumes).is_some();
        must(known, "volumes", "must be the proxy's Secrets, and only what it reads of them")?;
        let [container] = self.containers.as_slice() else {
            return Err(Wrong::new("containers", "must be the proxy alone"));
        };
        container.check(&identity.allowances.proxy_images).map_err(|wrong| wrong.within("containers[0]"))
    }
}

impl Container {
    fn check(&self, images: &[String]) -> Checked {
        must(self.name == CONTAINER, "name", "is not as the agent's policy wants it")?;
        let why = if images.is_empty() {
            "is not allowed: the agent's option --proxy-image names what the proxy may run"
        } else {
            "is none of those that the agent's option --proxy-image names"
        };
        must(images.iter().any(|named| is_of(&self.image, named)), "image", why)?;
        for (at, Variable { name, value }) in self.env.iter().enumerate() {
            let file = FILES.iter().chain([&SSH_LISTEN]).find(|(variable, _)| variable == name);
            let known = file.map_or_else(|| SETTINGS.contains(&name.as_str()), |(_, file)| file == value);
            let first = !self.env[..at].iter().any(|other| other.name == *name);
            must(known && first, &format!("env[{name}]"), "is not the server's to say")?;
        }
        let own = self.volume_mounts == mounts();
        must(own, "volumeMounts", "must be the proxy's Secrets where it reads them")?;
        self.security_context.check(false).map_err(|wrong| wrong.within("securityContext"))
    }
}

/// Whether an image is the one that was named, or of the repository that was named without tag and digest.
fn is_of(image: &str, named: &str) -> bool {
    let path = named.rsplit('/').next().unwrap_or_default();
    let is_repository = !path.contains([':', '@']);
    let rest = image.strip_prefix(named);
    rest.is_some_and(|rest| rest.is_empty() || (is_repository && rest.starts_with([':', '@'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_any_of_its_images_and_an_image_is_itself() {
        for (image, named, expected) in [
            ("registry.example/berth/proxy:1", "registry.example/berth/proxy", true),
            ("registry.example/berth/proxy@sha256:00", "registry.example/berth/proxy", true),
            ("registry.example/berth/proxy", "registry.example/berth/proxy", true),
            ("registry.example:5000/proxy:1", "registry.example:5000/proxy", true),
            ("registry.example/berth/proxy:1", "registry.example/berth/proxy:1", true),
            ("registry.example/berth/proxy:12", "registry.example/berth/proxy:1", false),
            ("registry.example/berth/proxy:1@sha256:00", "registry.example/berth/proxy:1", false),
            ("registry.example/berth/proxy-evil:1", "registry.example/berth/proxy", false),
            ("registry.example/berth/proxy/evil:1", "registry.example/berth/proxy", false),
            ("evil.example/berth/proxy:1", "registry.example/berth/proxy", false),
            ("registry.example/berth/proxy:1", "", false),
        ] {
            assert_eq!(is_of(image, named), expected, "{image} of {named}");
        }
    }
}
