//! Leading by a Lease: one process of the agent acts, the others stand by.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use berth_agent_core::lease::{Candidate, DURATION, Decision, GRACE, RENEWAL, written};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::failure::words;
use crate::shared::Shared;

/// How often a standby looks, and again when the Lease it sees has run out.
const LOOK: Duration = Duration::from_secs(1);
/// How long one look or write may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the server thinks of the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    Stale,
}

/// A candidate for leadership.
pub struct Elector {
    api: Api<Lease>,
    /// The Lease's name. It holds the agent's id: several agents may share a namespace.
    name: String,
    identity: String,
    candidate: Candidate,
    renewed: Option<Instant>,
    /// The epoch led in, for those who act by it.
    leads: watch::Sender<Option<i64>>,
    verdicts: mpsc::Receiver<Verdict>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Elector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Elector").field("candidate", &self.candidate).finish_non_exhaustive()
    }
}

impl Elector {
    /// `identity` is different for each process that runs at the same time.
    pub fn new(
        cluster: &Cluster,
        namespace: &str,
        identity: String,
        shared: Arc<Shared>,
    ) -> (Self, watch::Receiver<Option<i64>>, mpsc::Sender<Verdict>) {
        let (leads, leads_receiver) = watch::channel(None);
        let (verdict_sender, verdicts) = mpsc::channel(1);
        let elector = Self {
            api: Api::namespaced(cluster.client.clone(), namespace),
            name: format!("berth-agent-{}", cluster.agent),
            candidate: Candidate::new(identity.clone()),
            identity,
            renewed: None,
            leads,
            verdicts,
            shared,
        };
        (elector, leads_receiver, verdict_sender)
    }

    /// Runs until `stop`, then gives the Lease back, so that a successor begins at once.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            self.step().await;
            let pause = if self.candidate.leads().is_some() { RENEWAL } else { LOOK };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.pause(pause)) => {}
                verdict = self.verdicts.recv() => self.judge(verdict.context("nobody leads any more")?).await,
            }
        }
        self.release().await;
        Ok(())
    }

    /// A leader that cannot renew looks again sooner, so as to stop in time.
    fn pause(&self, usual: Duration) -> Duration {
        match self.renewed {
            Some(renewed) if self.candidate.leads().is_some() => {
                let left = GRACE.saturating_sub(renewed.elapsed());
                usual.min(left).max(Duration::from_millis(500))
            }
            _ => {
                let left = self.candidate.runs_out().map(|end| end.saturating_duration_since(Instant::now()));
                left.filter(|left| !left.is_zero()).map_or(usual, |left| usual.min(left))
            }
        }
    }

    async fn judge(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Accepted => self.candidate.accepted(),
            Verdict::Stale => {
                tracing::warn!("the server has heard a later leader with this agent's identity: standing by");
                self.candidate.stale(Instant::now());
                self.publish();
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    async fn step(&mut self) {
        match tokio::time::timeout(PATIENCE, self.campaign()).await {
            Ok(Ok(())) => self.shared.health().lease_seen = Some(Instant::now()),
            // Somebody else wrote first; the next look tells who.
            Ok(Err(error)) if crate::failure::code(&error) == Some(409) => {}
            Ok(Err(error)) => tracing::warn!(error = %words(&error), "cannot read or write the Lease"),
            Err(_) => tracing::warn!(seconds = PATIENCE.as_secs(), "the Lease takes too long"),
        }
        let overdue = self.renewed.is_none_or(|renewed| renewed.elapsed() >= GRACE);
        if self.candidate.leads().is_some() && overdue {
            tracing::warn!("the Lease could not be renewed in time: standing by");
            self.candidate.resign();
        }
        self.publish();
    }

    async fn campaign(&mut self) -> kube::Result<()> {
        let asked = Instant::now();
        let lease = self.api.get_opt(&self.name).await?;
        let decision = self.candidate.decide(lease.as_ref(), asked);
        let epoch = match decision {
            Decision::Wait => return Ok(()),
            Decision::Lost => {
                tracing::warn!("the Lease is somebody else's now: standing by");
                return Ok(());
            }
            Decision::Create { epoch } | Decision::Acquire { epoch } | Decision::Renew { epoch } => epoch,
        };
        let next = written(lease.as_ref(), &self.name, &self.identity, epoch, Timestamp::now());
        if lease.is_some() {
            // With its resource version: of two who try, one succeeds.
            self.api.replace(&self.name, &PostParams::default(), &next).await?;
        } else {
            self.api.create(&PostParams::default(), &next).await?;
        }
        if !matches!(decision, Decision::Renew { .. }) {
            tracing::info!(epoch, identity = self.identity, "leading");
        }
        self.candidate.won(epoch);
        // Counted from before the write: from others' point of view the Lease runs at least as long.
        self.renewed = Some(asked);
        Ok(())
    }

    fn publish(&self) {
        let leads = self.candidate.leads();
        self.shared.health().leads = leads;
        self.shared.metrics.epoch.set(leads.unwrap_or_default());
        self.leads.send_if_modified(|current| std::mem::replace(current, leads) != leads);
    }

    async fn release(&mut self) {
        let Some(epoch) = self.candidate.leads() else {
            return;
        };
        self.candidate.resign();
        self.publish();
        let released = async {
            let Some(lease) = self.api.get_opt(&self.name).await? else {
                return Ok(());
            };
            let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
            if holder != Some(self.identity.as_str()) {
                return Ok(());
            }
            let free = written(Some(&lease), &self.name, "", epoch, Timestamp::now());
            self.api.replace(&self.name, &PostParams::default(), &free).await.map(drop)
        };
        match tokio::time::timeout(PATIENCE, released).await {
            Ok(Ok(())) => tracing::info!(epoch, "gave the Lease back"),
            Ok(Err(error)) => tracing::warn!(error = %words(&error), "cannot give the Lease back"),
            Err(_) => tracing::warn!(
                seconds = DURATION.as_secs(),
                "cannot give the Lease back; it runs out by itself"
            ),
        }
    }
}
