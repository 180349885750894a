//! The proxy's objects: what of them the agent installs, whoever asks for it (`docs/decisions/0061-the-proxy-is-installed.md`).

mod network;
mod outside;
mod runs;

use std::collections::{BTreeMap, BTreeSet};

use berth_schema::kubernetes::proxy::{
    AUTHORITIES_FILE, AUTHORITIES_KEY, CLOSED, NAME, POD_LABEL, SERVER_MAP, volumes,
};
use berth_schema::kubernetes::{ENFORCE, PROXY_OF};
use berth_schema::prerequisites::ManifestReport;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::deployment::Selector;
use super::refusal::{Checked, must, quoted};
use super::{Identity, Manifest, RESTRICTED, Refusal, missing, parse, plain};
use crate::kinds::Kind;

/// What the proxy is made of; how often each may be there is bounded by its name.
const ALLOWED: [Kind; 6] = [
    Kind::Namespace,
    Kind::ServiceAccount,
    Kind::NetworkPolicy,
    Kind::Service,
    Kind::PodDisruptionBudget,
    Kind::Deployment,
];

/// What is removed from the proxy's namespace when the server no longer sends it: what runs first.
pub const PRUNED: [Kind; 6] = [
    Kind::Deployment,
    Kind::PodDisruptionBudget,
    Kind::Service,
    Kind::ServiceAccount,
    Kind::NetworkPolicy,
    Kind::ConfigMap,
];

/// Annotation on the pods, by the agent: by which authorities they know the server. They read them when they start.
const AUTHORITIES: &str = "berth.dev/authorities";

/// How the proxy reaches the server: the agent says so, and no server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub url: String,
    /// The token may travel in the clear.
    pub allow_http: bool,
    /// Certificates of the authorities by which the server is known, in PEM; `None`: the public ones.
    pub authorities: Option<String>,
}

impl Identity {
    /// The proxy's objects, each checked; or the first reason not to apply any of them. The first is its Namespace. What runs is told
    /// where the server is, by an environment and a ConfigMap of the agent's own.
    pub fn check_proxy(&self, objects: Vec<Value>) -> Result<Vec<Manifest>, Refusal> {
        let mut seen = BTreeSet::new();
        let mut manifests = Vec::with_capacity(objects.len() + 1);
        for (at, mut object) in objects.into_iter().enumerate() {
            let (kind, name) = parse(at, &object)?;
            if at == 0 && kind != Kind::Namespace {
                return Err(missing(Kind::Namespace, &self.proxy_namespace));
            }
            self.check_proxy_object(at, kind, &name, &object)?;
            if kind == Kind::Deployment {
                manifests.push(self.server_map());
                self.reach.tell(&mut object);
            }
            if !seen.insert((kind, name.clone())) {
                return Err(Refusal::Twice { kind: kind.as_str(), name: quoted(&name) });
            }
            manifests.push(self.manifest(kind, name, object));
        }
        let has = |kind, name: &str| seen.contains(&(kind, name.to_owned()));
        if has(Kind::Deployment, NAME) {
            for (kind, name) in
                [(Kind::ServiceAccount, NAME), (Kind::NetworkPolicy, CLOSED), (Kind::NetworkPolicy, NAME)]
            {
                if !has(kind, name) {
                    return Err(missing(kind, name));
                }
            }
        }
        Ok(manifests)
    }

