//! Beginning what is due, and ending what is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_agent_core::{Action, Admission, Applied, Kind, Prepared};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};

use super::Term;
use crate::cluster::Cluster;
use crate::failure::{self, Failure, during};
use crate::perform;

/// How often others of the objects in foreign places lead to a full report.
const STRAYS: Duration = Duration::from_mins(1);
/// How long it may take to let a pod go.
const ADMISSION: Duration = Duration::from_secs(4);

impl Term {
    pub(super) fn act_on_what_is_due(&mut self) {
        let due = {
            let mut agent = self.desk.shared.agent();
            let count = i64::try_from(agent.index().workspaces().count()).unwrap_or(i64::MAX);
            self.desk.shared.metrics.workspaces.set(count);
            let now = Instant::now();
            if self.strays_from <= now && agent.has_new_strays() {
                self.strays_from = now + STRAYS;
                self.full_due = now;
            }
            agent.tick(now)
        };
        for action in due {
            self.begin(action);
        }
        self.let_pods_go();
    }

    pub(super) fn begin(&mut self, action: Action<Prepared>) {
        let desk = self.desk.clone();
        let slots = Arc::clone(&self.slots);
        self.actions.spawn(async move {
            // The semaphore is never closed; without a slot nothing would be lost but the limit.
            let _slot = slots.acquire().await;
            perform::perform(&desk, action).await
        });
    }

    pub(super) fn end(&mut self, ended: Result<Action<Applied>, tokio::task::JoinError>) {
        match ended {
            Ok(action) => self.desk.shared.agent().finish(action, Instant::now(), fastrand::f64()),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }

    /// Lets pods go to their nodes. What comes of that, the watch shows; what it does not show is tried again.
    fn let_pods_go(&mut self) {
        while self.admissions.try_join_next().is_some() {}
        let admissions = self.desk.shared.agent().admissions(Instant::now());
        for admission in admissions {
            let cluster = self.desk.cluster.clone();
            self.admissions.spawn(async move {
                let done = tokio::time::timeout(ADMISSION, let_go(&cluster, &admission)).await;
                let Admission { workspace, pod, .. } = &admission;
                match done {
                    Ok(Ok(())) => tracing::debug!(%workspace, pod, "let go to a node"),
                    Ok(Err(failure)) => {
                        tracing::warn!(%workspace, pod, %failure, "cannot let a pod go to a node");
                    }
                    Err(_) => tracing::warn!(%workspace, pod, "the API server does not answer"),
                }
            });
        }
    }
}

async fn let_go(cluster: &Cluster, admission: &Admission) -> Result<(), Failure> {
    let namespace = admission.namespace.as_str();
    let live = cluster.metadata(Kind::Namespace, namespace, namespace).await?;
    if live.is_some_and(|live| cluster.identity().is_anothers(&live)) {
        return Err(Failure::Foreign { kind: Kind::Namespace.as_str(), name: namespace.to_owned() });
    }
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let patch = Patch::Strategic(admission.patch());
    let patched = api.patch_metadata(&admission.pod, &PatchParams::default(), &patch).await;
    match patched {
        Ok(_) => Ok(()),
        // It is gone, or another one by now.
        Err(error) if matches!(failure::code(&error), Some(404 | 409 | 422)) => Ok(()),
        Err(error) => Err(during(format!("letting Pod/{} go", admission.pod))(error)),
    }
}
