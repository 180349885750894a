//! A real API server as a [`ClusterApi`], asked as `berth-agent` asks it.

mod hands;
mod watching;

use berth_agent_core::{Kind, Watched};
use berth_schema::kubernetes::{AGENT_ID, FIELD_MANAGER, WORKSPACE_ID};
use berth_schema::{AgentId, WorkspaceId};
use berth_simulation::cluster::{ApiError, ClusterApi, Listing, WatchEnd};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::PersistentVolume;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::{Api, Client};
use serde_json::Value;

pub use hands::Hands;
pub use watching::RealWatch;

/// One agent's access to a real API server.
#[derive(Clone)]
pub struct RealAccess {
    pub client: Client,
    pub agent: AgentId,
    /// Where its Lease is.
    pub home: String,
    /// How long its watches run.
    pub watch_seconds: u32,
}

impl std::fmt::Debug for RealAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RealAccess").field("agent", &self.agent).finish_non_exhaustive()
    }
}

/// The version of no object, by which `berth-agent` applies where nothing is and nowhere else. An object that is made by
/// `POST` would not do: its fields belong to that request, and stay when they are not applied any more.
const NO_VERSION: &str = "1";

/// What the API server said, or that it said nothing.
pub(crate) fn told(error: &kube::Error) -> ApiError {
    match error {
        kube::Error::Api(status) => ApiError::new(status.code, status.message.clone()),
        _ => ApiError { code: None, message: error.to_string() },
    }
}

/// The objects of a kind: those of a namespace, or all Namespaces.
pub(crate) fn objects(client: &Client, kind: Kind, namespace: &str) -> Api<DynamicObject> {
    if kind.is_namespaced() {
        Api::namespaced_with(client.clone(), namespace, &resource(kind))
    } else {
        Api::all_with(client.clone(), &resource(kind))
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

impl RealAccess {
    fn of_object(&self, kind: Kind, object: &Value) -> (Api<DynamicObject>, String) {
        let field = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        (objects(&self.client, kind, &field("namespace")), field("name"))
    }

    fn leases(&self) -> (Api<Lease>, String) {
        (Api::namespaced(self.client.clone(), &self.home), format!("berth-agent-{}", self.agent))
    }
}

impl ClusterApi for RealAccess {
    type Watch = RealWatch;

    async fn metadata(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ObjectMeta>, ApiError> {
        let found = objects(&self.client, kind, namespace).get_metadata_opt(name).await;
        Ok(found.map_err(|error| told(&error))?.map(|object| object.metadata))
    }

    async fn deployment(&self, namespace: &str, name: &str) -> Result<Option<Deployment>, ApiError> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        api.get_opt(name).await.map_err(|error| told(&error))
    }

    async fn inventory(
        &self,
        kind: Kind,
        namespace: &str,
        workspace: WorkspaceId,
    ) -> Result<Vec<ObjectMeta>, ApiError> {
        let labels = format!("{AGENT_ID}={},{WORKSPACE_ID}={workspace}", self.agent);
        let parameters = ListParams::default().labels(&labels);
        let list = objects(&self.client, kind, namespace).list_metadata(&parameters).await;
        Ok(list.map_err(|error| told(&error))?.items.into_iter().map(|object| object.metadata).collect())
    }

    async fn apply(&self, kind: Kind, object: Value) -> Result<ObjectMeta, ApiError> {
        let (api, name) = self.of_object(kind, &object);
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let applied = api.patch_metadata(&name, &parameters, &Patch::Apply(&object)).await;
        applied.map(|object| object.metadata).map_err(|error| told(&error))
    }

    async fn create(&self, kind: Kind, mut object: Value) -> Result<(), ApiError> {
        object["metadata"]["resourceVersion"] = NO_VERSION.into();
        self.apply(kind, object).await.map(drop)
    }

    async fn delete(&self, kind: Kind, metadata: &ObjectMeta) -> Result<(), ApiError> {
        let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
        let api = objects(&self.client, kind, namespace.unwrap_or_default());
        let parameters = DeleteParams::background()
            .preconditions(Preconditions { uid: metadata.uid.clone(), resource_version: None });
        match api.delete(name.unwrap_or_default(), &parameters).await.map_err(|error| told(&error)) {
            Ok(_) | Err(ApiError { code: Some(404 | 409), .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn volumes_left(&self, namespace: &str) -> Result<bool, ApiError> {
        let api: Api<PersistentVolume> = Api::all(self.client.clone());
        let list = api.list(&ListParams::default()).await.map_err(|error| told(&error))?;
        Ok(list.items.into_iter().any(|volume| {
            let claim = volume.spec.and_then(|spec| spec.claim_ref);
            claim.and_then(|claim| claim.namespace).as_deref() == Some(namespace)
        }))
    }

    async fn lease(&self) -> Result<Option<Lease>, ApiError> {
        let (api, name) = self.leases();
        api.get_opt(&name).await.map_err(|error| told(&error))
    }

    async fn write_lease(&self, mut lease: Lease) -> Result<(), ApiError> {
        let (api, name) = self.leases();
        lease.metadata.name = Some(name.clone());
        lease.metadata.namespace = Some(self.home.clone());
        let written = if lease.metadata.resource_version.is_some() {
            api.replace(&name, &PostParams::default(), &lease).await
        } else {
            api.create(&PostParams::default(), &lease).await
        };
        written.map(drop).map_err(|error| told(&error))
    }

    async fn list(&self, watched: Watched, relist: bool) -> Result<Listing, ApiError> {
        watching::list(self, watched, relist).await
    }

    async fn watch(&self, watched: Watched, after: u64) -> Result<RealWatch, WatchEnd> {
        RealWatch::open(self, watched, after).await
    }
}
