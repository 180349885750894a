//! A command line here, and a browser elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_db::{Changed, DeviceOf, DeviceRequestRow, NewDeviceRequest, OrganizationConn, Reach};
use berth_schema::audit::Internal as Kind;
use berth_schema::{AccountId, SessionId};
use jiff::{SignedDuration, Timestamp};
use ring::rand::SecureRandom;
use tracing::info;
use zeroize::Zeroizing;

use super::code::decided;
use super::{Beginning, CommandLine, LoginTokens, Proof, Refused, device_name, vouching};
use crate::error::Unproven;
use crate::identity::{Origin, Person};
use crate::services::sessions;
use crate::services::tokens::{hash, random_secret};
use crate::{Context, Error, Op};

const REQUEST_LIFE: SignedDuration = SignedDuration::from_mins(10);
/// Seconds between two questions of a command line.
const INTERVAL: i32 = 5;
/// Who asks too often is to wait so much longer each time.
const SLOWER: i32 = 5;
const SLOWEST: i32 = 60;
/// Requests that wait at one time: of the whole installation, and from one address.
const MOST: (i64, i64) = (10_000, 100);
const PREFIX: &str = "berth_dev_";
/// Letters that make no words and are not taken for each other.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_LETTERS: usize = 8;

/// What a command line is told at first.
#[derive(Debug)]
pub struct DeviceAuthorization {
    pub device_code: Zeroizing<String>,
    /// `XXXX-XXXX`.
    pub user_code: String,
    /// Seconds.
    pub expires_in: i64,
    pub interval: i32,
}

/// What somebody says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    Refuse,
}

/// A command line asks to be let in.
///
/// # Errors
/// Where too many do, or the database fails.
#[expect(
    clippy::disallowed_methods,
    reason = "a request is nobody's, and changes nothing until it is answered"
)]
pub async fn request(
    context: &Context,
    name: &str,
    address: Option<String>,
    now: Timestamp,
) -> Result<DeviceAuthorization, Error> {
    let random = context.random.as_ref();
    let secret = random_secret(random)?;
    let device_code = Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret.as_slice())));
    let user_code = draw_code(random)?;
    let request = NewDeviceRequest {
        secret_hash: hash(&device_code),
        user_code: user_code.clone(),
        device_name: device_name(name),
        address,
        expires_at: berth_db::stored_time(now.saturating_add(REQUEST_LIFE).unwrap_or(now)),
        interval_seconds: INTERVAL,
    };
    let stored = context
        .database
        .transaction(Reach::installation(), "request_device_login", async |conn| {
            conn.device_requests().insert(&request, MOST, now).await.map_err(Error::from)
        })
        .await?;
    if !stored {
        return Err(Error::TooManyRequests { seconds: REQUEST_LIFE.as_secs().unsigned_abs() });
    }
    let (one, two) = user_code.split_at(CODE_LETTERS / 2);
    Ok(DeviceAuthorization {
        device_code,
        user_code: format!("{one}-{two}"),
        expires_in: REQUEST_LIFE.as_secs(),
        interval: INTERVAL,
    })
}

/// A code as people type it: in any case, with whatever between the letters. `None`: it is none.
fn typed(text: &str) -> Option<String> {
    let code: String = text
        .chars()
        .filter(|letter| !matches!(letter, '-' | ' '))
        .map(|letter| letter.to_ascii_uppercase())
        .take(CODE_LETTERS + 1)
        .collect();
    (code.len() == CODE_LETTERS && code.bytes().all(|letter| LETTERS.contains(&letter))).then_some(code)
}

/// Eight letters, each equally likely.
fn draw_code(random: &dyn SecureRandom) -> Result<String, Error> {
    let most = (256 / LETTERS.len()) * LETTERS.len();
    let mut code = String::with_capacity(CODE_LETTERS);
    while code.len() < CODE_LETTERS {
        let mut bytes = [0_u8; 16];
        random
            .fill(&mut bytes)
            .map_err(|_| Error::internal("no random numbers can be had from the system"))?;
        let letters = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < most);
        code.extend(
            letters.take(CODE_LETTERS - code.len()).map(|byte| char::from(LETTERS[byte % LETTERS.len()])),
        );
    }
    Ok(code)
}

/// The request that waits under the code that a person has typed. `None`: there is none that could still be decided.
///
/// # Errors
/// Where the database fails.
#[expect(
    clippy::disallowed_methods,
    reason = "a request is nobody's, and changes nothing until it is answered"
)]
pub async fn look_at(op: &Op<Person>, code: &str) -> Result<Option<DeviceRequestRow>, Error> {
    let Some(code) = typed(code) else { return Ok(None) };
    let found = op
        .context
        .database
        .transaction(Reach::installation(), "look_at_device_login", async |conn| {
            conn.device_requests().find_by_user_code(&code).await.map_err(Error::from)
        })
        .await?;
    Ok(found.filter(|found| found.is_allowed.is_none() && found.expires_at > op.now))
}

