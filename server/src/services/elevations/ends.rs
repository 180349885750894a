//! The ends of roles for a time, on record.

use std::sync::Arc;
use std::time::Duration;

use berth_schema::OrganizationId;
use berth_schema::audit::{Details, Event, Internal as Kind, Resource};
use tracing::warn;

use crate::identity::{Internal, Run};
use crate::tasks::Task;
use crate::{Context, Error, Op};

/// Puts on record which of them have ended by themselves. That they have is decided by their time at each request, whether this runs
/// or not.
#[derive(Debug)]
pub(crate) struct Recorder {
    url: String,
}

/// The most of one transaction.
const BATCH: i64 = 100;

impl Recorder {
    pub(crate) const fn new(url: String) -> Self {
        Self { url }
    }
}

impl Task for Recorder {
    const NAME: &'static str = "elevations";
    const PERIOD: Duration = Duration::from_secs(5);

    async fn run(&mut self, run: &Run<Arc<Context>>) -> Result<(), Error> {
        record_ends(run, &self.url).await
    }
}

/// One look at all that is due.
pub async fn record_ends(run: &Run<Arc<Context>>, url: &str) -> Result<(), Error> {
    for organization in berth_db::organizations_with_due_elevations(url, run.now).await? {
        if run.context.draining.is_cancelled() {
            break;
        }
        if let Err(error) = record_ends_in(run, organization).await {
            let error = &error as &dyn std::error::Error;
            warn!(%organization, error, "the ends of roles cannot be put on record");
        }
    }
    Ok(())
}

async fn record_ends_in(run: &Run<Arc<Context>>, organization: OrganizationId) -> Result<(), Error> {
    let op = run.within(organization);
    loop {
        let recorded = batch(&op).await?;
        if recorded < usize::try_from(BATCH).unwrap_or(usize::MAX) {
            return Ok(());
        }
    }
}

async fn batch(op: &Op<Internal>) -> Result<usize, Error> {
    op.changes("record_elevations", async |conn| {
        let due = conn.elevations().take_due(op.now, BATCH).await?;
        let events = due.iter().map(|row| {
            let (kind, was_approved) = match row.is_approved {
                Some(true) => (Kind::ExpireElevation, true),
                _ => (Kind::LapseElevation, false),
            };
            let details = Details::ElevationEnded { subject: row.subject, role: row.role, was_approved };
            Event::internal(kind, Resource::elevation(row.id), details)
        });
        Ok::<_, Error>((due.len(), events.collect()))
    })
    .await
}
