//! When access tokens were last used: kept in memory and written down now and then, so that a request costs no write.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth_schema::{OrganizationId, TokenId};
use jiff::Timestamp;

use crate::identity::Run;
use crate::tasks::Task;
use crate::{Context, Error};

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
    async fn store(&self, run: &Run<Arc<Context>>) -> Result<(), Error> {
        let taken = mem::take(&mut *self.lock());
        let mut result = Ok(());
        for (token, (organization, at)) in taken {
            let op = run.within(organization);
            let stored = op.upkeep("token_used", async |conn| conn.tokens().used(token, at).await).await;
            if let Err(error) = stored {
                self.lock().entry(token).or_insert((organization, at));
                result = Err(Error::from(error));
            }
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenId, (OrganizationId, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down the uses of tokens.
#[derive(Debug)]
pub(crate) struct Keeper;

impl Task for Keeper {
    const NAME: &'static str = "token-uses";
    const PERIOD: Duration = Duration::from_secs(60);
    const AT_THE_END: bool = true;

    async fn run(&mut self, run: &Run<Arc<Context>>) -> Result<(), Error> {
        run.context.uses.store(run).await
    }
}
