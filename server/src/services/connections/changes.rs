//! What may end connections, told to the proxies as it happens: decision 0065.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use berth_db::{ChangesSince, OrganizationConn};
use berth_schema::audit::{Concern, Use};
use berth_schema::connection::{Changes, MAX_HELD_SECONDS};
use berth_schema::ports::PublicPort;
use futures::FutureExt as _;
use tokio::time::Instant;

use crate::identity::ProxyIdentity;
use crate::{Error, Op};

/// More than so many at once concern everybody.
const MAX_CONCERNS: i64 = 500;

/// Tells what was changed after a place in the record. With nothing to tell the answer is held for `wait`, or until nobody is there any more.
/// Without a place it says at once which one is the newest.
///
/// # Errors
/// [`Error::Invalid`] for a longer wait than is held; [`Error::TooManyPolls`]; where the database fails.
pub async fn changes(
    op: Op<ProxyIdentity>,
    after: Option<u64>,
    wait: u64,
    gone: impl Future<Output = ()>,
) -> Result<Changes, Error> {
    if wait > MAX_HELD_SECONDS {
        return Err(Error::field("wait", format!("must be at most {MAX_HELD_SECONDS} seconds")));
    }
    let wrong = || Error::field("after", "is no place in a record");
    let after = after.map(i64::try_from).transpose().map_err(|_| wrong())?;
    let mut gone = pin!(gone.fuse());
    let (proxy, context) = (op.who, Arc::clone(&op.context));
    let deadline = Instant::now() + Duration::from_secs(wait);
    let mut op = op;
    loop {
        // Listen before looking: what changes in between must not be slept through.
        let mut subscription = context.connections.subscribe(proxy.organization);
        let seen = look(&op, after).await?;
        let (since, _, over) = &seen;
        let is_over = Instant::now() >= deadline || context.draining.is_cancelled();
        let has_news = after.is_none_or(|after| since.head < after) || !since.concerns.is_empty();
        if has_news || *over || is_over {
            return answer(seen);
        }
        let _held = (context.watches.hold(proxy.agent)?, context.metrics.hold());
        tokio::select! {
            () = subscription.woken() => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = &mut gone => return answer(seen),
            () = context.draining.cancelled() => {}
        }
        op = op.looks_again();
    }
}

/// What happened after a place, where nobody has to sign in, and whether the agent was revoked meanwhile.
type Seen = (ChangesSince, Vec<PublicPort>, bool);

async fn look(op: &Op<ProxyIdentity>, after: Option<i64>) -> Result<Seen, Error> {
    op.read("look_for_changes_of_connections", async |conn: &OrganizationConn<'_>| {
        let since = match after {
            Some(after) => conn.audit().changes_since(Use::Connections, after, MAX_CONCERNS).await?,
            None => ChangesSince { head: conn.audit().head().await?, concerns: Vec::new() },
        };
        // Among what is told of everybody may be the agent's end.
        let over = since.concerns.contains(&Concern::Everybody)
            && conn.agents().find(op.who.agent).await?.is_none_or(|agent| agent.revoked_at.is_some());
        // What is in the record up to its head is in this as well.
        let public = conn.port_shares().public_at(op.who.agent, op.now).await?;
        Ok::<_, Error>((since, public, over))
    })
    .await
}

fn answer((since, public, over): Seen) -> Result<Changes, Error> {
    let head = u64::try_from(since.head).map_err(|_| Error::internal("a record of a negative sequence"))?;
    Ok(Changes { head, concerns: since.concerns, public, over })
}
