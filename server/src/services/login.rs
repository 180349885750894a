//! Letting a command line in: by a browser of the same machine (a code, RFC 8252 and RFC 7636), or by one elsewhere (a device's
//! request, RFC 8628). Both end in a session that goes on by refresh tokens. See decision 0054.

mod code;
mod device;
mod refresh;
mod vouching;

pub use code::{Asked, allow, exchange, refuse};
pub use device::{Decision, DeviceAuthorization, decide, look_at, poll, request};
pub use refresh::{refresh, revoke};
pub(crate) use vouching::check as check_session;

use berth_db::{AccountEvent, DeviceOf, NewSession, OrganizationConn, SessionClient};
use berth_issuer::Kind;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::{AccountId, SessionId, Text};
use jiff::Timestamp;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::tokens::random_secret;
use crate::issuer::{ACCESS_LIFE, Bearer};
use crate::{Context, Error};

/// The one client there is: it has no secret, for everybody has the program.
pub const CLIENT_ID: &str = "berth-cli";
/// The longest name of a device.
const MAX_NAME: usize = 100;

/// What a command line is let in with.
#[derive(Debug)]
pub struct LoginTokens {
    pub access: Zeroizing<String>,
    pub refresh: Zeroizing<String>,
    /// Seconds until the access token ends.
    pub expires_in: i64,
}

/// Why no tokens are given, in the words of RFC 6749 and RFC 8628.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    InvalidGrant(&'static str),
    AuthorizationPending,
    SlowDown,
    AccessDenied,
    ExpiredToken,
}

impl Refused {
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidGrant(_) => "invalid_grant",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::AccessDenied => "access_denied",
            Self::ExpiredToken => "expired_token",
        }
    }

    pub const fn description(self) -> &'static str {
        match self {
            Self::InvalidGrant(why) => why,
            Self::AuthorizationPending => "nobody has decided yet",
            Self::SlowDown => "this asks too often",
            Self::AccessDenied => "somebody refused it",
            Self::ExpiredToken => "nobody has let it in in time; begin anew",
        }
    }
}

/// What a device calls itself, as people can read it.
pub fn device_name(text: &str) -> String {
    let name = Text::<MAX_NAME>::new(text).to_string();
    if name.trim().is_empty() { "an unnamed device".to_owned() } else { name }
}

/// Where a command line is, for the person to recognise it later.
#[derive(Clone, Debug)]
struct CommandLine {
    address: Option<String>,
    /// What it calls its machine.
    name: Option<String>,
}

/// How somebody has proven who they are, and when.
#[derive(Clone, Debug)]
struct Proof {
    method: String,
    at: Timestamp,
    /// The session whose proofs go over.
    by: Option<SessionId>,
}

impl Proof {
    /// Whether the session by which somebody let it in has not been ended since: what a stolen one has allowed goes with it.
    async fn stands(&self, conn: &OrganizationConn<'_>) -> Result<bool, Error> {
        match self.by {
            Some(session) => Ok(conn.sessions().hold(session).await?),
            None => Ok(true),
        }
    }
}

/// A session of a command line that begins.
struct Beginning {
    refresh_id: Uuid,
    stored: NewSession,
    proved_by: Option<SessionId>,
}

impl Beginning {
    fn new(
        context: &Context,
        session: SessionId,
        proof: &Proof,
        (at, device): (CommandLine, DeviceOf),
        now: Timestamp,
    ) -> Result<Self, Error> {
        let rules = context.sessions;
        let refresh_id = Uuid::new_v4();
        let expires_at = berth_db::stored_time(now.saturating_add(rules.login).unwrap_or(now));
        let stored = NewSession {
            id: session,
            // Nobody has it: no cookie opens such a session.
            secret_hash: *random_secret(context.random.as_ref())?,
            method: proof.method.clone(),
            authenticated_at: proof.at,
            verified_at: None,
            expires_at,
            idle_seconds: rules.login_idle.as_secs(),
            address: at.address,
            user_agent: at.name,
            device,
            client: SessionClient::CommandLine { refresh_id },
        };
        Ok(Self { refresh_id, stored, proved_by: proof.by })
    }

    /// Stores it. The answer goes on record.
    async fn store(&self, conn: &OrganizationConn<'_>, now: Timestamp) -> Result<AccountEvent, Error> {
        let mut stored = self.stored.clone();
        if let Some(by) = self.proved_by {
            stored.verified_at = conn.sessions().find(by).await?.and_then(|(session, _)| session.verified_at);
        }
        let new_device = conn.sessions().insert(&stored, now).await?;
        if let Some(by) = self.proved_by {
            conn.session_proofs().copy(by, stored.id).await?;
        }
        let NewSession { id, method, expires_at, .. } = &self.stored;
        let (method, expires_at) = (method.clone(), *expires_at);
        let details = Details::SignedIn { method, expires_at, provider: None, role: None, new_device };
        Ok(Event::new(Resource::session(*id), details).into())
    }

    fn tokens(&self, context: &Context, account: AccountId, now: Timestamp) -> Result<LoginTokens, Error> {
        tokens(context, account, self.stored.id, self.refresh_id, (now, self.stored.expires_at))
    }
}

fn tokens(
    context: &Context,
    account: AccountId,
    session: SessionId,
    refresh_id: Uuid,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<LoginTokens, Error> {
    let until = now.saturating_add(ACCESS_LIFE).unwrap_or(now).min(expires_at);
    let bearer = |id| Bearer { account, session, id };
    let sign =
        |kind, id, until| context.issuer.sign_for(kind, bearer(id), (now, until)).map_err(Error::internal);
    Ok(LoginTokens {
        access: sign(Kind::Access, Uuid::new_v4(), until)?,
        refresh: sign(Kind::Refresh, refresh_id, expires_at)?,
        expires_in: until.duration_since(now).as_secs(),
    })
}
