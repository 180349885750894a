//! Applying one workspace's objects, in order, and pruning what no longer belongs to it.

use std::collections::BTreeSet;
use std::time::Duration;

use berth_agent_core::{
    Action, Apply, Kind, Known, Left, Manifest, NO_VERSION, Outcome, Owner, Place, Prepared, Record,
    SecretManifest, SecretVersions, SeenDeployment, Template, put_gate_on,
};
use berth_schema::Generation;
use berth_schema::kubernetes::GENERATION;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::failure::{self, Failure, during};
use crate::ground::Ground;

/// How often the Deployment's write is tried when somebody changes it at the same moment.
const ATTEMPTS: u32 = 8;
/// Between the tries, longer each time: a Deployment that was made just now has its status written several times in a row.
const PAUSE: Duration = Duration::from_millis(10);

/// The Deployment as it is in the cluster.
struct Live {
    metadata: ObjectMeta,
    generation: Option<Generation>,
    /// The volume claims that its pods use.
    claims: BTreeSet<String>,
    template: Option<Template>,
}

struct Applying<'a> {
    cluster: &'a Cluster,
    action: &'a Action<Prepared>,
    /// The workspace's namespace, after a look at it.
    ground: Ground<'a>,
    /// What was written so far, but for the Deployment and the Secrets of variables.
    left: Vec<Left>,
}

/// Applies a set of objects. Nothing is written when the cluster has a newer generation. Tells how the objects were left.
pub async fn run(
    cluster: &Cluster,
    action: &Action<Prepared>,
    apply: &Apply,
) -> Result<(Outcome, Vec<Left>), Failure> {
    let made = apply.first.first().is_some_and(|manifest| manifest.kind == Kind::Namespace);
    let ground = ground(cluster, action, made, &apply.known).await?;
    let mut applying = Applying { cluster, action, ground, left: vec![] };
    let outcome = applying.run(apply).await?;
    Ok((outcome, applying.left))
}

async fn ground<'a>(
    cluster: &'a Cluster,
    action: &'a Action<Prepared>,
    made: bool,
    known: &'a Known,
) -> Result<Ground<'a>, Failure> {
    let place = if action.is_in_shared_namespace() { Place::Shared } else { Place::Own };
    let owner = Owner::Workspace(action.workspace);
    Ground::enter(cluster, action.namespace.as_str(), owner, place, made, known).await
}

/// Writes new Git credentials. Nothing is asked of the Deployment: its pod finds them in the volume that it has already.
pub async fn deliver(
    cluster: &Cluster,
    action: &Action<Prepared>,
    secret: &SecretManifest,
) -> Result<Outcome, Failure> {
    ground(cluster, action, false, &Known::default())
        .await?
        .write_secret(secret)
        .await
        .map(|_| Outcome::Delivered)
}

