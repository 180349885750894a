//! Applying one workspace's objects, in order, guarded by what the cluster has.

use berth_agent_core::{
    Action, Apply, Kind, Left, Manifest, Outcome, Prepared, Record, SecretVersions, SeenDeployment,
};
use berth_schema::Generation;
use berth_schema::kubernetes::GENERATION;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::AgentProcess;
use crate::bugs::Bug;
use crate::cluster::{ApiError, ClusterApi as _};
use crate::faults::Trap;

/// How often the Deployment's write is tried when somebody changes it at the same moment.
const ATTEMPTS: u32 = 5;

struct Applying<'a> {
    process: &'a AgentProcess,
    action: &'a Action<Prepared>,
    left: Vec<Left>,
}

pub(super) async fn run(
    process: &AgentProcess,
    action: &Action<Prepared>,
    apply: &Apply,
) -> Result<(Outcome, Vec<Left>), String> {
    let mut applying = Applying { process, action, left: vec![] };
    let outcome = applying.run(apply).await?;
    Ok((outcome, applying.left))
}

impl Applying<'_> {
    async fn run(&mut self, apply: &Apply) -> Result<Outcome, String> {
        // 1. Where nothing but the Deployment is to be written, the watches have told enough to write it.
        if let (Some(seen), [deployment]) = (&apply.seen, apply.then.as_slice())
            && !self.process.env.has(Bug::NoGuard)
            && self.write_over(deployment, seen, apply).await?
        {
            return Ok(Outcome::Applied);
        }
        // 2. What is there. 3. Whether it may be written over.
        let live = self.live().await?;
        if let Some(live) = self.newer(live.as_ref()) {
            return Ok(Outcome::OlderThanLive { live });
        }
        // 4. Everything but the Deployment, in order.
        let mut created = false;
        for manifest in &apply.first {
            created |= self.apply(manifest).await?;
        }
        let mut written = vec![];
        for secret in apply.secrets.iter().flatten() {
            let object = serde_json::to_value(secret.over(None)).map_err(|error| error.to_string())?;
            written.push(self.put(Kind::Secret, object).await.map_err(words)?);
        }
        let secrets = SecretVersions::written(&written);
        let (deployment, rest) = apply.then.split_last().ok_or("nothing to apply")?;
        for manifest in rest {
            self.apply(manifest).await?;
        }
        // 5. The Deployment: the proof that all of it is applied.
        if let Some(live) = self.deployment(deployment, live, secrets.as_ref(), apply).await? {
            return Ok(Outcome::OlderThanLive { live });
        }
        // 6. What no longer belongs.
        if apply.prune && !created {
            self.prune(apply).await?;
        }
        Ok(Outcome::Applied)
    }

    async fn live(&self) -> Result<Option<Deployment>, String> {
        let (namespace, name) = (self.action.namespace.as_str(), self.action.name.as_str());
        self.process.cluster.deployment(namespace, name).await.map_err(words)
    }

    /// The live generation, if the action's is lower.
    fn newer(&self, live: Option<&Deployment>) -> Option<Generation> {
        if self.process.env.has(Bug::NoGuard) {
            return None;
        }
        let annotations = live?.metadata.annotations.as_ref()?;
        let generation: Generation = annotations.get(GENERATION)?.parse().ok()?;
        (generation > self.action.generation).then_some(generation)
    }

    /// Applies any object but a Deployment. Tells whether that made the workspace's namespace.
    async fn apply(&mut self, manifest: &Manifest) -> Result<bool, String> {
        let mut created = false;
        if manifest.kind == Kind::Namespace {
            let name = &manifest.name;
            created =
                self.process.cluster.metadata(Kind::Namespace, name, name).await.map_err(words)?.is_none();
        }
        let metadata = self.put(manifest.kind, manifest.object()).await.map_err(words)?;
        self.left.push(manifest.left(&metadata));
        Ok(created)
    }

    /// Applies the Deployment on condition that it is as it was seen. Tells whether it was.
    async fn write_over(
        &self,
        manifest: &Manifest,
        seen: &SeenDeployment,
        apply: &Apply,
    ) -> Result<bool, String> {
        let mut object = manifest.object();
        object["metadata"]["resourceVersion"] = Value::from(seen.version.as_str());
        if let Some(secrets) = &seen.secrets {
            secrets.record(&mut object);
        }
        Record::put_on(&mut object, seen.generation, apply.left(&self.left));
        if self.process.env.faults.spring(Trap::StalledBeforeWrite, &self.process.env.trace) {
            self.process.stall().await;
        }
        match self.put(Kind::Deployment, object).await {
            Ok(_) => Ok(true),
            Err(error) if error.code == Some(409) => Ok(false),
            Err(error) => Err(words(error)),
        }
    }

    /// Applies the Deployment on condition that it still is what was looked at.
    async fn deployment(
        &self,
        manifest: &Manifest,
        mut live: Option<Deployment>,
        secrets: Option<&SecretVersions>,
        apply: &Apply,
    ) -> Result<Option<Generation>, String> {
        for _ in 0..ATTEMPTS {
            if let Some(newer) = self.newer(live.as_ref()) {
                return Ok(Some(newer));
            }
            if self.process.env.faults.spring(Trap::StalledBeforeWrite, &self.process.env.trace) {
                self.process.stall().await;
            }
            match self.write(manifest, live.as_ref(), secrets, apply).await {
                Ok(()) => return Ok(None),
                Err(error) if error.code == Some(409) => live = self.live().await?,
                Err(error) => return Err(words(error)),
            }
        }
        Err("the Deployment was changed again and again by somebody else".to_owned())
    }

    /// Writes over what was looked at, and over nothing else.
    async fn write(
        &self,
        manifest: &Manifest,
        live: Option<&Deployment>,
        secrets: Option<&SecretVersions>,
        apply: &Apply,
    ) -> Result<(), ApiError> {
        let mut object = manifest.object();
        let recorded = || live.and_then(|live| SecretVersions::recorded(&live.metadata));
        if let Some(secrets) = secrets.cloned().or_else(recorded) {
            secrets.record(&mut object);
        }
        let counter = live.and_then(|live| live.metadata.generation);
        Record::put_on(&mut object, counter, apply.left(&self.left));
        let env = &self.process.env;
        match live {
            _ if env.has(Bug::NoGuard) => {}
            Some(live) => {
                object["metadata"]["uid"] = Value::from(live.metadata.uid.clone());
                object["metadata"]["resourceVersion"] = Value::from(live.metadata.resource_version.clone());
            }
            None if env.has(Bug::UnconditionalCreation) => {}
            None => return self.process.cluster.create(Kind::Deployment, object).await,
        }
        self.put(Kind::Deployment, object).await.map(drop)
    }

    async fn put(&self, kind: Kind, object: Value) -> Result<ObjectMeta, ApiError> {
        self.process.cluster.apply(kind, object).await
    }

    async fn prune(&self, apply: &Apply) -> Result<(), String> {
        for kind in Kind::PRUNED {
            let namespace = self.action.namespace.as_str();
            let cluster = &self.process.cluster;
            for metadata in cluster.inventory(kind, namespace, self.action.workspace).await.map_err(words)? {
                let name = metadata.name.as_deref().unwrap_or_default();
                if !apply.holds(&self.action.object_name(), kind, name) {
                    cluster.delete(kind, &metadata).await.map_err(words)?;
                }
            }
        }
        Ok(())
    }
}

pub(super) fn words(error: ApiError) -> String {
    error.message
}
