//! What the agent applies, whoever asks for it: the local policy.
//!
//! A server that was taken over may stop and remove workspaces; it shall not get at anything else in the cluster. So a directive
//! touches the namespace that belongs to its workspace's id and name, or the one that was given to be shared, and each object
//! is read as a type that knows every field it may have: what is not listed is refused (`docs/decisions/0029-local-policy.md`).
//! Whose the live objects are is looked at before each write, by the agent itself.

mod container;
mod deployment;
mod live;
mod manifest;
mod metadata;
mod network;
mod plain;
mod pod;
mod proxy;
mod quota;
mod refusal;
mod service;
mod volume;

use std::collections::BTreeSet;

use berth_schema::kubernetes::{self, AGENT_ID, WORKSPACE_ID};
use berth_schema::reconcile::WorkspaceDirective;
use berth_schema::{AgentId, NamespaceName, WorkspaceId, WorkspaceName};
use ipnet::IpNet;
use serde_json::Value;

use crate::kinds::Kind;
use deployment::Selector;
pub use live::{Owner, Place, Trespass};
pub use manifest::Manifest;
pub use proxy::{PRUNED as PROXY_PRUNED, Reach, certificate_secret, manifest_report};
pub use refusal::Refusal;
use refusal::{Checked, must, quoted};

/// Where an agent is by default, and where its proxy.
pub const NAMESPACE: &str = "berth-agent";
pub const PROXY_NAMESPACE: &str = "berth-proxy";

/// Levels of Pod Security.
const RESTRICTED: &str = "restricted";
const BASELINE: &str = "baseline";

/// The most objects of one set: a workspace with every volume that a devfile may have takes fewer.
const MAX_OBJECTS: usize = 200;

/// Who this agent is, where it lives, and what its cluster's administrator allows beyond the usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub agent: AgentId,
    /// The namespace of the agent itself: no workspace's.
    pub namespace: String,
    /// Where the proxy is: no workspace's either, and the only place where anything but workspaces is installed.
    pub proxy_namespace: String,
    /// The one namespace that workspaces may share here, made and labelled by the cluster's administrator.
    pub shared_namespace: Option<NamespaceName>,
    /// Where the proxy asks the server.
    pub reach: Reach,
    pub allowances: Allowances,
}

/// What only the administrator of the cluster may allow, whatever a server's configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the administrator's own")]
pub struct Allowances {
    /// Pods with a runtime class or a user namespace of their own may gain rights, and Pod Security may be `baseline`.
    pub privilege_escalation: bool,
    /// Pods may tolerate every taint, and those of the nodes that the cluster itself runs on.
    pub control_plane: bool,
    /// Workspaces may be without a NetworkPolicy.
    pub open_network: bool,
    /// Ranges of the platform's addresses that workspaces may reach, for example that of a DNS cache on each node.
    pub egress: Vec<IpNet>,
    /// Agents that are gone, whose workspaces' objects may be taken over where the server says so.
    pub adopts: Vec<AgentId>,
    /// What the proxy may run: images, or repositories, of which it may be any.
    pub proxy_images: Vec<String>,
    /// The proxy's Service may have an address outside of the cluster.
    pub load_balancer: bool,
}

impl Identity {
    /// An agent in the usual places, with nothing beyond the usual.
    pub fn of(agent: AgentId) -> Self {
        Self {
            agent,
            namespace: NAMESPACE.to_owned(),
            proxy_namespace: PROXY_NAMESPACE.to_owned(),
            shared_namespace: None,
            reach: Reach::default(),
            allowances: Allowances::default(),
        }
    }

