//! Signing in by a link that opens once, and making such links.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_db::{
    AccountEvent, AccountRow, Acting, Changed, Database, DeviceOf, NewOwner, NewSession, NewSignInLink,
    NewToken, OrganizationConn, SessionClient, SessionRow, UserRow,
};
use berth_schema::audit::{Details, Event, Internal as Kind, Resource, What};
use berth_schema::{
    AccountId, OrganizationId, OrganizationName, ResourceKind, SessionId, SessionToken, SignInLinkId,
    SignInToken, SubjectId,
};
use jiff::{SignedDuration, Timestamp};
use ring::rand::SecureRandom;
use tracing::info;

use super::sessions;
use super::tokens::{hash, random_secret, same};
use crate::denials::{Denial, Whose};
use crate::error::Unproven;
use crate::identity::{Origin, Run};
use crate::{Context, Error};

/// How long a link of the first start, or of `berth-server sign-in-link`, may wait to be used.
pub const LINK_LIFE: SignedDuration = SignedDuration::from_hours(24);
/// What the person of a new installation is called.
pub const FIRST_PERSON: &str = "Administrator";
/// How many people of one name are told apart.
const MAX_OF_A_NAME: i64 = 50;

/// How long people are signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRules {
    /// Whatever they do.
    pub absolute: SignedDuration,
    /// When they do nothing.
    pub idle: SignedDuration,
    /// The same for a command line.
    pub login: SignedDuration,
    pub login_idle: SignedDuration,
}

impl Default for SessionRules {
    fn default() -> Self {
        Self {
            absolute: SignedDuration::from_hours(10),
            idle: SignedDuration::from_hours(2),
            login: SignedDuration::from_hours(168),
            login_idle: SignedDuration::from_hours(72),
        }
    }
}

/// Where a request to sign in comes from, for the person to recognise it later.
#[derive(Clone, Debug)]
pub struct Device {
    pub address: Option<String>,
    /// What the browser calls itself, at most 300 characters.
    pub user_agent: Option<String>,
    /// What the browser keeps, by which it is known again.
    pub mark: DeviceMark,
}

/// What a browser keeps when somebody has signed in there: 32 random bytes in base64url. It opens nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceMark(String);

impl DeviceMark {
    /// # Errors
    /// Where the system has no random numbers.
    pub fn new(random: &dyn SecureRandom) -> Result<Self, Error> {
        Ok(Self(URL_SAFE_NO_PAD.encode(random_secret(random)?.as_slice())))
    }

    /// `None`: it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == 32)?;
        Some(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DeviceMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceMark(…)")
    }
}

/// Opens a link and begins a session. Of several who open it at once, one is let in. Whoever is, and whoever is not, is on
/// record in each organisation of the account. A session that the browser has had `before` ends: it is forgotten there.
pub async fn by_link(
    context: &Arc<Context>,
    shown: &SignInToken,
    before: Option<&SessionToken>,
    device: Device,
    (origin, now): (Origin, Timestamp),
) -> Result<SessionToken, Error> {
    let account = shown.account();
    let (token, session) = new_session(context, account, ("link", device), now)?;
    let id = session.id;
    let stamp = sessions::stamp(id, Kind::SignIn, (origin, now));
    let is_somebodys = AtomicBool::new(false);
    let result = context
        .database
        .change_of_account(account, "sign_in_by_link", stamp, async |conn| {
            open(conn, shown, &is_somebodys, now).await?;
            let new_device = conn.sessions().insert(&session, now).await?;
            let (method, expires_at) = (session.method.clone(), session.expires_at);
            let details = Details::SignedIn { method, expires_at, provider: None, role: None, new_device };
            Ok(Changed::So((), Event::new(Resource::session(id), details).into()))
        })
        .await;
    if let Err(Error::Unauthenticated(reason)) = &result
        && is_somebodys.into_inner()
    {
        let denial = Denial {
            whose: Whose::Account(account),
            who: Acting::Unproven,
            action: What::Internal(Kind::SignIn),
            reason: reason.as_str().into(),
            resource: None,
            origin,
        };
        context.denials.note_aside(context, denial, now);
    }
    result?;
    info!(%account, session = %id, method = "link", "signed in");
    if let Some(before) = before {
        end_before(context, before, (origin, now)).await?;
    }
    Ok(token)
}

