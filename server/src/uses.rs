//! When access tokens were last used: kept in memory and written down now and then, so that a request costs no write.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth_db::Database;
use berth_schema::{OrganizationId, TokenId};
use jiff::Timestamp;
use tracing::warn;

use crate::Context;
use crate::identity::{Actor, Run};

/// How often it is written down.
const PERIOD: Duration = Duration::from_secs(60);

/// The uses since it was last written down. Only tokens that proved themselves are in it, so it is never larger than the
/// table.
#[derive(Clone, Debug, Default)]
pub struct Uses(Arc<Mutex<HashMap<TokenId, (OrganizationId, Timestamp)>>>);

impl Uses {
    pub fn note(&self, organization: OrganizationId, token: TokenId, now: Timestamp) {
        self.lock().insert(token, (organization, now));
    }

    /// `None`: what is on record is the newest.
    pub fn last(&self, token: TokenId) -> Option<Timestamp> {
        self.lock().get(&token).map(|(_, at)| *at)
    }

    /// Writes down what there is. What cannot be written is tried again with what comes next.
    pub async fn store(&self, run: &Run<Database>) {
        let taken = mem::take(&mut *self.lock());
        for (token, (organization, at)) in taken {
            let stored = run
                .within(organization)
                .transaction("token_used", async |conn| conn.tokens().used(token, at).await)
                .await;
            if let Err(error) = stored {
                warn!(%token, error = &error as &dyn std::error::Error, "a token's use is not on record yet");
                self.lock().entry(token).or_insert((organization, at));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenId, (OrganizationId, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down the uses of tokens until the server drains, and once more then.
pub(crate) async fn keep(context: Context) {
    while !context.draining.is_cancelled() {
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = context.draining.cancelled() => {}
        }
        context.uses.store(&Run::begin(Actor::Task("uses"), context.database.clone())).await;
    }
}
