//! In which workspaces something happens, as their agent's proxies tell: decision 0079.

use berth_planner::idle::SILENCE;
use berth_schema::activity::{MAX_SECONDS_AGO, MAX_TOLD, TellActivity};
use berth_schema::problem::FieldError;
use jiff::{SignedDuration, Timestamp};

use crate::identity::ProxyIdentity;
use crate::{Error, Op};

/// Stores what a proxy tells of its agent's workspaces. What it tells of others changes nothing, and it is not told which ones those were.
///
/// # Errors
/// [`Error::Invalid`] for more, or older, than is told; [`Error::TooManyReports`]; where the database fails.
pub async fn tell_activity(op: &Op<ProxyIdentity>, told: &TellActivity) -> Result<(), Error> {
    check(told)?;
    // It shares what its agent may say.
    op.context.reports.admit(op.who.agent, 1 + u32::try_from(told.active.len()).unwrap_or(u32::MAX)).await?;
    let times: Vec<_> =
        told.active.iter().map(|one| (one.workspace, before(op.now, one.seconds_ago))).collect();
    let silent_since = op.now.checked_sub(SILENCE).unwrap_or(Timestamp::MIN);
    op.round("tell_activity", async |conn| {
        conn.activity().tell(op.who.agent, &times).await?;
        conn.activity().hear(op.who.agent, silent_since, op.now).await?;
        Ok::<_, Error>(((), Vec::new()))
    })
    .await
}

fn check(told: &TellActivity) -> Result<(), Error> {
    if told.active.len() > MAX_TOLD {
        return Err(Error::field("active", format!("must be at most {MAX_TOLD} workspaces")));
    }
    let too_old = told.active.iter().enumerate().filter(|(_, one)| one.seconds_ago > MAX_SECONDS_AGO);
    let errors: Vec<_> = too_old
        .map(|(at, _)| {
            FieldError::new(format!("active[{at}].seconds_ago"), format!("must be at most {MAX_SECONDS_AGO}"))
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
}

fn before(now: Timestamp, seconds: u32) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MIN)
}
