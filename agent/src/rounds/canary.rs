//! A check of the network that the server asked for, beside the rounds.

use std::sync::Arc;

use berth_schema::NetworkCheckId;
use berth_schema::network_check::NetworkCheckReport;
use tokio::task::JoinSet;

use super::{Desk, Term, TermError};
use crate::canary::check;

/// At most one check at a time. It ends with the term: the next leader is asked again.
#[derive(Debug, Default)]
pub(super) struct NetworkChecking {
    runs: JoinSet<NetworkCheckReport>,
    id: Option<NetworkCheckId>,
    done: Option<NetworkCheckReport>,
}

impl NetworkChecking {
    /// Begins what is asked for, unless it runs already.
    pub(super) fn begin(&mut self, desk: &Desk, asked: Option<NetworkCheckId>) {
        let Some(id) = asked.filter(|id| self.id != Some(*id)) else { return };
        self.runs.abort_all();
        (self.id, self.done) = (Some(id), None);
        let desk = desk.clone();
        self.runs.spawn(async move {
            let report = check(&desk.cluster, &desk.canary, id).await;
            // The held request is given up, so that the result is told at once.
            Arc::clone(&desk.shared).changed.notify_one();
            report
        });
    }

    /// Whether there is a result to tell.
    pub(super) fn is_done(&mut self) -> bool {
        while let Some(ended) = self.runs.try_join_next() {
            match ended {
                Ok(report) if self.id == Some(report.id) => self.done = Some(report),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                _ => {}
            }
        }
        self.done.is_some()
    }

    /// The result, once. When telling it fails the server asks again.
    pub(super) fn take(&mut self) -> Option<NetworkCheckReport> {
        let done = self.is_done().then(|| self.done.take()).flatten();
        if done.is_some() {
            self.id = None;
        }
        done
    }
}

impl Term {
    /// Tells the result, or what became of the proxy, with what the cluster has.
    pub(super) async fn tell_of_the_cluster(&mut self) -> Result<&'static str, TermError> {
        self.prerequisites().await?;
        Ok("answered")
    }
}
