//! What the agent applies, whoever asks for it: the local policy.
//!
//! A server that was taken over may stop and remove workspaces; it shall not get at anything else in the cluster.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use berth_schema::kubernetes::{self, AGENT_ID, GENERATION, WORKSPACE_ID, secrets};
use berth_schema::reconcile::WorkspaceDirective;
use berth_schema::{AgentId, NamespaceName, WorkspaceId, WorkspaceName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::kinds::Kind;
use crate::written::{Left, Stamp};

/// Who this agent is and where it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub agent: AgentId,
    /// The namespace of the agent itself: no workspace's.
    pub namespace: String,
    /// Where the proxy is: no workspace's either, and the only place where anything but workspaces is installed.
    pub proxy_namespace: String,
    /// The one namespace that workspaces may share here, made and labelled by the cluster's administrator.
    pub shared_namespace: Option<NamespaceName>,
}

/// An object that the policy allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub kind: Kind,
    pub name: String,
    /// As text: hundreds wait for their turn at once, and as values they would take several times as much memory.
    json: Box<str>,
    /// A digest of the object but for its generation.
    content: u64,
}

impl Manifest {
    pub(crate) fn new(kind: Kind, name: String, mut object: Value) -> Self {
        let json = object.to_string().into();
        if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
            annotations.remove(GENERATION);
        }
        let mut digest = DefaultHasher::new();
        object.to_string().hash(&mut digest);
        Self { kind, name, json, content: digest.finish() }
    }

    pub(crate) fn key(&self) -> (Kind, String) {
        (self.kind, self.name.clone())
    }

    pub(crate) const fn content(&self) -> u64 {
        self.content
    }

    /// What is to be remembered of it after it was written; `metadata` as the API server answered.
    pub fn left(&self, metadata: &ObjectMeta) -> Left {
        let (kind, name) = self.key();
        Left { kind, name, content: self.content, stamp: Stamp::of(metadata) }
    }

    /// The object, as it is to be applied.
    pub fn object(&self) -> Value {
        serde_json::from_str(&self.json).expect("it was written from a value")
    }
}

/// Why a directive is not followed. `at` is the place in the list of objects, from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the server named no object to apply")]
    Nothing,
    #[error("the agent's policy allows no workspace in namespace {0}")]
    Namespace(NamespaceName),
    #[error("object {at} is of a kind that the agent's policy does not allow: {api_version} {kind}")]
    Kind { at: usize, api_version: String, kind: String },
    #[error("object {at} has no name")]
    Nameless { at: usize },
    #[error("{kind}/{name} is outside the workspace's namespace {namespace}")]
    Elsewhere { kind: &'static str, name: String, namespace: NamespaceName },
    #[error("{kind}/{name} does not carry the label {label} of this agent and workspace")]
    Label { kind: &'static str, name: String, label: &'static str },
    #[error("{kind}/{name} is named twice")]
    Twice { kind: &'static str, name: String },
    #[error("{0}: the Secrets of variables and Git credentials are made by the agent alone")]
    VariableSecret(String),
    #[error(
        "the workspace's variables do not open: they are not sealed to a key of this agent for this workspace and term"
    )]
    Sealed,
    #[error("the namespace would not enforce Pod Security 'restricted' or 'baseline'")]
    PodSecurity,
    #[error("{kind}/{name} is outside the proxy's namespace {namespace}, which the agent was given")]
    NotTheProxys { kind: &'static str, name: String, namespace: String },
    #[error("the namespace {0} is shared, and nothing of it is a workspace's to change")]
    SharedNamespace(NamespaceName),
    #[error("the last object must be the workspace's Deployment, named {0}, and there must be no other")]
    Deployment(String),
}

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

impl Identity {
    /// Whether a workspace may live in a namespace at all: never in Kubernetes' own, the agent's or the proxy's, and in one
    /// that is shared only where this is the one that the agent was told of.
    pub(crate) fn allows_namespace(
        &self,
        workspace: WorkspaceId,
        name: &WorkspaceName,
        namespace: &NamespaceName,
    ) -> Result<(), Refusal> {
        let text = namespace.as_str();
        let foreign =
            kubernetes::is_shared(name, workspace, text) && self.shared_namespace.as_ref() != Some(namespace);
        let taken = text == self.namespace || text == self.proxy_namespace;
        if text == "default" || text.starts_with("kube-") || taken || foreign {
            return Err(Refusal::Namespace(namespace.clone()));
        }
        Ok(())
    }

