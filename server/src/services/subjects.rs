//! Writes down whose the workspaces are that are from before there were subjects.

use std::sync::Arc;
use std::time::Duration;

use tracing::info;

use crate::identity::Run;
use crate::tasks::Task;
use crate::{Context, Error};

/// Workspaces of one transaction.
const BATCH: i64 = 200;

/// Fills what the migration left, a few at a time. What is written since has its subject from the beginning, so that a server
/// which has once found nothing looks no more.
#[derive(Debug)]
pub(crate) struct Filler {
    url: String,
    is_done: bool,
}

impl Filler {
    pub(crate) const fn new(url: String) -> Self {
        Self { url, is_done: false }
    }
}

impl Task for Filler {
    const NAME: &'static str = "subjects";
    const PERIOD: Duration = Duration::from_secs(600);

    async fn run(&mut self, run: &Run<Arc<Context>>) -> Result<(), Error> {
        if self.is_done {
            return Ok(());
        }
        let mut batches = 0;
        for organization in berth_db::every_organization(&self.url).await? {
            let op = run.within(organization);
            let mut after = None;
            loop {
                let next = op
                    .upkeep("fill_creators", async |conn| conn.subjects().fill_creators(after, BATCH).await);
                after = next.await?;
                if after.is_none() || run.context.draining.is_cancelled() {
                    break;
                }
                batches += 1;
            }
        }
        if batches > 0 {
            info!(batches, "workspaces of before have their creators");
        }
        self.is_done = batches == 0 && !run.context.draining.is_cancelled();
        Ok(())
    }
}
