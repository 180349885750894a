//! Who acts, and one operation of theirs. Nothing here knows of HTTP: `http::guard` proves who it is.

mod authority;
mod op;

pub use authority::{Authority, Standing};
pub use op::{HasDatabase, Op, Origin, Run};

use std::fmt;

use berth_db::{Acting, Author, Basis, Reach, SecretHash};
use berth_schema::access::{Role, TokenScope};
use berth_schema::audit::{By, Who};
use berth_schema::elevations::Elevated;
use berth_schema::{
    AccountId, AgentId, AgentName, ElevationId, OrganizationId, OrganizationName, SessionId, SubjectId,
    TokenId,
};
use jiff::Timestamp;
use ring::hmac;

/// Somebody on whose behalf something happens.
pub trait Principal {
    /// Whose rows they get at.
    fn reach(&self) -> Reach;
    fn actor(&self) -> Actor;

    /// By what they were found to be allowed what they do.
    fn basis(&self) -> Basis {
        Basis::Itself
    }

    /// Whether what they were found to be goes on by then.
    fn holds(&self, _now: Timestamp) -> bool {
        true
    }
}

/// Somebody as one organisation sees them.
pub trait Tenant: Principal {
    fn organization(&self) -> OrganizationId;
}

/// What reports what it sees, beside a cluster: an agent, or its proxy.
pub trait Machine: Tenant {}

/// Who acts, for records and logs. Nothing runs without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person or service, by one of their tokens.
    Member(Author),
    /// A person outside of organisations, who is signed in.
    Account(AccountId, SessionId),
    Agent(AgentId),
    /// A background task of the server.
    Task(&'static str),
    /// Somebody at the server's own machine, by this command of `berth-server`.
    Command(&'static str),
}

impl From<Actor> for Acting {
    fn from(actor: Actor) -> Self {
        let who = match actor {
            Actor::Account(_, session) => return Self::Account(by_session(session)),
            Actor::Member(Author { subject, token }) => Who::Subject { subject, by: By::Token(token) },
            Actor::Agent(agent) => Who::Agent { agent },
            Actor::Task(name) => Who::Task { name: name.to_owned() },
            Actor::Command(name) => Who::Command { name: name.to_owned() },
        };
        who.into()
    }
}

/// In each organisation a session is one of its user's tokens, with its id.
pub(crate) fn by_session(session: SessionId) -> By {
    By::Token((*session.as_uuid()).into())
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(Author { subject, token }) => write!(f, "subject {subject} (token {token})"),
            Self::Account(account, session) => write!(f, "account {account} (session {session})"),
            Self::Agent(agent) => write!(f, "agent {agent}"),
            Self::Task(name) => write!(f, "task {name}"),
            Self::Command(name) => write!(f, "command {name}"),
        }
    }
}

/// A person who is signed in, outside of organisations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub account: AccountId,
    pub name: String,
    pub session: SessionId,
    /// However much it is used.
    pub session_ends_at: Timestamp,
    /// Since when there is a device of which they are to be told, another one than this.
    pub new_device_at: Option<Timestamp>,
}

impl Principal for Person {
    fn reach(&self) -> Reach {
        self.account.into()
    }

    fn actor(&self) -> Actor {
        Actor::Account(self.account, self.session)
    }

    fn basis(&self) -> Basis {
        Basis::Session(self.session)
    }
}

/// A person or service of one organisation who has proven it with an access token, or whose account is signed in: then the
/// token is the session's, see the migration `accounts`.
pub struct Member {
    pub organization: OrganizationId,
    pub organization_name: OrganizationName,
    pub subject: SubjectId,
    pub token: TokenId,
    pub token_name: String,
    /// Where it is a login, and no token of the organisation's: whose, and which session.
    pub login: Option<(AccountId, SessionId)>,
    /// As of a [`Person`].
    pub new_device_at: Option<Timestamp>,
    pub scope: TokenScope,
    /// What they are in the organisation.
    pub role: Role,
    /// What they may do there.
    pub authority: Authority,
    /// What they are for a time, beside their role, the one that ends first before the others.
    pub elevations: Vec<Elevated>,
    /// By which of those they may do what they do, where they may not without any.
    pub elevation: Option<ElevationId>,
    /// The newest of the organisation's record when that was so.
    pub seen: i64,
    pub expires_at: Option<Timestamp>,
    /// Of the secret that was shown.
    pub(crate) secret_hash: SecretHash,
    /// Marks this token's requests. Its key is the token, which is not stored: a dump of the database tells nothing about
    /// the bodies that were marked, which may hold secrets that can be guessed.
    pub(crate) fingerprints: hmac::Key,
}

impl Member {
    /// Whether the secret that was shown is the one of that hash.
    pub fn is_proven_by(&self, hash: &SecretHash) -> bool {
        self.secret_hash == *hash
    }

    /// Who they are, on record.
    pub const fn author(&self) -> Author {
        Author { subject: self.subject, token: self.token }
    }

    /// The mark of a request to create something, as the version before compares it.
    pub fn fingerprint(&self, path: &str, body: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.fingerprints);
        context.update(&(path.len() as u64).to_be_bytes());
        context.update(path.as_bytes());
        context.update(body);
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.sign().as_ref());
        fingerprint
    }
}

impl Tenant for Member {
    fn organization(&self) -> OrganizationId {
        self.organization
    }
}

impl Principal for Member {
    fn reach(&self) -> Reach {
        self.organization.into()
    }

    fn actor(&self) -> Actor {
        Actor::Member(self.author())
    }

    fn basis(&self) -> Basis {
        let Self { seen, subject, token, elevation, .. } = *self;
        Basis::Rights { seen, subject, token, elevation }
    }

    fn holds(&self, now: Timestamp) -> bool {
        self.authority.holds(now)
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("organization", &self.organization)
            .field("subject", &self.subject)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// An agent that proved who it is. There is no query on an agent's workspaces without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentIdentity {
    pub organization: OrganizationId,
    pub agent: AgentId,
    pub name: AgentName,
    /// Of the token that was shown: what is done later is done only if it opens still.
    pub secret_hash: SecretHash,
}

impl Tenant for AgentIdentity {
    fn organization(&self) -> OrganizationId {
        self.organization
    }
}

impl Machine for AgentIdentity {}

impl Principal for AgentIdentity {
    fn reach(&self) -> Reach {
        self.organization.into()
    }

    fn actor(&self) -> Actor {
        Actor::Agent(self.agent)
    }
}

/// The proxy of an agent, which asks who may be let into that agent's workspaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyIdentity {
    pub organization: OrganizationId,
    pub agent: AgentId,
}

impl Tenant for ProxyIdentity {
    fn organization(&self) -> OrganizationId {
        self.organization
    }
}

impl Machine for ProxyIdentity {}

impl Principal for ProxyIdentity {
    fn reach(&self) -> Reach {
        self.organization.into()
    }

    fn actor(&self) -> Actor {
        Actor::Agent(self.agent)
    }
}

/// The server itself at work in one organisation: a task, or a command at its machine. See [`Run::within`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Internal {
    organization: OrganizationId,
    actor: Actor,
}

impl Tenant for Internal {
    fn organization(&self) -> OrganizationId {
        self.organization
    }
}

impl Principal for Internal {
    fn reach(&self) -> Reach {
        self.organization.into()
    }

    fn actor(&self) -> Actor {
        self.actor
    }
}