/// Somebody decides. `false`: there was nothing to decide any more.
///
/// # Errors
/// [`Error::Forbidden`] where they have to prove anew who they are before they let something in, and where the database fails.
#[expect(
    clippy::disallowed_methods,
    reason = "a request is nobody's, and changes nothing until it is answered"
)]
pub async fn decide(op: &Op<Person>, code: &str, decision: Decision) -> Result<bool, Error> {
    let Some(code) = typed(code) else { return Ok(false) };
    if look_at(op, &code).await?.is_none() {
        return Ok(false);
    }
    if decision == Decision::Allow {
        vouching::check(op).await?;
    }
    let find =
        async |conn: &OrganizationConn<'_>| conn.sessions().find(op.who.session).await.map_err(Error::from);
    let session = op.read("find_own_session", find).await?;
    let (session, _) = session.ok_or(Error::Unauthenticated(Unproven::NoSession))?;
    // The request is nobody's, so that the record cannot be of its transaction: it is there before.
    let is_allowed = decision == Decision::Allow;
    op.change("record_device_login", async |_| Ok::<_, Error>(Changed::So((), decided(op, is_allowed))))
        .await?;
    let decided = op
        .context
        .database
        .transaction(Reach::installation(), "decide_device_login", async |conn| {
            let found = conn.device_requests().find_by_user_code(&code).await?;
            if found.is_none_or(|found| found.is_allowed.is_some() || found.expires_at <= op.now) {
                return Ok::<_, Error>(false);
            }
            let proof = (session.method.as_str(), session.authenticated_at);
            Ok(conn
                .device_requests()
                .decide(&code, (op.who.account, op.who.session), proof, is_allowed)
                .await?)
        })
        .await?;
    if decided {
        info!(account = %op.who.account, session = %op.who.session, ?decision, "a device's request is decided");
    }
    Ok(decided)
}

/// What is to happen with a question of a command line.
enum Answer {
    Refused(Refused),
    Begin(AccountId, Proof, CommandLine),
}

/// A command line asks whether it is let in.
///
/// # Errors
/// Where the database fails.
#[expect(
    clippy::disallowed_methods,
    reason = "a request is nobody's, and changes nothing until it is answered"
)]
pub async fn poll(
    context: &Context,
    device_code: &str,
    address: Option<String>,
    at: (Origin, Timestamp),
) -> Result<Result<LoginTokens, Refused>, Error> {
    let (_, now) = at;
    const UNKNOWN: Refused = Refused::InvalidGrant("there is no such request, or it was answered");
    if !device_code.starts_with(PREFIX) {
        return Ok(Err(UNKNOWN));
    }
    let secret = hash(device_code);
    let answer = context
        .database
        .transaction(Reach::installation(), "poll_device_login", async |conn| {
            let requests = conn.device_requests();
            let Some(found) = requests.find(&secret).await? else { return Ok(Answer::Refused(UNKNOWN)) };
            if found.expires_at <= now {
                return Ok(Answer::Refused(Refused::ExpiredToken));
            }
            let by = found.proved_by.map(SessionId::from);
            let proof = found.method.zip(found.authenticated_at).map(|(method, at)| Proof { method, at, by });
            match (found.is_allowed, found.account_id, proof) {
                (Some(true), Some(account), Some(proof)) => {
                    requests.take(&secret).await?;
                    let machine = CommandLine { address: address.clone(), name: Some(found.device_name) };
                    Ok::<_, Error>(Answer::Begin(account.into(), proof, machine))
                }
                (Some(_), ..) => {
                    requests.take(&secret).await?;
                    Ok(Answer::Refused(Refused::AccessDenied))
                }
                (None, ..) => {
                    // A second of tolerance: the network is not of one speed.
                    let wait = SignedDuration::from_secs(i64::from(found.interval_seconds) - 1);
                    let is_early = found.polled_at.is_some_and(|last| now.duration_since(last) < wait);
                    let slower = (found.interval_seconds + SLOWER).min(SLOWEST);
                    let interval = if is_early { slower } else { found.interval_seconds };
                    requests.polled(&secret, interval, now).await?;
                    let refused = if is_early { Refused::SlowDown } else { Refused::AuthorizationPending };
                    Ok(Answer::Refused(refused))
                }
            }
        })
        .await?;
    let (account, proof, machine) = match answer {
        Answer::Refused(refused) => return Ok(Err(refused)),
        Answer::Begin(account, proof, machine) => (account, proof, machine),
    };
    // What was taken from the browser since it has decided, it has not to give any more.
    let decider = proof.by.map(|session| (account, session));
    if let Some(whose) = decider
        && vouching::kept_out(context, whose, (None, now)).await?.is_some()
    {
        return Ok(Err(Refused::AccessDenied));
    }
    let session = SessionId::random();
    let beginning = Beginning::new(context, session, &proof, (machine, DeviceOf::Elsewhere), now)?;
    let stamp = sessions::stamp(session, Kind::SignIn, at);
    let begun = context
        .database
        .change_of_account(account, "begin_login", stamp, async |conn| {
            let person = conn.accounts().find().await?;
            if person.is_none_or(|person| person.suspended_at.is_some()) || !proof.stands(conn).await? {
                return Ok(Changed::Not(false));
            }
            Ok::<_, Error>(Changed::So(true, beginning.store(conn, now).await?))
        })
        .await?;
    if !begun {
        return Ok(Err(Refused::AccessDenied));
    }
    info!(%account, %session, "a command line has logged in by a device's code");
    beginning.tokens(context, account, now).map(Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    #[test]
    fn a_code_is_understood_however_it_is_typed() {
        for text in ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "B-C-D-F-G-H-J-K"] {
            assert_eq!(typed(text).as_deref(), Some("BCDFGHJK"), "{text}");
        }
        for text in ["", "BCDF-GHJ", "BCDF-GHJKL", "BCDF-GHJA", "ßCDFGHJK", &"B".repeat(100_000)] {
            assert_eq!(typed(text), None);
        }
    }

    #[test]
    fn codes_are_drawn_from_all_the_letters() {
        let random = SystemRandom::new();
        let all: String = (0..200).map(|_| draw_code(&random).expect("a code")).collect();
        assert_eq!(all.len(), 200 * CODE_LETTERS);
        assert!(LETTERS.iter().all(|letter| all.contains(char::from(*letter))));
        assert!(all.bytes().all(|letter| LETTERS.contains(&letter)));
    }
}
