//! Directives as an honest server would write them, to be spoiled.

use berth_integration_tests::unique;
use berth_planner::{AgentConfig, Snapshot, Workspace, objects};
use berth_schema::kubernetes::own_namespace;
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, OrganizationId, WorkspaceId,
    WorkspaceName, WorkspaceSpec,
};
use serde_json::{Value, json};

/// A workspace, and what is said of it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) id: WorkspaceId,
    pub(crate) name: WorkspaceName,
    /// Where the directive says that it lives.
    pub(crate) namespace: String,
    pub(crate) action: &'static str,
    pub(crate) objects: Vec<Value>,
}

impl Target {
    /// In the namespace that is its own, stopped: nothing of it needs a node.
    pub(crate) fn own(agent: AgentId, proxy: &str) -> Self {
        let (id, name) = (WorkspaceId::random(), WorkspaceName::new(unique("hostile")).expect("a name"));
        let namespace = own_namespace(&name, id);
        Self::at(agent, proxy, id, name, namespace)
    }

    /// In any namespace, rendered for it.
    pub(crate) fn elsewhere(agent: AgentId, proxy: &str, namespace: &str) -> Self {
        let (id, name) = (WorkspaceId::random(), WorkspaceName::new(unique("hostile")).expect("a name"));
        Self::at(agent, proxy, id, name, namespace.to_owned())
    }

    fn at(agent: AgentId, proxy: &str, id: WorkspaceId, name: WorkspaceName, namespace: String) -> Self {
        let config = AgentConfig { proxy_namespace: proxy.to_owned(), ..AgentConfig::default() };
        let workspace = Workspace {
            id,
            name: name.clone(),
            namespace: NamespaceName::new(namespace.clone()).expect("a name"),
            desired_state: DesiredState::Stopped,
            actual_state: ActualState::Unknown,
            reason: None,
            generation: Generation::FIRST,
            applied_generation: Generation::default(),
            variables_generation: Generation::default(),
            deployment_resource_version: None,
            reported: None,
            unreadable: false,
            spec: WorkspaceSpec::from_image("registry.example/dev:1"),
        };
        let snapshot = Snapshot::new(OrganizationId::random(), agent, config, vec![]);
        Self { id, name, namespace, action: "create", objects: objects::render(&snapshot, &workspace) }
    }

    pub(crate) fn directive(&self) -> Value {
        let objects = (self.action != "terminate").then_some(&self.objects);
        json!({
            "workspace_id": self.id, "name": self.name, "namespace": self.namespace, "action": self.action,
            "desired_state": if self.action == "terminate" { "Terminated" } else { "Stopped" },
            "actual_state": "Unknown", "generation": 1, "config_to_apply": objects,
        })
    }

    /// The first object of a kind.
    pub(crate) fn object(&mut self, kind: &str) -> &mut Value {
        self.objects.iter_mut().find(|object| object["kind"] == kind).expect("it is in the set")
    }

    pub(crate) fn without(mut self, kind: &str) -> Self {
        self.objects.retain(|object| object["kind"] != kind);
        self
    }

    pub(crate) fn spoiled(mut self, kind: &str, spoil: impl FnOnce(&mut Value)) -> Self {
        spoil(self.object(kind));
        self
    }

    pub(crate) fn pod(self, spoil: impl FnOnce(&mut Value)) -> Self {
        self.spoiled("Deployment", |object| spoil(&mut object["spec"]["template"]["spec"]))
    }

    /// What makes objects of others look like this workspace's.
    pub(crate) fn labels(&self) -> Value {
        self.objects.last().expect("a Deployment")["metadata"]["labels"].clone()
    }

    /// An object of another name or kind, with the right labels.
    pub(crate) fn also(mut self, api_version: &str, kind: &str, name: &str, content: Value) -> Self {
        let mut object = content;
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind);
        object["metadata"] = json!({ "name": name, "namespace": self.namespace, "labels": self.labels() });
        self.objects.insert(self.objects.len() - 1, object);
        self
    }

    pub(crate) fn terminated(mut self) -> Self {
        self.action = "terminate";
        self
    }
}