    /// The objects of a directive, each checked; or the first reason not to apply any of them.
    pub(crate) fn check(
        &self,
        directive: &WorkspaceDirective,
        objects: Vec<Value>,
    ) -> Result<Vec<Manifest>, Refusal> {
        self.allows_namespace(directive.workspace_id, &directive.name, &directive.namespace)?;
        let mut seen = BTreeSet::new();
        let mut manifests = Vec::with_capacity(objects.len());
        for (at, object) in objects.into_iter().enumerate() {
            let (kind, name) = parse(at, &object)?;
            self.check_one(directive, kind, &name, &object)?;
            if !seen.insert((kind, name.clone())) {
                return Err(Refusal::Twice { kind: kind.as_str(), name });
            }
            manifests.push(Manifest::new(kind, name, object));
        }
        let deployments = manifests.iter().filter(|manifest| manifest.kind == Kind::Deployment);
        let last = manifests.last().map(|last| (last.kind, last.name.as_str()));
        let named = named(directive);
        if deployments.count() != 1 || last != Some((Kind::Deployment, named.as_str())) {
            return Err(Refusal::Deployment(named));
        }
        Ok(manifests)
    }

    fn check_one(
        &self,
        directive: &WorkspaceDirective,
        kind: Kind,
        name: &str,
        object: &Value,
    ) -> Result<(), Refusal> {
        let metadata = &object["metadata"];
        let namespace = directive.namespace.as_str();
        let at_home = match kind {
            Kind::Namespace => name == namespace && metadata.get("namespace").is_none(),
            _ => metadata["namespace"] == namespace,
        };
        if !at_home {
            return Err(Refusal::Elsewhere {
                kind: kind.as_str(),
                name: name.to_owned(),
                namespace: directive.namespace.clone(),
            });
        }
        for (label, value) in labels(self.agent, directive.workspace_id) {
            let mut places = vec![metadata];
            // The pods have to be found by the same labels.
            places.extend((kind == Kind::Deployment).then(|| &object["spec"]["template"]["metadata"]));
            if places.iter().any(|place| place["labels"][label] != value.as_str()) {
                let (kind, name) = (kind.as_str(), name.to_owned());
                return Err(Refusal::Label { kind, name, label });
            }
        }
        match kind {
            // What holds in a shared namespace is not for one of its workspaces to say.
            Kind::Namespace if is_shared(directive) => {
                Err(Refusal::SharedNamespace(directive.namespace.clone()))
            }
            Kind::Namespace if !enforces_pod_security(&metadata["labels"]) => Err(Refusal::PodSecurity),
            Kind::Secret if secrets(&named(directive)).iter().any(|secret| name == secret) => {
                Err(Refusal::VariableSecret(name.to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// What the objects of a directive are named after.
fn named(directive: &WorkspaceDirective) -> String {
    kubernetes::object_name(&directive.name, directive.workspace_id, directive.namespace.as_str())
}

fn is_shared(directive: &WorkspaceDirective) -> bool {
    kubernetes::is_shared(&directive.name, directive.workspace_id, directive.namespace.as_str())
}

/// The labels that make an object this agent's and this workspace's.
pub(crate) fn labels(agent: AgentId, workspace: WorkspaceId) -> [(&'static str, String); 2] {
    [(AGENT_ID, agent.to_string()), (WORKSPACE_ID, workspace.to_string())]
}

pub(crate) fn enforces_pod_security(labels: &Value) -> bool {
    matches!(labels[ENFORCE].as_str(), Some("restricted" | "baseline"))
}

pub(crate) fn parse(at: usize, object: &Value) -> Result<(Kind, String), Refusal> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let Some(kind) = Kind::parse(&api_version, &kind) else {
        return Err(Refusal::Kind { at, api_version, kind });
    };
    let name = text(&object["metadata"]["name"]);
    if name.is_empty() {
        return Err(Refusal::Nameless { at });
    }
    Ok((kind, name))
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
