//! How the session of a command line goes on, and how it ends.

use berth_issuer::Kind;
use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};
use uuid::Uuid;

use super::{LoginTokens, Refused, tokens};
use crate::identity::Origin;
use crate::services::sessions::{self, is_over};
use crate::{Context, Error};

/// The refresh token before the newest is answered with the same next one for so long: an answer can be lost, and two commands can
/// run at once.
const OVERLAP: SignedDuration = SignedDuration::from_secs(30);

const OVER: Refused = Refused::InvalidGrant("this login has ended; log in anew");

/// Another access token, and the refresh token that comes next. One that was used before ends the session: two have it.
///
/// # Errors
/// Where the database fails.
#[expect(clippy::disallowed_methods, reason = "that a session goes on changes nothing for anybody")]
pub async fn refresh(
    context: &Context,
    token: &str,
    at: (Origin, Timestamp),
) -> Result<Result<LoginTokens, Refused>, Error> {
    let (_, now) = at;
    let Ok(shown) = context.issuer.verify(Kind::Refresh, token, now) else { return Ok(Err(OVER)) };
    let (account, session) = (shown.account, shown.session);
    let next = Uuid::new_v4();
    let good = context
        .database
        .transaction(account, "refresh_login", async |conn| {
            let Some(found) = conn.sessions().find_locked(session).await? else { return Ok(Next::None) };
            let Some(person) = conn.accounts().find().await? else { return Ok(Next::None) };
            if is_over(&found, &person, &context.sessions, now).is_some() {
                return Ok(Next::None);
            }
            if found.refresh_id == Some(shown.id) {
                conn.sessions().refresh(session, next, now).await?;
                return Ok(Next::Is(next, found.expires_at));
            }
            let is_recent = found.refreshed_at.is_some_and(|at| now.duration_since(at) <= OVERLAP);
            if let (Some(current), true, true) =
                (found.refresh_id, found.refresh_before == Some(shown.id), is_recent)
            {
                return Ok(Next::Is(current, found.expires_at));
            }
            Ok::<_, Error>(Next::WasUsed)
        })
        .await?;
    match good {
        Next::Is(id, expires_at) => tokens(context, account, session, id, (now, expires_at)).map(Ok),
        Next::WasUsed => {
            warn!(%account, %session, "a refresh token is shown that was used before: its session ends");
            sessions::end_by_itself(context, (account, session), at).await?;
            Ok(Err(OVER))
        }
        Next::None => Ok(Err(OVER)),
    }
}

/// What comes behind a refresh token.
enum Next {
    /// The one of that id, while the session goes on.
    Is(Uuid, Timestamp),
    /// It was used before the last one.
    WasUsed,
    None,
}

/// Ends the session of a refresh token, whether or not it is the newest. What is no token of ours changes nothing.
///
/// # Errors
/// Where the database fails.
pub async fn revoke(context: &Context, token: &str, at: (Origin, Timestamp)) -> Result<(), Error> {
    let Ok(shown) = context.issuer.verify(Kind::Refresh, token, at.1) else { return Ok(()) };
    sessions::end_by_itself(context, (shown.account, shown.session), at).await?;
    info!(account = %shown.account, session = %shown.session, "a command line has logged out");
    Ok(())
}