/// A session that begins now, proven in that way, and what the browser is to keep of it.
pub(super) fn new_session(
    context: &Context,
    account: AccountId,
    (method, device): (&str, Device),
    now: Timestamp,
) -> Result<(SessionToken, NewSession), Error> {
    let id = SessionId::random();
    let token = SessionToken::new(account, id, &*random_secret(context.random.as_ref())?);
    let rules = context.sessions;
    let session = NewSession {
        id,
        secret_hash: hash(token.expose()),
        method: method.to_owned(),
        authenticated_at: now,
        verified_at: None,
        expires_at: berth_db::stored_time(now.saturating_add(rules.absolute).unwrap_or(now)),
        idle_seconds: rules.idle.as_secs(),
        address: device.address,
        user_agent: device.user_agent,
        device: DeviceOf::Browser(hash(device.mark.expose())),
        client: SessionClient::Browser,
    };
    Ok((token, session))
}

/// Uses a link up, where it opens. Whether it is one of an account that there is, is told aside.
async fn open(
    conn: &OrganizationConn<'_>,
    shown: &SignInToken,
    is_somebodys: &AtomicBool,
    now: Timestamp,
) -> Result<(), Error> {
    let person = conn.accounts().find().await?;
    is_somebodys.store(person.is_some(), Ordering::Relaxed);
    let hash = hash(shown.expose());
    let link = conn.sign_in_links().find_shown(shown.link(), &hash).await?;
    let link = link
        .filter(|link| same(&hash, &link.secret_hash))
        .ok_or(Error::Unauthenticated(Unproven::UnknownLink))?;
    let is_suspended = person.is_none_or(|person| person.suspended_at.is_some());
    let is_over = link.used_at.is_some() || link.expires_at <= now || is_suspended;
    if is_over || !conn.sign_in_links().mark_used(shown.link(), now).await? {
        return Err(Error::Unauthenticated(Unproven::LinkOver));
    }
    Ok(())
}

/// The session whose cookie is shown, and whose it is, where it goes on.
pub async fn shown_session(
    context: &Context,
    shown: &SessionToken,
    now: Timestamp,
) -> Result<Option<(SessionRow, AccountRow)>, Error> {
    let hash = hash(shown.expose());
    let found = context.database.read(shown.account(), "find_session", async |conn| {
        conn.sessions().find_shown(shown.session(), &hash).await.map_err(Error::from)
    });
    Ok(found.await?.filter(|(session, account)| {
        same(&hash, &session.secret_hash)
            && sessions::is_over(session, account, &context.sessions, now).is_none()
    }))
}

/// Ends a session whose cookie is shown, if it is one.
pub(crate) async fn end_before(
    context: &Arc<Context>,
    shown: &SessionToken,
    at: (Origin, Timestamp),
) -> Result<(), Error> {
    let hash = hash(shown.expose());
    let found = context.database.read(shown.account(), "find_session_before", async |conn| {
        conn.sessions().find_shown(shown.session(), &hash).await.map_err(Error::from)
    });
    if found.await?.is_some_and(|(session, _)| same(&hash, &session.secret_hash)) {
        sessions::end_by_itself(context, (shown.account(), shown.session()), at).await?;
    }
    Ok(())
}

/// A link of an account.
fn new_link(
    account: AccountId,
    now: Timestamp,
    random: &dyn SecureRandom,
) -> Result<(SignInToken, NewSignInLink), Error> {
    let token = SignInToken::new(account, SignInLinkId::random(), &*random_secret(random)?);
    let expires_at = berth_db::stored_time(now.saturating_add(LINK_LIFE).unwrap_or(now));
    let link = NewSignInLink { id: token.link(), secret_hash: hash(token.expose()), expires_at };
    Ok((token, link))
}

