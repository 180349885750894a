//! Telling everything: what the cluster has, and every workspace in it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use berth_agent_core::Pages;
use berth_schema::WorkspaceId;
use berth_schema::reconcile::{MessageType, UpdateType};

use super::{Term, TermError};
use crate::server::ServerError;
use crate::{prerequisites, relist};

/// How long the watches have to show what a fresh list has held, and how soon after one list the next may follow.
const CATCH_UP: Duration = Duration::from_secs(10);

impl Term {
    /// What the cluster has, then what is in it.
    pub(super) async fn everything(&mut self) -> Result<&'static str, TermError> {
        // Workspaces do not wait for what the server thinks of their cluster.
        if let Err(error) = self.prerequisites().await {
            let decides = matches!(
                error,
                ServerError::StaleEpoch { .. } | ServerError::Denied { .. } | ServerError::Unreachable(_)
            );
            if decides {
                return Err(error.into());
            }
            tracing::warn!(%error, "the server does not take what the cluster has");
        }
        self.full().await
    }

    /// Tells what the cluster has, and installs what the server answers. When that changes anything it is told at once.
    pub(super) async fn prerequisites(&mut self) -> Result<(), ServerError> {
        let cluster = self.desk.cluster.clone();
        for _ in 0..2 {
            let strays = self.desk.shared.agent().strays();
            let has = prerequisites::gather(&cluster, self.tending.reports(), strays).await;
            let mut request = self.request(UpdateType::Partial, vec![], None);
            request.message_type = MessageType::Prerequisites;
            request.prerequisites = Some(has);
            request.network_check = self.check.take();
            let Some(response) = self.ask(&request, None).await.transpose()? else { return Ok(()) };
            // A server of the version before takes it for a report of nothing.
            let Some(manifests) = response.manifests else { return Ok(()) };
            self.check.begin(&self.desk, response.network_check);
            if !self.tending.follow(&self.desk, manifests).await {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Everything, page by page.
    async fn full(&mut self) -> Result<&'static str, TermError> {
        let mut listed = None;
        if std::mem::take(&mut self.relist) {
            self.relist_from = Instant::now() + CATCH_UP;
            listed = self.relist().await;
        }
        let pages: Pages = self.desk.shared.agent().full();
        self.full_due = Instant::now() + self.full_interval();
        let mut result = Ok("answered");
        for (page, infos) in pages {
            let mut request = self.request(UpdateType::Full, infos, page);
            if page.is_some_and(|page| page.last) || (page.is_none() && listed.is_some()) {
                let nothing = BTreeSet::new();
                request.relisted = listed.is_some();
                request.present = self.desk.shared.agent().present(listed.as_ref().unwrap_or(&nothing));
            }
            match self.ask(&request, None).await.transpose() {
                Ok(response) => self.answered(&request, response).await,
                Err(error) => {
                    (self.full_due, self.relist) = (Instant::now(), listed.is_some());
                    result = Err(error.into());
                    break;
                }
            }
        }
        if listed.is_some_and(|listed| self.desk.shared.agent().has_not_seen(&listed)) {
            self.full_due = self.full_due.min(Instant::now() + CATCH_UP);
        }
        result
    }

    /// Up to a tenth less, so that agents that started together do not stay together.
    fn full_interval(&self) -> Duration {
        let interval = Duration::from_secs(self.settings.full_reconciliation_interval_seconds);
        interval.mul_f64(1.0 - 0.1 * fastrand::f64())
    }

    /// A fresh list of the cluster; without one the report goes out all the same, and is asked for again.
    async fn relist(&mut self) -> Option<BTreeSet<WorkspaceId>> {
        let cluster = self.desk.cluster.clone();
        let identity = self.desk.shared.agent().identity().clone();
        let listed = tokio::select! {
            listed = relist::workspaces(&cluster, &identity) => listed,
            () = self.work(None) => return None,
        };
        match listed {
            Ok(listed) => {
                tracing::info!(workspaces = listed.len(), "listed the cluster anew, as the server asked");
                Some(listed)
            }
            Err(failure) => {
                tracing::warn!(%failure, "cannot list the cluster anew");
                None
            }
        }
    }
}
