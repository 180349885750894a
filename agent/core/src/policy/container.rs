//! A container of a pod.

use std::collections::BTreeMap;

use berth_schema::kubernetes::secrets;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Scope;
use super::refusal::{Checked, must};

/// Every field that a container may have. Not among them: ports of the host, devices, a working directory outside of what
/// the image says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Container {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "image")]
    _image: String,
    #[serde(rename = "imagePullPolicy")]
    _image_pull_policy: Option<String>,
    #[serde(rename = "command")]
    _command: Option<Vec<String>>,
    #[serde(rename = "args")]
    _args: Option<Vec<String>>,
    #[serde(rename = "ports")]
    _ports: Option<Vec<Port>>,
    #[serde(default)]
    env: Vec<Variable>,
    #[serde(default)]
    env_from: Vec<Source>,
    resources: Option<Resources>,
    security_context: Security,
    #[serde(rename = "volumeMounts")]
    _volume_mounts: Option<Vec<Mount>>,
    #[serde(rename = "lifecycle")]
    _lifecycle: Option<Lifecycle>,
    #[serde(rename = "livenessProbe")]
    _liveness_probe: Option<Probe>,
    #[serde(rename = "readinessProbe")]
    _readiness_probe: Option<Probe>,
    #[serde(rename = "startupProbe")]
    _startup_probe: Option<Probe>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are Kubernetes' own")]
pub(super) struct Port {
    #[serde(rename = "name")]
    _name: Option<String>,
    #[serde(rename = "containerPort")]
    _container_port: u16,
    #[serde(rename = "protocol")]
    _protocol: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Variable {
    name: String,
    #[serde(rename = "value")]
    _value: Option<String>,
    value_from: Option<ValueFrom>,
}

/// A fact of the pod itself. Never a key of a Secret or a ConfigMap, nor of the node.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ValueFrom {
    field_ref: FieldRef,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FieldRef {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    field_path: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Source {
    secret_ref: SecretRef,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretRef {
    name: String,
    #[serde(rename = "optional")]
    _optional: Option<bool>,
}

/// Amounts by resource. Devices that a node has beside them are not a server's to give away.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resources {
    #[serde(default)]
    pub(super) limits: BTreeMap<Resource, Amount>,
    #[serde(default)]
    pub(super) requests: BTreeMap<Resource, Amount>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum Resource {
    #[serde(rename = "cpu")]
    Cpu,
    #[serde(rename = "memory")]
    Memory,
    #[serde(rename = "ephemeral-storage")]
    EphemeralStorage,
}

/// A Kubernetes quantity.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Amount(pub(super) String);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Security {
    allow_privilege_escalation: bool,
    #[serde(default)]
    privileged: bool,
    capabilities: Option<Capabilities>,
    #[serde(rename = "readOnlyRootFilesystem")]
    _read_only_root_filesystem: Option<bool>,
    run_as_non_root: Option<bool>,
    run_as_user: Option<i64>,
    #[serde(rename = "runAsGroup")]
    _run_as_group: Option<i64>,
    seccomp_profile: Option<Seccomp>,
}

/// Some are dropped; none can be added.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Capabilities {
    #[serde(default)]
    drop: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seccomp {
    r#type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Mount {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "mountPath")]
    _mount_path: String,
    #[serde(rename = "readOnly")]
    _read_only: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Lifecycle {
    #[serde(rename = "postStart")]
    _post_start: Option<Handler>,
    #[serde(rename = "preStop")]
    _pre_stop: Option<Handler>,
}

/// A command, or a question to the container itself: the kubelet asks from the node's network, so there is no host here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Handler {
    #[serde(rename = "exec")]
    _exec: Option<Exec>,
    #[serde(rename = "httpGet")]
    _http_get: Option<HttpGet>,
    #[serde(rename = "tcpSocket")]
    _tcp_socket: Option<TcpSocket>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Probe {
    #[serde(rename = "exec")]
    _exec: Option<Exec>,
    #[serde(rename = "httpGet")]
    _http_get: Option<HttpGet>,
    #[serde(rename = "tcpSocket")]
    _tcp_socket: Option<TcpSocket>,
    #[serde(rename = "initialDelaySeconds")]
    _initial_delay_seconds: Option<u32>,
    #[serde(rename = "periodSeconds")]
    _period_seconds: Option<u32>,
    #[serde(rename = "timeoutSeconds")]
    _timeout_seconds: Option<u32>,
    #[serde(rename = "successThreshold")]
    _success_threshold: Option<u32>,
    #[serde(rename = "failureThreshold")]
    _failure_threshold: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exec {
    #[serde(rename = "command")]
    _command: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpGet {
    #[serde(rename = "path")]
    _path: Option<String>,
    #[serde(rename = "port")]
    _port: IgnoredAny,
    #[serde(rename = "scheme")]
    _scheme: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TcpSocket {
    #[serde(rename = "port")]
    _port: IgnoredAny,
}

/// What a container may be told of its own pod.
const FACTS: [&str; 4] = ["metadata.name", "metadata.namespace", "metadata.uid", "status.podIP"];

impl Container {
    /// `contained`: the pod has a runtime or a user namespace of its own.
    pub(super) fn check(&self, scope: &Scope<'_>, contained: bool) -> Checked {
        for variable in &self.env {
            let fact = variable.value_from.as_ref().map(|from| from.field_ref.field_path.as_str());
            must(
                fact.is_none_or(|fact| FACTS.contains(&fact)),
                &format!("env[{}].valueFrom", variable.name),
                "is not a fact that a workspace is told",
            )?;
        }
        let own = secrets(&scope.named);
        for source in &self.env_from {
            must(
                own.contains(&source.secret_ref.name),
                "envFrom",
                "names a Secret that is not one of the workspace's own",
            )?;
        }
        let escalates = scope.identity.allowances.privilege_escalation && contained;
        self.security_context.check(escalates).map_err(|wrong| wrong.within("securityContext"))
    }

    pub(super) const fn resources(&self) -> Option<&Resources> {
        self.resources.as_ref()
    }
}

impl Security {
    /// `escalates`: the container may gain rights.
    pub(super) fn check(&self, escalates: bool) -> Checked {
        must(!self.privileged, "privileged", "must not be true")?;
        must(self.run_as_non_root != Some(false), "runAsNonRoot", "must not be false")?;
        must(self.run_as_user.is_none_or(|user| user > 0), "runAsUser", "must not be root")?;
        must(
            !self.allow_privilege_escalation || escalates,
            "allowPrivilegeEscalation",
            "must be false: the agent's option --allow-privilege-escalation would let it be true in a pod with a runtime \
             class or a user namespace",
        )?;
        let drops_all = self.capabilities.as_ref().is_some_and(|given| given.drop.iter().any(|c| c == "ALL"));
        must(drops_all || self.allow_privilege_escalation, "capabilities.drop", "must hold ALL")?;
        self.seccomp_profile.as_ref().map_or(Ok(()), Seccomp::check)
    }
}

impl Seccomp {
    pub(super) fn check(&self) -> Checked {
        must(self.r#type == "RuntimeDefault", "seccompProfile.type", "must be RuntimeDefault")
    }
}
