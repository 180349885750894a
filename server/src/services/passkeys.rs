//! Passkeys: what a browser is asked, and what its answer opens.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_db::{
    AccountEvent, Acting, Changed, DbError, DbErrorKind, NewPasskey, NewSignInAttempt, OrganizationConn,
    PasskeyRow, constraints,
};
use berth_passkeys::{Assertion, PublicKey, Relying, relying_party, verify_assertion, verify_registration};
use berth_schema::audit::{Details, Event, Internal as Kind, Resource, What};
use berth_schema::text::check_plain;
use berth_schema::{AccountId, Action, PasskeyId, SessionId, SessionToken};
use jiff::Timestamp;
use tracing::info;

use super::sign_in::{Device, end_before, new_session};
use super::tokens::{hash, random_secret};
use super::{attempts, login, openid};
use crate::denials::{Denial, Whose};
use crate::error::Unproven;
use crate::identity::{Origin, Person, Principal as _};
use crate::services::sessions;
use crate::{Context, Error, Op};

/// By what it was proven who somebody is, in a session's row.
const METHOD: &str = "passkey";
/// The most of one person.
const MOST: usize = 20;
/// The longest name, in characters.
const MAX_NAME: usize = 100;

/// What a browser is asked, once and within ten minutes.
#[derive(Clone, Debug)]
pub struct Asked {
    /// In base64url.
    pub challenge: String,
    /// What the passkey is for: this server's host.
    pub party: String,
}

/// Asks whoever signs in (`session` is `None`) or is signed in. `None`: `own`, the server's origin, has no name that passkeys could be for.
///
/// # Errors
/// Where too many are asked already.
pub async fn ask(
    context: &Context,
    own: &str,
    session: Option<SessionId>,
    address: Option<String>,
    now: Timestamp,
) -> Result<Option<Asked>, Error> {
    let Some(party) = relying_party(own) else { return Ok(None) };
    let challenge = URL_SAFE_NO_PAD.encode(*random_secret(context.random.as_ref())?);
    let expires_at = attempts::end(now);
    let attempt =
        NewSignInAttempt { state_hash: hash(&challenge), provider: None, session, address, expires_at };
    attempts::begin(context, &attempt, now).await?;
    Ok(Some(Asked { challenge, party: party.to_owned() }))
}

/// Takes the answer to a question once: where it was asked here, and of that session.
async fn take(
    context: &Context,
    challenge: &str,
    session: Option<SessionId>,
    now: Timestamp,
) -> Result<Vec<u8>, Error> {
    let over = || Error::Unauthenticated(Unproven::UnknownAttempt);
    let attempt = attempts::take(context, challenge, now).await?.ok_or_else(over)?;
    if attempt.provider().is_some() || attempt.session() != session {
        return Err(over());
    }
    URL_SAFE_NO_PAD.decode(challenge).map_err(|_| over())
}

/// What a browser brings of a passkey.
#[derive(Clone, Debug)]
pub struct Shown {
    pub challenge: String,
    /// The authenticator's own id of it.
    pub credential: Vec<u8>,
    pub authenticator_data: Vec<u8>,
    pub client_data: Vec<u8>,
    pub signature: Vec<u8>,
}

/// Why it opens nothing.
enum Refusal {
    /// What is on record; the person is told no more than that it opens nothing.
    Because(&'static str),
    /// There is no such account, on whose record it could be.
    Nobody,
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        Self::Failed(error.into())
    }
}

impl Refusal {
    /// As its person is told it; the denial of somebody goes on record, which nobody waits for.
    fn told(
        self,
        context: &Arc<Context>,
        (account, who, action): (AccountId, Acting, What),
        (origin, now): (Origin, Timestamp),
    ) -> Error {
        match self {
            Self::Failed(error) => return error,
            Self::Nobody => {}
            Self::Because(reason) => {
                let whose = Whose::Account(account);
                let denial = Denial { whose, who, action, reason: reason.into(), resource: None, origin };
                context.denials.note_aside(context, denial, now);
            }
        }
        Error::Unauthenticated(Unproven::Passkey)
    }
}

