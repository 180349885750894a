//! What the server, the agent and an administrator must agree on about the proxy's own objects.
//!
//! The server renders its volumes and files from here, and the agent compares with what stands here in its own program: neither
//! can have another Secret, or another key of one, read as something that it is not.

use serde_json::{Value, json};

/// The name of the account, the Deployment, the Service, the PodDisruptionBudget and of the policy that opens what is needed.
pub const NAME: &str = "berth-proxy";
/// The policy that closes the namespace for every pod.
pub const CLOSED: &str = "closed";
/// The one container.
pub const CONTAINER: &str = "proxy";
/// Label of its pods, and of nothing else in its namespace.
pub const POD_LABEL: &str = "app.kubernetes.io/name";

/// The Secret that the agent makes anew every half an hour, and its key.
pub const TOKEN_SECRET: &str = "berth-proxy-token";
pub const TOKEN_KEY: &str = "token";
/// The Secret that the agent makes once, and its key.
pub const SEAL_KEY_SECRET: &str = "berth-proxy-seal-key";
pub const SEAL_KEY_KEY: &str = "key";
/// The ConfigMap in which the agent puts by which authorities it knows the server, and the key of it.
pub const SERVER_MAP: &str = "berth-proxy-server";
pub const AUTHORITIES_KEY: &str = "ca.crt";
/// As in every Secret of the type `kubernetes.io/tls`.
pub const CERTIFICATE_KEY: &str = "tls.crt";
pub const CERTIFICATE_PRIVATE_KEY: &str = "tls.key";

/// Where browsers are answered in a pod.
pub const LISTEN_PORT: u16 = 8_443;
/// Where plain `ssh` is answered in a pod, and how the program is told.
pub const SSH_LISTEN_PORT: u16 = 2_222;
pub const SSH_LISTEN: (&str, &str) = ("BERTH_SSH_LISTEN", "0.0.0.0:2222");
/// Where probes and metrics are answered in a pod.
pub const HEALTH_PORT: u16 = 8_081;
/// Where the Service answers.
pub const SERVICE_PORT: u16 = 443;
/// Where it answers plain `ssh`.
pub const SSH_SERVICE_PORT: u16 = 22;

/// Where the authorities of the server are in the container.
pub const AUTHORITIES_FILE: &str = "/etc/berth/server/ca.crt";

/// Environment variables of the program that name files, and the files.
pub const FILES: [(&str, &str); 4] = [
    ("BERTH_PROXY_TOKEN_FILE", "/etc/berth/token/token"),
    ("BERTH_SEAL_KEY_FILE", "/etc/berth/seal-key/key"),
    ("BERTH_CERTIFICATE_FILE", "/etc/berth/certificate/tls.crt"),
    ("BERTH_CERTIFICATE_KEY_FILE", "/etc/berth/certificate/tls.key"),
];

/// The pod's volumes. Its group reads them; nobody else does.
pub fn volumes(certificate_secret: &str) -> Value {
    const MODE: u32 = 0o440;
    let secret = |name: &str, secret: &str, keys: &[&str]| {
        let items: Vec<_> = keys.iter().map(|key| json!({ "key": key, "path": key })).collect();
        json!({ "name": name, "secret": { "secretName": secret, "defaultMode": MODE, "items": items } })
    };
    json!([
        secret("token", TOKEN_SECRET, &[TOKEN_KEY]),
        secret("seal-key", SEAL_KEY_SECRET, &[SEAL_KEY_KEY]),
        secret("certificate", certificate_secret, &[CERTIFICATE_KEY, CERTIFICATE_PRIVATE_KEY]),
        { "name": "server", "configMap": { "name": SERVER_MAP, "defaultMode": MODE } },
    ])
}

/// Where the container has them. No file of them is mounted alone: such a one would never change.
pub fn mounts() -> Value {
    let mount =
        |name: &str| json!({ "name": name, "mountPath": format!("/etc/berth/{name}"), "readOnly": true });
    json!([mount("token"), mount("seal-key"), mount("certificate"), mount("server")])
}
