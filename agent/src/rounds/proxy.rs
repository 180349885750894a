//! What the proxy proves itself by, renewed beside the rounds.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Desk;
use crate::proxy::{NotKept, keep};
use crate::server::ServerError;

/// Its token lives an hour.
const RENEWED: Duration = Duration::from_mins(30);
/// How soon what failed is tried again.
const AGAIN: Duration = Duration::from_mins(1);
/// A server of the version before knows no proxies.
const UNKNOWN: Duration = Duration::from_mins(10);

/// One attempt at a time. They end with the term: the next leader begins anew.
#[derive(Debug)]
pub(super) struct ProxyKeeping {
    runs: JoinSet<Duration>,
    due: Instant,
}

impl Default for ProxyKeeping {
    fn default() -> Self {
        Self { runs: JoinSet::new(), due: Instant::now() }
    }
}

impl ProxyKeeping {
    /// They are missing, and nothing that failed is waited for.
    pub(super) fn hasten(&mut self) {
        self.due = self.due.min(Instant::now() + AGAIN);
    }

    pub(super) fn begin_when_due(&mut self, desk: &Desk) {
        while let Some(ended) = self.runs.try_join_next() {
            match ended {
                Ok(pause) => self.due = Instant::now() + pause,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            }
        }
        if self.runs.is_empty() && self.due <= Instant::now() {
            let (cluster, server) = (desk.cluster.clone(), desk.server.clone());
            self.runs.spawn(async move {
                match keep(&cluster, &server).await {
                    Ok(()) => RENEWED,
                    Err(NotKept::Server(ServerError::Refused { status: 404, .. })) => UNKNOWN,
                    Err(error) => {
                        let source = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::warn!(%error, source, "the proxy gets no other token");
                        AGAIN
                    }
                }
            });
        }
    }
}
