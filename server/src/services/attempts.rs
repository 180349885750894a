//! Browsers of which an answer is expected: from an identity provider, or of a passkey. Each answer is taken once.

use berth_db::{NewSignInAttempt, Reach, SignInAttemptRow};
use jiff::Timestamp;

use super::openid::ATTEMPT_LIFE;
use super::tokens::hash;
use crate::{Context, Error};

/// How many may be on their way: of the whole installation, and from one address.
const MOST: (i64, i64) = (20_000, 200);

/// When one that begins now is over.
pub(super) fn end(now: Timestamp) -> Timestamp {
    berth_db::stored_time(now.saturating_add(ATTEMPT_LIFE).unwrap_or(now))
}

/// # Errors
/// Where too many are on their way.
#[expect(
    clippy::disallowed_methods,
    reason = "an attempt is nobody's, and changes nothing until it comes back"
)]
pub(super) async fn begin(
    context: &Context,
    attempt: &NewSignInAttempt,
    now: Timestamp,
) -> Result<(), Error> {
    let stored = context.database.transaction(Reach::installation(), "begin_sign_in", async |conn| {
        conn.sign_in_attempts().insert(attempt, MOST, now).await.map_err(Error::from)
    });
    if stored.await? {
        return Ok(());
    }
    Err(Error::TooManyRequests { seconds: ATTEMPT_LIFE.as_secs().unsigned_abs() })
}

/// Uses one up. Of several who come back with its state one is told. `None`: there is none, or it is over.
#[expect(
    clippy::disallowed_methods,
    reason = "an attempt is nobody's, and changes nothing until it comes back"
)]
pub(super) async fn take(
    context: &Context,
    state: &str,
    now: Timestamp,
) -> Result<Option<SignInAttemptRow>, Error> {
    let state = hash(state);
    let taken = context.database.transaction(Reach::installation(), "take_sign_in_attempt", async |conn| {
        conn.sign_in_attempts().take(&state).await.map_err(Error::from)
    });
    Ok(taken.await?.filter(|attempt| now < attempt.expires_at))
}
