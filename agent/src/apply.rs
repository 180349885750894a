//! Applying one workspace's objects, in order, and pruning what no longer belongs to it.

use std::collections::BTreeSet;

use berth_agent_core::{Action, Apply, Kind, Manifest, Outcome, Prepared};
use berth_schema::Generation;
use berth_schema::kubernetes::{FIELD_MANAGER, GENERATION};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde::Serialize;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::failure::{self, Failure, during};

/// How often the Deployment's write is tried when somebody changes it at the same moment.
const ATTEMPTS: u32 = 5;

/// The Deployment as it is in the cluster.
struct Live {
    metadata: ObjectMeta,
    generation: Option<Generation>,
    /// The volume claims that its pods use.
    claims: BTreeSet<String>,
}

struct Applying<'a> {
    cluster: &'a Cluster,
    action: &'a Action<Prepared>,
}

/// Applies a set of objects. Nothing is written when the cluster has a newer generation.
pub async fn run(cluster: &Cluster, action: &Action<Prepared>, apply: &Apply) -> Result<Outcome, Failure> {
    let applying = Applying { cluster, action };
    // 1. What is there (client). 2. Whether it may be written over (pure).
    let live = applying.live().await?;
    if let Some(newer) = applying.newer(live.as_ref()) {
        return Ok(Outcome::OlderThanLive { live: newer });
    }
    // 3. Everything but the Deployment, in order (client).
    let mut created = false;
    for manifest in &apply.first {
        created |= applying.apply(manifest, live.as_ref()).await?;
    }
    for secret in apply.secrets.iter().flatten() {
        let patched = applying.patch(Kind::Secret, &secret.name, secret).await;
        let what = format!("applying Secret/{}", secret.name);
        patched.map_err(|source| Failure::Secret { what, source })?;
    }
    let (deployment, rest) =
        apply.then.split_last().map_or((None, &[][..]), |(last, rest)| (Some(last), rest));
    for manifest in rest {
        applying.apply(manifest, live.as_ref()).await?;
    }
    // 4. The Deployment: the proof that all of it is applied (client).
    if let Some(deployment) = deployment
        && let Some(newer) = applying.deployment(deployment, live).await?
    {
        return Ok(Outcome::OlderThanLive { live: newer });
    }
    // 5. What no longer belongs (client). In a namespace made just now there is nothing of that kind.
    if !created {
        applying.prune(apply).await?;
    }
    Ok(Outcome::Applied)
}

impl Applying<'_> {
    fn namespace(&self) -> &str {
        self.action.namespace.as_str()
    }

    async fn live(&self) -> Result<Option<Live>, Failure> {
        let name = self.action.name.as_str();
        let api: Api<Deployment> = Api::namespaced(self.cluster.client.clone(), self.namespace());
        let found = api.get_opt(name).await.map_err(during(format!("reading Deployment/{name}")))?;
        let Some(deployment) = found else { return Ok(None) };
        if !self.cluster.owns(&deployment.metadata, self.action.workspace) {
            let (kind, name) = ("Deployment", name.to_owned());
            return Err(Failure::Foreign { kind, name });
        }
        let annotations = deployment.metadata.annotations.as_ref();
        let pod = deployment.spec.and_then(|spec| spec.template.spec);
        let volumes = pod.and_then(|pod| pod.volumes).unwrap_or_default();
        Ok(Some(Live {
            generation: annotations.and_then(|all| all.get(GENERATION)?.parse().ok()),
            claims: volumes
                .into_iter()
                .filter_map(|volume| Some(volume.persistent_volume_claim?.claim_name))
                .collect(),
            metadata: deployment.metadata,
        }))
    }

    /// The live generation, if the action's is lower.
    fn newer(&self, live: Option<&Live>) -> Option<Generation> {
        let generation = live.and_then(|live| live.generation)?;
        (generation > self.action.generation).then_some(generation)
    }

    /// Applies any object but a Deployment. Tells whether that made the workspace's namespace.
    async fn apply(&self, manifest: &Manifest, live: Option<&Live>) -> Result<bool, Failure> {
        let Manifest { kind, name, object } = manifest;
        let mut created = false;
        match kind {
            Kind::Namespace => {
                let found = self.cluster.metadata(*kind, name, name).await?;
                created = found.is_none();
                if found.is_some_and(|metadata| !self.cluster.owns(&metadata, self.action.workspace)) {
                    let (kind, name) = (kind.as_str(), name.clone());
                    return Err(Failure::Foreign { kind, name });
                }
            }
            // A volume that the running Deployment used is not made anew: the user's files would seem to be gone.
            Kind::PersistentVolumeClaim if live.is_some_and(|live| live.claims.contains(name)) => {
                let found = self.cluster.metadata(*kind, self.namespace(), name).await?;
                if found.is_none() {
                    return Err(Failure::VolumeLost { name: name.clone() });
                }
            }
            _ => {}
        }
        let patched = self.patch(*kind, name, object).await;
        patched.map_err(during(format!("applying {}/{name}", kind.as_str())))?;
        Ok(created)
    }

    /// Applies the Deployment on condition that it still is what was looked at. Returns the live generation when that has
    /// overtaken the action.
    async fn deployment(
        &self,
        manifest: &Manifest,
        mut live: Option<Live>,
    ) -> Result<Option<Generation>, Failure> {
        for _ in 0..ATTEMPTS {
            if let Some(newer) = self.newer(live.as_ref()) {
                return Ok(Some(newer));
            }
            let mut object = manifest.object.clone();
            if let Some(live) = &live {
                // With these a server-side apply is refused when another object, or another version of it, is there.
                object["metadata"]["uid"] = Value::from(live.metadata.uid.clone());
                object["metadata"]["resourceVersion"] = Value::from(live.metadata.resource_version.clone());
            }
            match self.patch(Kind::Deployment, &manifest.name, &object).await {
                Ok(()) => return Ok(None),
                Err(error) if failure::code(&error) == Some(409) => live = self.live().await?,
                Err(error) => return Err(during(format!("applying Deployment/{}", manifest.name))(error)),
            }
        }
        Err(Failure::Contended)
    }

    async fn patch(
        &self,
        kind: Kind,
        name: &str,
        object: &(impl Serialize + std::fmt::Debug),
    ) -> kube::Result<()> {
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let api = self.cluster.api(kind, self.namespace());
        // Only metadata comes back: an answer with the whole object would hold a Secret's values.
        api.patch_metadata(name, &parameters, &Patch::Apply(object)).await.map(drop)
    }

    async fn prune(&self, apply: &Apply) -> Result<(), Failure> {
        for kind in Kind::PRUNED {
            let inventory = self.cluster.inventory(kind, self.namespace(), self.action.workspace).await?;
            for metadata in inventory {
                let name = metadata.name.as_deref().unwrap_or_default();
                if !apply.holds(&self.action.name, kind, name) {
                    tracing::info!(kind = kind.as_str(), name, "pruned");
                    self.cluster.delete(kind, self.namespace(), &metadata).await?;
                }
            }
        }
        Ok(())
    }
}