/// Whether it is a passkey of the transaction's account, and used as it has to be: then it counts as used.
async fn prove(
    conn: &OrganizationConn<'_>,
    shown: &Shown,
    (own, challenge): (&str, &[u8]),
    now: Timestamp,
) -> Result<(), Refusal> {
    let stored = conn.passkeys().find_locked(&shown.credential).await?;
    let stored = stored.ok_or(Refusal::Because("passkey-unknown"))?;
    let key = PublicKey::parse(&stored.public_key).map_err(Error::internal)?;
    let counter = u32::try_from(stored.counter).map_err(Error::internal)?;
    let relying = Relying { origin: own, party: relying_party(own).unwrap_or_default(), challenge };
    let assertion = Assertion {
        client_data: &shown.client_data,
        authenticator_data: &shown.authenticator_data,
        signature: &shown.signature,
    };
    let next = verify_assertion(relying, assertion, (&key, counter));
    let next = next.map_err(|rejected| Refusal::Because(rejected.as_str()))?;
    Ok(conn.passkeys().used(stored.id, next, now).await?)
}

/// Begins a session for whoever shows a passkey of that account. Whoever is let in, and whoever is not, is on record in each
/// organisation of it. A session that the browser has had `before` ends.
///
/// # Errors
/// Where it opens nothing: whether there is such an account is not told.
pub async fn sign_in(
    context: &Arc<Context>,
    (account, shown): (AccountId, &Shown),
    own: &str,
    (before, device): (Option<&SessionToken>, Device),
    (origin, now): (Origin, Timestamp),
) -> Result<SessionToken, Error> {
    let challenge = take(context, &shown.challenge, None, now).await?;
    let (token, mut session) = new_session(context, account, (METHOD, device), now)?;
    session.verified_at = Some(now);
    let id = session.id;
    let stamp = sessions::stamp(id, Kind::SignIn, (origin, now));
    let begun = context.database.change_of_account(account, "sign_in_by_passkey", stamp, async |conn| {
        let person = conn.accounts().find().await?.ok_or(Refusal::Nobody)?;
        prove(conn, shown, (own, &challenge), now).await?;
        if person.suspended_at.is_some() {
            return Err(Refusal::Because("suspended"));
        }
        let new_device = conn.sessions().insert(&session, now).await?;
        let (method, expires_at) = (session.method.clone(), session.expires_at);
        let details = Details::SignedIn { method, expires_at, provider: None, role: None, new_device };
        Ok(Changed::So((), Event::new(Resource::session(id), details).into()))
    });
    let by = (account, Acting::Unproven, What::Internal(Kind::SignIn));
    begun.await.map_err(|refusal: Refusal| refusal.told(context, by, (origin, now)))?;
    info!(%account, session = %id, method = METHOD, "signed in");
    if let Some(before) = before {
        end_before(context, before, (origin, now)).await?;
    }
    Ok(token)
}

/// An authenticator has made sure who is there: for rules that demand it, and for what changes how somebody signs in.
///
/// # Errors
/// Where it opens nothing.
pub async fn confirm(op: &Op<Person>, shown: &Shown, own: &str) -> Result<(), Error> {
    let session = op.who.session;
    let challenge = take(&op.context, &shown.challenge, Some(session), op.now).await?;
    let confirmed = op.change("confirm_session", async |conn| {
        prove(conn, shown, (own, &challenge), op.now).await?;
        conn.sessions().verified(session, op.now).await?;
        Ok(Changed::So((), Event::new(Resource::session(session), Details::Nothing).into()))
    });
    let by = (op.who.account, op.who.actor().into(), What::Action(Action::ConfirmSession));
    confirmed.await.map_err(|refusal: Refusal| refusal.told(&op.context, by, (op.origin, op.now)))
}

/// One's own, the oldest first.
pub async fn list(op: &Op<Person>) -> Result<Vec<PasskeyRow>, Error> {
    op.read("list_passkeys", async |conn| Ok(conn.passkeys().list().await?)).await
}

