//! Hears from the server what may end connections, as it happens.

use std::sync::Arc;
use std::time::Duration;

use berth_proxy_core::Again;
use tracing::{info, warn};

use crate::authorise::without_answer;
use crate::shared::Shared;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(10);

impl Shared {
    /// Reads the feed on and on. While that fails, what is open is asked about at every turn instead.
    pub(crate) async fn keep_hearing(self: Arc<Self>) -> anyhow::Result<()> {
        let mut pause = FIRST_PAUSE;
        // It is said once each time that it begins to fail, the first time included.
        let mut was_said = false;
        loop {
            let after = self.decisions().told_until();
            let heard = match self.server.changes(after).await {
                Ok(changes) => self.decisions().hear(changes),
                Err(error) => {
                    if !was_said {
                        without_answer(&error);
                        was_said = true;
                    }
                    self.decisions().hear_nothing();
                    self.metrics.is_told.set(0);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                    continue;
                }
            };
            match heard {
                // A server that is about to stop holds nothing.
                Again::Those(those) if those.is_empty() => tokio::time::sleep(FIRST_PAUSE).await,
                Again::Those(those) => {
                    self.metrics.heard.inc_by(those.len() as u64);
                    self.doubt.notify_one();
                }
                Again::All => {
                    info!(after, "what was changed is told from here on; everything open is asked about");
                    self.doubt.notify_one();
                    tokio::time::sleep(FIRST_PAUSE).await;
                }
                Again::Over => {
                    let closed = self.streams.cut_all();
                    self.metrics.cut.inc_by(closed as u64);
                    warn!(closed, "the agent of this proxy was revoked: everything is closed");
                    self.metrics.is_told.set(0);
                    tokio::time::sleep(MAX_PAUSE).await;
                    continue;
                }
            }
            self.metrics.is_told.set(1);
            was_said = false;
            pause = FIRST_PAUSE;
        }
    }
}