/// A new owner of an organisation, with the link that signs them in, and with a token of theirs.
pub(super) fn new_owner(
    name: &str,
    subject: SubjectId,
    token: Option<NewToken>,
    now: Timestamp,
    random: &dyn SecureRandom,
) -> Result<(SignInToken, NewOwner), Error> {
    let account = AccountId::random();
    let (shown, link) = new_link(account, now, random)?;
    let owner = NewOwner { account, name: name.to_owned(), subject, link, token };
    Ok((shown, owner))
}

/// What is on record of a link, in each organisation that it leads to.
fn made(kind: Kind, expires_at: Timestamp) -> AccountEvent {
    AccountEvent::of(move |subject| {
        Event::internal(kind, Resource::user(subject), Details::SignInLinkMade { expires_at })
    })
}

/// A link that was made on the server's machine.
#[derive(Debug)]
pub struct Recovered {
    pub token: SignInToken,
    /// Whom it signs in.
    pub person: String,
    pub is_new: bool,
}

/// Makes a link on the server's machine, for the person of that name in that organisation, or of that id: several may have one name, as
/// whoever joins chooses theirs. Who is said neither by name nor by id is [`FIRST_PERSON`]. Who is not there yet becomes an owner, but by
/// an id: whoever has the machine has every right.
pub async fn recover(
    run: &Run<Database>,
    organizations: &[OrganizationId],
    organization: &OrganizationName,
    (name, id): (Option<&str>, Option<SubjectId>),
    random: &(dyn SecureRandom + Sync),
) -> Result<Recovered, Error> {
    for each in organizations {
        let op = run.within(*each);
        let known = op
            .read("look_for_person", async |conn| {
                let found = conn.organizations().find().await?;
                if found.is_none_or(|found| found.name != *organization) {
                    return Ok(None);
                }
                let subjects = conn.subjects();
                let found = match id {
                    Some(id) => subjects.user(id).await?.into_iter().collect(),
                    None => subjects.users_named(name.unwrap_or(FIRST_PERSON), MAX_OF_A_NAME).await?,
                };
                let is_meant = |one: &UserRow| name.is_none_or(|name| one.name == name);
                Ok::<_, Error>(Some(found.into_iter().filter(is_meant).collect::<Vec<_>>()))
            })
            .await?;
        return match known.as_deref() {
            None => continue,
            Some([]) if id.is_some() && name.is_some() => {
                Err(Error::field("id", "is that of nobody who has this name"))
            }
            Some([]) if id.is_some() => Err(Error::field("id", "is that of nobody who signs in there")),
            Some([]) => {
                let name = name.unwrap_or(FIRST_PERSON);
                let (token, owner) = new_owner(name, SubjectId::random(), None, run.now, random)?;
                op.change_of(owner.account, "make_owner", async |conn| {
                    conn.accounts().insert_owner(&owner, run.now).await?;
                    Ok::<_, Error>(Changed::So((), made(Kind::MakeOwner, owner.link.expires_at)))
                })
                .await?;
                Ok(Recovered { token, person: name.to_owned(), is_new: true })
            }
            Some([one]) => {
                let (token, link) = new_link(one.account, run.now, random)?;
                op.change_of(one.account, "make_link", async |conn| {
                    conn.sign_in_links().insert(&link, run.now).await?;
                    Ok::<_, Error>(Changed::So((), made(Kind::MakeSignInLink, link.expires_at)))
                })
                .await?;
                Ok(Recovered { token, person: one.name.clone(), is_new: false })
            }
            Some(several) => {
                let each = several.iter().map(|one| format!("{} ({})", one.id, one.role));
                let each: Vec<_> = each.collect();
                let told = format!("is that of several people; say whose with --id: {}", each.join(", "));
                Err(Error::field("name", told))
            }
        };
    }
    Err(Error::missing(ResourceKind::Organization, organization))
}