    /// Whether a workspace may live in a namespace: in that which belongs to its id and name, and in a shared one only where
    /// this is the one that the agent was told of. Never where the agent or the proxy is.
    pub(crate) fn allows_namespace(
        &self,
        workspace: WorkspaceId,
        name: &WorkspaceName,
        namespace: &NamespaceName,
    ) -> Result<(), Refusal> {
        let text = namespace.as_str();
        let own = text == kubernetes::own_namespace(name, workspace);
        let shared = self.shared_namespace.as_ref() == Some(namespace);
        let taken = text == self.namespace || text == self.proxy_namespace;
        if taken || !(own || shared) {
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
        if objects.len() > MAX_OBJECTS {
            return Err(Refusal::TooMany(MAX_OBJECTS));
        }
        let mut scope = Scope {
            identity: self,
            workspace: directive.workspace_id,
            namespace: &directive.namespace,
            named: named(directive),
            is_shared: is_shared(directive),
            set: BTreeSet::new(),
        };
        for (at, object) in objects.iter().enumerate() {
            let (kind, name) = parse(at, object)?;
            if kind == Kind::PodDisruptionBudget {
                return Err(Refusal::kind(at, kind));
            }
            scope.check(kind, &name, object)?;
            if !scope.set.insert((kind, name.clone())) {
                return Err(Refusal::Twice { kind: kind.as_str(), name });
            }
        }
        scope.check_whole(&objects)?;
        let manifests = objects.into_iter().enumerate().map(|(at, object)| {
            let (kind, name) = parse(at, &object)?;
            Ok(self.manifest(kind, name, object))
        });
        manifests.collect()
    }

    /// The object on its way. A namespace is marked as this installation's, by which the API server, too, knows it
    /// (`manifests/components/confine`).
    fn manifest(&self, kind: Kind, name: String, mut object: Value) -> Manifest {
        if kind == Kind::Namespace {
            object["metadata"]["labels"][kubernetes::AGENT_NAMESPACE] = Value::from(self.namespace.as_str());
        }
        Manifest::new(kind, name, object)
    }

    /// The least that a workspace's own namespace may enforce of Pod Security.
    const fn level(&self) -> &'static str {
        if self.allowances.privilege_escalation { BASELINE } else { RESTRICTED }
    }

    /// Whether a namespace enforces as much of Pod Security as its pods may count on here.
    fn enforces(&self, level: Option<&str>) -> bool {
        level == Some(RESTRICTED) || level == Some(self.level())
    }
}

/// One directive's workspace, and what has been seen of its set.
struct Scope<'a> {
    identity: &'a Identity,
    workspace: WorkspaceId,
    namespace: &'a NamespaceName,
    /// What the workspace's objects are named after.
    named: String,
    is_shared: bool,
    set: BTreeSet<(Kind, String)>,
}