/// The same for whoever may make another one.
///
/// # Errors
/// Where they have proven who they are too long ago, or something was taken from this session since.
pub async fn known(op: &Op<Person>) -> Result<Vec<PasskeyRow>, Error> {
    login::check_session(op).await?;
    op.read("list_passkeys_known", async |conn| {
        let known = conn.passkeys().list().await?;
        may_make(conn, op, &known).await?;
        Ok(known)
    })
    .await
}

/// Whoever was let in by a link or an invitation and has none can prove nothing again: the link opens once. So the first may be made as
/// long as that session lasts and is kept out of no organisation ([`login::check_session`]). Whom a provider signs in goes there again.
async fn may_make(conn: &OrganizationConn<'_>, op: &Op<Person>, known: &[PasskeyRow]) -> Result<(), Error> {
    let session = conn.sessions().find(op.who.session).await?;
    let is_first = known.is_empty() && session.is_some_and(|(session, _)| session.method != openid::METHOD);
    if is_first { Ok(()) } else { sessions::demand_recent(conn, op, Action::AddPasskey).await }
}

/// What a browser brings of a new one.
#[derive(Clone, Debug)]
pub struct Made {
    pub challenge: String,
    pub name: String,
    pub authenticator_data: Vec<u8>,
    pub client_data: Vec<u8>,
}

/// Keeps a new one.
///
/// # Errors
/// Where it is not believed, is known already, or they have too many.
pub async fn add(op: &Op<Person>, made: &Made, own: &str) -> Result<(), Error> {
    let name = made.name.trim();
    if !(1..=MAX_NAME).contains(&name.chars().count()) {
        return Err(Error::field("name", format!("must be 1 to {MAX_NAME} characters")));
    }
    check_plain(name).map_err(|error| Error::field("name", error.to_string()))?;
    // A passkey confirms whoever has it: one that a session made which is kept out would let that in again.
    login::check_session(op).await?;
    let challenge = take(&op.context, &made.challenge, Some(op.who.session), op.now).await?;
    let relying =
        Relying { origin: own, party: relying_party(own).unwrap_or_default(), challenge: &challenge };
    let id = PasskeyId::random();
    let new = verify_registration(relying, &made.client_data, &made.authenticator_data);
    let new = new.map_err(|rejected| {
        info!(account = %op.who.account, %rejected, "a new passkey is not believed");
        Error::Unauthenticated(Unproven::Passkey)
    })?;
    let new = NewPasskey {
        id,
        name: name.to_owned(),
        credential: new.credential,
        public_key: new.key.as_bytes().to_vec(),
        counter: new.counter,
    };
    let added = op.change("add_passkey", async |conn| {
        // One of them at a time, so that they are counted.
        conn.sessions().find_locked(op.who.session).await?;
        let known = conn.passkeys().list().await?;
        may_make(conn, op, &known).await?;
        if known.len() >= MOST {
            let message = format!("cannot be added: you have {MOST} already; remove one first");
            return Err(Error::field("name", message));
        }
        conn.passkeys().insert(&new, op.now).await.map_err(|error| match &error.kind {
            DbErrorKind::UniqueViolation { constraint } if constraint == constraints::PASSKEY => {
                Error::field("name", "cannot be added: this passkey is known already")
            }
            _ => error.into(),
        })?;
        Ok(Changed::So((), about(id)))
    });
    added.await?;
    info!(account = %op.who.account, passkey = %id, by = %op.who.session, "a passkey was added");
    Ok(())
}

/// Removes one. One that is gone already is gone.
///
/// # Errors
/// Where they have proven who they are too long ago.
pub async fn remove(op: &Op<Person>, id: PasskeyId) -> Result<(), Error> {
    op.change("remove_passkey", async |conn| {
        sessions::demand_recent(conn, op, Action::RemovePasskey).await?;
        Ok::<_, Error>(if conn.passkeys().remove(id).await? {
            Changed::So((), about(id))
        } else {
            Changed::Not(())
        })
    })
    .await?;
    info!(account = %op.who.account, passkey = %id, by = %op.who.session, "a passkey was removed");
    Ok(())
}

/// What is on record of it, in each organisation: no name of it.
fn about(passkey: PasskeyId) -> AccountEvent {
    AccountEvent::of(move |subject| Event::new(Resource::user(subject), Details::Passkey { passkey }))
}
