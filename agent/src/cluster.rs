//! The cluster that the agent works in.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use berth_agent_core::{Identity, Kind, Owner};
use berth_schema::kubernetes::{AGENT_ID, WORKSPACE_ID};
use berth_schema::{AgentId, WorkspaceId};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Preconditions};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use crate::failure::{self, Failure, during};

/// The longest that connecting to the API server may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A client for the cluster this process runs in or, outside, for a kubeconfig that is named on purpose: by its context or
/// by the variable KUBECONFIG. The kubeconfig that merely lies in the home directory is nobody's choice.
pub async fn connect(context: Option<&str>) -> anyhow::Result<Client> {
    let mut config = if context.is_some() || std::env::var_os("KUBECONFIG").is_some() {
        let options =
            KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let kubeconfig = Kubeconfig::read().context("cannot read the kubeconfig")?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        config.context("the kubeconfig's context cannot be used")?
    } else {
        Config::incluster().context(
            "not in a cluster (no service account): outside, name the kubeconfig's context with --context",
        )?
    };
    config.connect_timeout = Some(CONNECT);
    Client::try_from(config).context("cannot make a client for the cluster")
}

/// An agent's hands in its cluster.
#[derive(Clone)]
pub struct Cluster {
    pub client: Client,
    /// The identity's own.
    pub agent: AgentId,
    identity: Arc<Identity>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("agent", &self.agent).finish_non_exhaustive()
    }
}

impl Cluster {
    pub fn new(client: Client, identity: Identity) -> Self {
        Self { client, agent: identity.agent, identity: Arc::new(identity) }
    }

    /// Whose hands these are, and what they may touch.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The objects of a kind: those of a namespace, or all Namespaces.
    pub fn api(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        if kind.is_namespaced() {
            Api::namespaced_with(self.client.clone(), namespace, &resource(kind))
        } else {
            self.everywhere(kind)
        }
    }

    /// The objects of a kind in all namespaces.
    pub fn everywhere(&self, kind: Kind) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &resource(kind))
    }

    /// An object's metadata, `None` when there is no such object.
    pub async fn metadata(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ObjectMeta>, Failure> {
        let found = self.api(kind, namespace).get_metadata_opt(name).await;
        let found = found.map_err(during(format!("reading {}/{name}", kind.as_str())))?;
        Ok(found.map(|object| object.metadata))
    }

    /// The metadata of a workspace's objects of a kind in a namespace, by both labels.
    pub async fn inventory(
        &self,
        kind: Kind,
        namespace: &str,
        workspace: WorkspaceId,
    ) -> Result<Vec<ObjectMeta>, Failure> {
        let agents: Vec<String> = self.identity.owners().map(|agent| agent.to_string()).collect();
        let labels = format!("{AGENT_ID} in ({}),{WORKSPACE_ID}={workspace}", agents.join(","));
        let list = self.api(kind, namespace).list_metadata(&ListParams::default().labels(&labels)).await;
        let list = list.map_err(during(format!("listing {} in {namespace}", kind.plural())))?;
        Ok(list.items.into_iter().map(|object| object.metadata).collect())
    }

    /// Deletes exactly the object that was looked at; that it is gone already, or is another one by now, is no failure.
    pub async fn delete(&self, kind: Kind, namespace: &str, metadata: &ObjectMeta) -> Result<(), Failure> {
        let name = metadata.name.as_deref().unwrap_or_default();
        let parameters = DeleteParams::background()
            .preconditions(Preconditions { uid: metadata.uid.clone(), resource_version: None });
        match self.api(kind, namespace).delete(name, &parameters).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(failure::code(&error), Some(404 | 409)) => Ok(()),
            Err(error) => Err(during(format!("deleting {}/{name}", kind.as_str()))(error)),
        }
    }

    /// Whether an object carries the labels of this agent, or of one that it adopts, and of a workspace.
    pub fn owns(&self, metadata: &ObjectMeta, workspace: WorkspaceId) -> bool {
        self.identity.owns(metadata, Owner::Workspace(workspace))
    }
}

fn resource(kind: Kind) -> ApiResource {
    ApiResource {
        group: kind.group().to_owned(),
        version: "v1".to_owned(),
        api_version: kind.api_version().to_owned(),
        kind: kind.as_str().to_owned(),
        plural: kind.plural().to_owned(),
    }
}