impl Applying<'_> {
    async fn run(&mut self, apply: &Apply) -> Result<Outcome, Failure> {
        // 0. Whose the Secrets are that the pod will read (client).
        for secret in &apply.unseen {
            self.ground.is_not_foreign(secret).await?;
        }
        // 1. Where nothing but the Deployment is to be written, the watches have told enough to write it (client).
        if let (Some(seen), [deployment]) = (&apply.seen, apply.then.as_slice())
            && self.write_over(deployment, seen, apply).await?
        {
            return Ok(Outcome::Applied);
        }
        // 2. What is there (client). 3. Whether it may be written over (pure).
        let live = self.live().await?;
        if let Some(newer) = self.newer(live.as_ref()) {
            return Ok(Outcome::OlderThanLive { live: newer });
        }
        // 4. Everything but the Deployment, in order (client).
        for manifest in &apply.first {
            self.apply(manifest, live.as_ref(), apply).await?;
        }
        let secrets = self.secrets(apply).await?;
        if let Some(credentials) = &apply.credentials {
            self.ground.write_secret(credentials).await?;
        }
        let (deployment, rest) =
            apply.then.split_last().map_or((None, &[][..]), |(last, rest)| (Some(last), rest));
        for manifest in rest {
            self.apply(manifest, live.as_ref(), apply).await?;
        }
        // 5. The Deployment: the proof that all of it is applied (client).
        if let Some(deployment) = deployment
            && let Some(newer) = self.deployment(deployment, live, secrets.as_ref(), apply).await?
        {
            return Ok(Outcome::OlderThanLive { live: newer });
        }
        // 6. What no longer belongs (client). In a namespace made just now there is nothing of that kind.
        if apply.prune && !self.ground.is_new() {
            self.prune(apply).await?;
        }
        Ok(Outcome::Applied)
    }

    fn namespace(&self) -> &str {
        self.action.namespace.as_str()
    }

    async fn live(&self) -> Result<Option<Live>, Failure> {
        let name = &self.action.object_name();
        let api: Api<Deployment> = Api::namespaced(self.cluster.client.clone(), self.namespace());
        let found = api.get_opt(name).await.map_err(during(format!("reading Deployment/{name}")))?;
        let Some(deployment) = found else { return Ok(None) };
        if !self.ground.owns(Kind::Deployment, &deployment.metadata) {
            let (kind, name) = ("Deployment", name.clone());
            return Err(Failure::Foreign { kind, name });
        }
        let annotations = deployment.metadata.annotations.as_ref();
        let template = Template::of(deployment.spec.as_ref());
        let pod = deployment.spec.and_then(|spec| spec.template.spec);
        let volumes = pod.and_then(|pod| pod.volumes).unwrap_or_default();
        Ok(Some(Live {
            generation: annotations.and_then(|all| all.get(GENERATION)?.parse().ok()),
            claims: volumes
                .into_iter()
                .filter_map(|volume| Some(volume.persistent_volume_claim?.claim_name))
                .collect(),
            template,
            metadata: deployment.metadata,
        }))
    }

    /// The live generation, if the action's is lower.
    fn newer(&self, live: Option<&Live>) -> Option<Generation> {
        let generation = live.and_then(|live| live.generation)?;
        generation.outruns(self.action.generation).then_some(generation)
    }

    /// Applies any object but a Deployment.
    async fn apply(
        &mut self,
        manifest: &Manifest,
        live: Option<&Live>,
        apply: &Apply,
    ) -> Result<(), Failure> {
        let Manifest { kind, name, .. } = manifest;
        // A volume that the running Deployment used is not made anew: the user's files would seem to be gone.
        if *kind == Kind::PersistentVolumeClaim && live.is_some_and(|live| live.claims.contains(name)) {
            let found = self.cluster.metadata(*kind, self.namespace(), name).await?;
            if found.is_none() {
                return Err(Failure::VolumeLost { name: name.clone() });
            }
        }
        let metadata = if apply.replaces(manifest) {
            self.ground.replace(*kind, name, manifest.object()).await?
        } else {
            self.ground.apply(*kind, name, manifest.object()).await?
        };
        self.left.push(manifest.left(&metadata));
        Ok(())
    }

    /// Applies the Secrets of variables, if any came. Tells how they were left.
    async fn secrets(&self, apply: &Apply) -> Result<Option<SecretVersions>, Failure> {
        let mut written = vec![];
        for secret in apply.secrets.iter().flatten() {
            written.push(self.ground.write_secret(secret).await?);
        }
        Ok(SecretVersions::written(&written))
    }

    /// Applies the Deployment on condition that it is as it was seen. Tells whether it was.
    async fn write_over(
        &self,
        manifest: &Manifest,
        seen: &SeenDeployment,
        apply: &Apply,
    ) -> Result<bool, Failure> {
        let mut object = manifest.object();
        object["metadata"]["resourceVersion"] = Value::from(seen.version.as_str());
        if let Some(secrets) = &seen.secrets {
            secrets.record(&mut object);
        }
        put_gate_on(&mut object, Some(seen.template));
        Record::put_on(&mut object, seen.generation, apply.left(&self.left));
        match self.ground.patch(Kind::Deployment, &manifest.name, &object).await {
            Ok(_) => Ok(true),
            Err(error) if failure::code(&error) == Some(409) => Ok(false),
            Err(error) => Err(during(format!("applying Deployment/{}", manifest.name))(error)),
        }
    }

    /// Applies the Deployment on condition that it still is what was looked at. Returns the live generation when that has
    /// overtaken the action. `secrets`: how they were left; when they were not written, what is on record stays.
    async fn deployment(
        &self,
        manifest: &Manifest,
        mut live: Option<Live>,
        secrets: Option<&SecretVersions>,
        apply: &Apply,
    ) -> Result<Option<Generation>, Failure> {
        for attempt in 1..=ATTEMPTS {
            if let Some(newer) = self.newer(live.as_ref()) {
                return Ok(Some(newer));
            }
            let mut object = manifest.object();
            let recorded = || live.as_ref().and_then(|live| SecretVersions::recorded(&live.metadata));
            if let Some(secrets) = secrets.cloned().or_else(recorded) {
                secrets.record(&mut object);
            }
            put_gate_on(&mut object, live.as_ref().and_then(|live| live.template));
            // With these a server-side apply is refused when another object, or another version of it, is there.
            let metadata = &mut object["metadata"];
            match &live {
                Some(live) => {
                    metadata["uid"] = Value::from(live.metadata.uid.clone());
                    metadata["resourceVersion"] = Value::from(live.metadata.resource_version.clone());
                }
                None => metadata["resourceVersion"] = Value::from(NO_VERSION),
            }
            let generation = live.as_ref().and_then(|live| live.metadata.generation);
            Record::put_on(&mut object, generation, apply.left(&self.left));
            let written = if live.is_some() && apply.replaces(manifest) {
                self.ground.put(Kind::Deployment, &manifest.name, object).await
            } else {
                self.ground.patch(Kind::Deployment, &manifest.name, &object).await
            };
            match written {
                Ok(_) => return Ok(None),
                Err(error) if failure::code(&error) == Some(409) => {
                    tokio::time::sleep(PAUSE * attempt).await;
                    live = self.live().await?;
                }
                Err(error) => return Err(during(format!("applying Deployment/{}", manifest.name))(error)),
            }
        }
        Err(Failure::Contended)
    }

    async fn prune(&self, apply: &Apply) -> Result<(), Failure> {
        let object_name = self.action.object_name();
        for kind in Kind::PRUNED {
            let inventory = self.cluster.inventory(kind, self.namespace(), self.action.workspace).await?;
            for metadata in inventory {
                let name = metadata.name.as_deref().unwrap_or_default();
                if !apply.holds(&object_name, kind, name) {
                    tracing::info!(kind = kind.as_str(), name, "pruned");
                    self.cluster.delete(kind, self.namespace(), &metadata).await?;
                }
            }
        }
        Ok(())
    }
}
