//! Keeping the proxy as it was installed, beside the rounds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_schema::prerequisites::ManifestReport;
use serde_json::Value;
use tokio::task::JoinSet;

use super::Desk;
use crate::prerequisites::{Installed, install};

/// How often it is looked whether it still is.
const LOOKED_AT: Duration = Duration::from_secs(15);

/// What the server wants to be in the proxy's namespace, and how it was left there. One look at a time; they end with the term.
#[derive(Debug)]
pub(super) struct Tending {
    wanted: Option<Vec<Value>>,
    installed: Installed,
    runs: JoinSet<Installed>,
    due: Instant,
    /// Something else is to be told than was told last.
    has_news: bool,
}

impl Default for Tending {
    fn default() -> Self {
        Self {
            wanted: None,
            installed: Installed::default(),
            runs: JoinSet::new(),
            due: Instant::now(),
            has_news: false,
        }
    }
}

impl Tending {
    /// Installs what the server wants now. Whether that is something else to tell.
    pub(super) async fn follow(&mut self, desk: &Desk, wanted: Vec<Value>) -> bool {
        self.runs.abort_all();
        while self.runs.join_next().await.is_some() {}
        let identity = desk.cluster.identity();
        let installed = install(&desk.cluster, identity, wanted.clone(), &self.installed.left).await;
        self.wanted = Some(wanted);
        self.due = Instant::now() + LOOKED_AT;
        self.take(installed)
    }

    /// What became of it, to be told.
    pub(super) fn reports(&mut self) -> Vec<ManifestReport> {
        self.has_news = false;
        self.installed.reports.clone()
    }

    pub(super) fn begin_when_due(&mut self, desk: &Desk) {
        self.end();
        let Some(wanted) = self.wanted.clone().filter(|_| self.runs.is_empty() && self.due <= Instant::now())
        else {
            return;
        };
        let (desk, left, told) = (desk.clone(), self.installed.left.clone(), self.installed.reports.clone());
        self.runs.spawn(async move {
            let installed = install(&desk.cluster, desk.cluster.identity(), wanted, &left).await;
            if installed.reports != told {
                // The held request is given up, so that it is told at once.
                Arc::clone(&desk.shared).changed.notify_one();
            }
            installed
        });
    }

    /// Whether there is something else to tell.
    pub(super) fn has_news(&mut self) -> bool {
        self.end();
        self.has_news
    }

    /// Whether the proxy waits for Secrets that are the agent's to make.
    pub(super) const fn lacks_secrets(&self) -> bool {
        self.installed.lacks_secrets
    }

    fn end(&mut self) {
        while let Some(ended) = self.runs.try_join_next() {
            match ended {
                Ok(installed) => {
                    self.due = Instant::now() + LOOKED_AT;
                    self.has_news |= self.take(installed);
                }
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            }
        }
    }

    fn take(&mut self, installed: Installed) -> bool {
        let before = std::mem::replace(&mut self.installed, installed);
        before.reports != self.installed.reports
    }
}
