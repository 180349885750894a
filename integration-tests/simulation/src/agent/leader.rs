//! Leading by a Lease: the decisions are those of the agent's core, the writes are conditional.

use std::rc::Rc;
use std::time::{Duration, Instant};

use berth_agent_core::lease::{Candidate, Decision, GRACE, RENEWAL, written};
use tokio::sync::{mpsc, watch};

use super::AgentProcess;
use crate::cluster::{ApiError, ClusterApi as _};

/// How often a standby looks.
const LOOK: Duration = Duration::from_secs(2);
/// How long one look or write may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the server thinks of the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Stale,
}

/// A candidate for leadership.
pub(super) struct Elector {
    process: Rc<AgentProcess>,
    candidate: Candidate,
    renewed: Option<Instant>,
    leads: watch::Sender<Option<i64>>,
    verdicts: mpsc::Receiver<Verdict>,
}

impl Elector {
    pub(super) fn new(
        process: Rc<AgentProcess>,
        leads: watch::Sender<Option<i64>>,
        verdicts: mpsc::Receiver<Verdict>,
    ) -> Self {
        let candidate = Candidate::new(process.name.clone());
        Self { process, candidate, renewed: None, leads, verdicts }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.step().await;
            let process = Rc::clone(&self.process);
            let usual = if self.candidate.leads().is_some() { RENEWAL } else { LOOK };
            let pause = process.clock.sleep(self.pause(usual));
            let verdict = tokio::select! {
                biased;
                verdict = self.verdicts.recv() => verdict,
                () = pause => continue,
            };
            match verdict {
                Some(Verdict::Accepted) => self.candidate.accepted(),
                Some(Verdict::Stale) => {
                    self.candidate.stale(process.now());
                    self.publish();
                    process.clock.sleep(LOOK).await;
                }
                None => return,
            }
        }
    }

    /// A leader that cannot renew looks again sooner, so as to stop in time.
    fn pause(&self, usual: Duration) -> Duration {
        match self.renewed {
            Some(renewed) if self.candidate.leads().is_some() => {
                let left = GRACE.saturating_sub(self.process.now().saturating_duration_since(renewed));
                usual.min(left).max(Duration::from_millis(500))
            }
            _ => usual,
        }
    }

    async fn step(&mut self) {
        let process = Rc::clone(&self.process);
        tokio::select! {
            biased;
            result = self.campaign() => if let Err(error) = result {
                process.say(|| format!("cannot read or write the Lease: {error}"));
            },
            () = process.clock.sleep(PATIENCE) => {}
        }
        let now = self.process.now();
        let overdue = self.renewed.is_none_or(|renewed| now.saturating_duration_since(renewed) >= GRACE);
        if self.candidate.leads().is_some() && overdue {
            self.candidate.resign();
        }
        self.publish();
    }

    async fn campaign(&mut self) -> Result<(), ApiError> {
        let asked = self.process.now();
        let lease = self.process.cluster.lease().await?;
        let epoch = match self.candidate.decide(lease.as_ref(), asked) {
            Decision::Wait | Decision::Lost => return Ok(()),
            Decision::Create { epoch } | Decision::Acquire { epoch } | Decision::Renew { epoch } => epoch,
        };
        let wall = self.process.clock.wall();
        let next = written(lease.as_ref(), "berth-agent", &self.process.name, epoch, wall);
        self.process.cluster.write_lease(next).await?;
        self.candidate.won(epoch);
        self.renewed = Some(asked);
        Ok(())
    }

    fn publish(&self) {
        let leads = self.candidate.leads();
        self.process.leads.set(leads);
        self.leads.send_if_modified(|current| std::mem::replace(current, leads) != leads);
    }
}
