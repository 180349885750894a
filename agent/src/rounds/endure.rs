//! What a leader does while its server does not answer as it should.

use std::time::{Duration, Instant};

use super::{Term, TermError};
use crate::server::ServerError;

/// How soon a server that denied the token is asked again.
const DENIED: Duration = Duration::from_mins(1);
/// How often it is looked meanwhile whether the token was replaced.
const TOKEN_LOOKED_AT: Duration = Duration::from_secs(2);

impl Term {
    /// Waits after an error, longer each time; the work goes on.
    pub(super) async fn endure(&mut self, error: &TermError) {
        let pause = match error {
            TermError::Server(ServerError::Denied { .. }) => DENIED,
            TermError::Server(ServerError::Refused { retry_after: Some(asked), .. }) => {
                (*asked).min(10 * DENIED).mul_f64(1.0 + 0.1 * fastrand::f64())
            }
            _ => self.backoff.next(fastrand::f64()),
        };
        let source = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(%error, source, retry_seconds = pause.as_secs_f64(), "the round failed");
        self.desk.shared.health().server_error = Some(error.to_string());
        let end = Instant::now() + pause;
        // A token that was replaced is no reason to wait any longer.
        while self.desk.server.refresh_token() == self.token {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.work_for(left.min(TOKEN_LOOKED_AT)).await;
        }
    }
}