impl Scope<'_> {
    fn check(&self, kind: Kind, name: &str, object: &Value) -> Result<(), Refusal> {
        self.check_place(kind, name, object)?;
        self.check_labels(kind, name, object)?;
        match kind {
            // What holds in a shared namespace is not for one of its workspaces to say.
            Kind::Namespace if self.is_shared => {
                return Err(Refusal::SharedNamespace(self.namespace.clone()));
            }
            Kind::Namespace
                if !self.identity.enforces(object["metadata"]["labels"][kubernetes::ENFORCE].as_str()) =>
            {
                return Err(Refusal::PodSecurity(self.identity.level()));
            }
            Kind::Secret => return Err(Refusal::VariableSecret(quoted(name))),
            _ => {}
        }
        let checked = match kind {
            Kind::Namespace => plain::namespace(object),
            Kind::ServiceAccount => plain::service_account(object),
            Kind::ResourceQuota => quota::check(object),
            Kind::NetworkPolicy => network::check(self, object),
            Kind::ConfigMap => plain::config_map(object),
            Kind::PersistentVolumeClaim => plain::claim(object),
            Kind::Service => service::check(self, object),
            Kind::Deployment => deployment::check(self, object),
            // Both were answered before.
            Kind::Secret | Kind::PodDisruptionBudget => Ok(()),
        };
        checked.map_err(|wrong| wrong.of(kind.as_str(), name))
    }

    fn check_place(&self, kind: Kind, name: &str, object: &Value) -> Result<(), Refusal> {
        let metadata = &object["metadata"];
        let namespace = self.namespace.as_str();
        let at_home = match kind {
            Kind::Namespace => name == namespace && metadata.get("namespace").is_none(),
            _ => metadata["namespace"] == namespace,
        };
        if !at_home {
            let (kind, name) = (kind.as_str(), quoted(name));
            return Err(Refusal::Elsewhere { kind, name, namespace: self.namespace.clone() });
        }
        if kind.is_namespaced() && !plain::is_named_after(self, name) {
            let (kind, name) = (kind.as_str(), quoted(name));
            return Err(Refusal::Name { kind, name, named: self.named.clone() });
        }
        Ok(())
    }

    fn check_labels(&self, kind: Kind, name: &str, object: &Value) -> Result<(), Refusal> {
        for (label, value) in labels(self.identity.agent, self.workspace) {
            let mut places = vec![&object["metadata"]];
            // The pods have to be found by the same labels.
            places.extend((kind == Kind::Deployment).then(|| &object["spec"]["template"]["metadata"]));
            if places.iter().any(|place| place["labels"][label] != value.as_str()) {
                let (kind, name) = (kind.as_str(), quoted(name));
                return Err(Refusal::Label { kind, name, label });
            }
        }
        Ok(())
    }

    /// What has to be there, each object being right by itself.
    fn check_whole(&self, objects: &[Value]) -> Result<(), Refusal> {
        let place = |kind: Kind| objects.iter().position(|object| object["kind"] == kind.as_str());
        let deployments = self.set.iter().filter(|(kind, _)| *kind == Kind::Deployment).count();
        let deployment = objects.last().filter(|last| {
            last["kind"] == Kind::Deployment.as_str() && last["metadata"]["name"] == self.named.as_str()
        });
        let (Some(deployment), 1) = (deployment, deployments) else {
            return Err(Refusal::Deployment(self.named.clone()));
        };
        if !self.is_shared && place(Kind::Namespace) != Some(0) {
            return Err(missing(Kind::Namespace, self.namespace.as_str()));
        }
        for kind in [Kind::ServiceAccount, Kind::ResourceQuota, Kind::NetworkPolicy] {
            let needed = match kind {
                // In a shared namespace the quota is the administrator's.
                Kind::ResourceQuota => !self.is_shared,
                Kind::NetworkPolicy => !self.identity.allowances.open_network,
                _ => true,
            };
            if needed && !self.set.contains(&(kind, self.named.clone())) {
                return Err(match kind {
                    Kind::NetworkPolicy => Refusal::OpenNetwork(self.named.clone()),
                    _ => missing(kind, &self.named),
                });
            }
        }
        let quotas = objects.iter().filter(|object| object["kind"] == Kind::ResourceQuota.as_str());
        for quota in quotas {
            let kind = Kind::ResourceQuota.as_str();
            quota::fits(quota, deployment).map_err(|wrong| wrong.of(kind, &self.named))?;
        }
        Ok(())
    }

    /// Whether exactly the workspace's pods are selected.
    fn is_selector(&self, selector: &Selector) -> Checked {
        let own = (WORKSPACE_ID.to_owned(), self.workspace.to_string());
        must(
            selector.match_labels == [own].into(),
            "matchLabels",
            "must select the workspace's pods by its id, and no others",
        )
    }
}

fn missing(kind: Kind, name: &str) -> Refusal {
    Refusal::Missing { kind: kind.as_str(), name: name.to_owned() }
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

/// What an object is, by its own words.
fn parse(at: usize, object: &Value) -> Result<(Kind, String), Refusal> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let Some(kind) = Kind::parse(&api_version, &kind) else {
        return Err(Refusal::Kind { at, api_version: quoted(&api_version), kind: quoted(&kind) });
    };
    let name = text(&object["metadata"]["name"]);
    if name.is_empty() {
        return Err(Refusal::Nameless { at });
    }
    Ok((kind, name))
}

#[cfg(test)]
mod tests;