    fn check_proxy_object(&self, at: usize, kind: Kind, name: &str, object: &Value) -> Result<(), Refusal> {
        let metadata = &object["metadata"];
        if !ALLOWED.contains(&kind) {
            return Err(Refusal::kind(at, kind));
        }
        let at_home = match kind {
            Kind::Namespace => name == self.proxy_namespace && metadata.get("namespace").is_none(),
            _ => metadata["namespace"] == self.proxy_namespace.as_str(),
        };
        if !at_home {
            let namespace = self.proxy_namespace.clone();
            return Err(Refusal::NotTheProxys { kind: kind.as_str(), name: quoted(name), namespace });
        }
        if metadata["labels"][PROXY_OF] != self.agent.to_string().as_str() {
            return Err(Refusal::Label { kind: kind.as_str(), name: quoted(name), label: PROXY_OF });
        }
        if kind == Kind::Namespace && metadata["labels"][ENFORCE] != RESTRICTED {
            return Err(Refusal::PodSecurity(RESTRICTED));
        }
        let named = match kind {
            Kind::Namespace => true,
            Kind::NetworkPolicy => name == NAME || name == CLOSED,
            _ => name == NAME,
        };
        let checked = must(named, "metadata.name", "is not as the agent's policy wants it");
        let checked = checked.and_then(|()| match kind {
            Kind::Namespace => plain::namespace(object),
            Kind::ServiceAccount => plain::service_account(object),
            Kind::NetworkPolicy if name == CLOSED => network::closed(object),
            Kind::NetworkPolicy => network::opened(self, object),
            Kind::Service => outside::service(self, object),
            Kind::PodDisruptionBudget => outside::disruption_budget(object),
            _ => runs::deployment(self, object),
        });
        checked.map_err(|wrong| wrong.of(kind.as_str(), name))
    }

    /// By which authorities the server is known; empty where these are the public ones.
    fn server_map(&self) -> Manifest {
        let data: BTreeMap<_, _> =
            self.reach.authorities.iter().map(|pem| (AUTHORITIES_KEY, pem.as_str())).collect();
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": SERVER_MAP,
                "namespace": self.proxy_namespace,
                "labels": {
                    PROXY_OF: self.agent,
                    "app.kubernetes.io/managed-by": "berth",
                    "app.kubernetes.io/part-of": NAME,
                },
            },
            "data": data,
        });
        Manifest::new(Kind::ConfigMap, SERVER_MAP.to_owned(), object)
    }
}

/// What the pods are told by the agent, and by nobody else.
const TOLD: [&str; 3] = ["BERTH_SERVER_URL", "BERTH_ALLOW_HTTP", "BERTH_CA_FILE"];

impl Reach {
    /// Tells the pods of a Deployment that was checked.
    fn tell(&self, deployment: &mut Value) {
        let template = &mut deployment["spec"]["template"];
        if let Some(pem) = &self.authorities {
            let digest = digest(&SHA256, pem.as_bytes());
            let mut first = [0; 8];
            first.copy_from_slice(&digest.as_ref()[..8]);
            let short = format!("{:016x}", u64::from_be_bytes(first));
            template["metadata"]["annotations"][AUTHORITIES] = Value::from(short);
        }
        let [url, allow_http, ca_file] = TOLD;
        // `$` is doubled: Kubernetes would take $(X) for another variable.
        let mut told = vec![
            json!({ "name": url, "value": self.url.replace('$', "$$") }),
            json!({ "name": allow_http, "value": self.allow_http.to_string() }),
        ];
        told.extend(self.authorities.as_ref().map(|_| json!({ "name": ca_file, "value": AUTHORITIES_FILE })));
        if let Some(environment) = template["spec"]["containers"][0]["env"].as_array_mut() {
            environment.extend(told);
        }
    }
}

/// Whether exactly the proxy's pods are selected.
fn is_selector(selector: &Selector) -> Checked {
    let own = (POD_LABEL.to_owned(), NAME.to_owned());
    must(
        selector.match_labels == [own].into(),
        "matchLabels",
        "must select the proxy's pods by their name, and no others",
    )
}

/// The Secret of the certificate, of a Deployment that was checked.
pub fn certificate_secret(manifests: &[Manifest]) -> Option<String> {
    let deployment = manifests.iter().find(|manifest| manifest.kind == Kind::Deployment)?.object();
    named_certificate(&deployment["spec"]["template"]["spec"]["volumes"])
}

/// The certificate's Secret, where the volumes are those of a proxy.
fn named_certificate(given: &Value) -> Option<String> {
    const CERTIFICATE: usize = 2;
    let name = given[CERTIFICATE]["secret"]["secretName"].as_str()?;
    (*given == volumes(name)).then(|| name.to_owned())
}

/// What is told of one object.
pub fn manifest_report(kind: &str, name: &str, error: Option<String>) -> ManifestReport {
    ManifestReport { kind: kind.into(), name: name.into(), error: error.map(Into::into) }
}

#[cfg(test)]
mod tests;
