//! The way back from a provider.

use std::sync::Arc;

use berth_db::{
    AccountEvent, Changed, DbError, DbErrorKind, NewSessionProof, NewSubject, OrganizationConn, Reach,
    constraints,
};
use berth_oidc::{
    ExpectedIdToken, IdToken, Metadata, Rejected, Relying, admit, lacks, person_name, verify_id_token,
};
use berth_schema::access::{Role, SubjectKind};
use berth_schema::audit::{Details, Event, Internal as Kind, Resource};
use berth_schema::{AccountId, IdentityProviderId, SessionId, SessionToken, SubjectId, Text};
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;
use tracing::{info, warn};

use super::{AttemptSecret, METHOD, Provider};
use crate::error::Unproven;
use crate::identity::Origin;
use crate::openid::Client;
use crate::services::attempts;
use crate::services::identity_providers::{Addresses, secret, told};
use crate::services::members::is_last_owner;
use crate::services::sessions;
use crate::services::sign_in::{Device, end_before, new_session};
use crate::services::tokens::{hash, same};
use crate::{Context, Error};

/// Of two who make the same account at once, one finds it the next time.
const TRIES: usize = 3;
/// What is kept of the evidence.
const MAX_METHODS: usize = 20;
const MAX_CLASS: usize = 300;

/// What a browser brings.
#[derive(Debug)]
pub struct Returned<'a> {
    pub provider: IdentityProviderId,
    pub state: &'a str,
    pub code: Option<&'a str>,
    /// Who says that it answers (RFC 9207).
    pub issuer: Option<&'a str>,
    /// What it kept.
    pub secret: Option<AttemptSecret>,
    /// The session that it has had, which ends.
    pub before: Option<SessionToken>,
}

/// Why somebody is not let in: what they are told, and what is on record.
struct Refusal {
    error: Error,
    reason: &'static str,
}

impl Refusal {
    const fn new(unproven: Unproven, reason: &'static str) -> Self {
        Self { error: Error::Unauthenticated(unproven), reason }
    }

    const fn because(rejected: Rejected) -> Self {
        Self::new(Unproven::ProviderNotBelieved, rejected.as_str())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let reason = error.refusal().unwrap_or("failed");
        Self { error, reason }
    }
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        Error::from(error).into()
    }
}

/// Begins a session for whom the provider says that it is. Whoever is let in, and whoever is not, is on record.
///
/// # Errors
/// Why they are not.
pub async fn finish(
    context: &Arc<Context>,
    returned: Returned<'_>,
    at: Addresses<'_>,
    device: Device,
    when: (Origin, Timestamp),
) -> Result<SessionToken, Error> {
    let provider = Provider::find(context, returned.provider).await?;
    let begun = async {
        let secret = take(context, &provider, &returned, when.1).await?;
        let (token, metadata) = ask(context, &provider, &returned, &secret, (at, when.1)).await?;
        let person = prove(context, &provider, &token, (&secret, &metadata), when.1).await?;
        let_in(context, &provider, &person, (&returned, device), when).await
    };
    match begun.await {
        Ok(token) => Ok(token),
        Err(Refusal { error, reason }) => {
            provider.note_denial(context, (Kind::SignIn, reason), when).await;
            Err(error)
        }
    }
}

/// Uses the attempt up, where it is this browser's and this provider's. Of several who come back with it one goes on.
async fn take(
    context: &Context,
    provider: &Provider,
    returned: &Returned<'_>,
    now: Timestamp,
) -> Result<AttemptSecret, Refusal> {
    let secret = returned.secret.as_ref().ok_or(Refusal::new(Unproven::UnknownAttempt, "no-attempt"))?;
    if !bool::from(secret.state().as_bytes().ct_eq(returned.state.as_bytes())) {
        return Err(Refusal::new(Unproven::UnknownAttempt, "other-browser"));
    }
    let taken = attempts::take(context, returned.state, now).await?;
    let attempt = taken.ok_or(Refusal::new(Unproven::UnknownAttempt, "attempt-over"))?;
    if attempt.provider() != Some(provider.row.id) {
        return Err(Refusal::new(Unproven::ProviderNotBelieved, "other-provider"));
    }
    AttemptSecret::parse(secret.expose()).ok_or(Refusal::new(Unproven::UnknownAttempt, "no-attempt"))
}

/// What the provider gives for the code.
async fn ask(
    context: &Context,
    provider: &Provider,
    returned: &Returned<'_>,
    secret_of_attempt: &AttemptSecret,
    (at, _): (Addresses<'_>, Timestamp),
) -> Result<(crate::openid::Granted, Arc<Metadata>), Refusal> {
    let row = &provider.row;
    let metadata =
        context.openid.metadata(&row.issuer).await.map_err(|fault| unavailable(provider, &fault))?;
    // A provider's answer that another one has sent (RFC 9207).
    let is_its_own = match returned.issuer {
        Some(issuer) => issuer == row.issuer,
        None => !metadata.names_itself,
    };
    if !is_its_own {
        return Err(Refusal::new(Unproven::ProviderNotBelieved, "other-issuer"));
    }
    let code = returned.code.ok_or(Refusal::new(Unproven::ProviderRefused, "provider-refused"))?;
    let ring = context.keys.current();
    let find = async |conn: &OrganizationConn<'_>| secret(&ring, conn, row).await;
    let client_secret = context.database.read(row.organization_id, "open_client_secret", find).await?;
    let client = Client { id: &row.client_id, secret: client_secret.as_ref() };
    let (redirect, verifier) = (at.redirect(row.id), secret_of_attempt.verifier());
    let granted = context.openid.redeem(&metadata, client, (code, &redirect, &verifier)).await;
    match granted {
        Ok(granted) => Ok((granted, metadata)),
        Err(fault @ crate::openid::Fault::Code(_)) => {
            warn!(provider = %row.id, fault = told(&fault), "an identity provider does not take its code");
            Err(Refusal::new(Unproven::ProviderRefused, "code-refused"))
        }
        Err(fault) => Err(unavailable(provider, &fault)),
    }
}

fn unavailable(provider: &Provider, fault: &crate::openid::Fault) -> Refusal {
    warn!(provider = %provider.row.id, fault = told(fault), "an identity provider cannot be used");
    Refusal { error: Error::ProviderUnavailable, reason: "provider-unavailable" }
}

/// Who it is, where everything about it is believed and everything that is demanded is proven.
async fn prove(
    context: &Context,
    provider: &Provider,
    granted: &crate::openid::Granted,
    (secret, metadata): (&AttemptSecret, &Metadata),
    now: Timestamp,
) -> Result<IdToken, Refusal> {
    let row = &provider.row;
    let fault = |fault| unavailable(provider, &fault);
    let nonce = secret.nonce();
    let expected = ExpectedIdToken { nonce: &nonce };
    let now = now.as_second();
    let keys = context.openid.keys(&row.issuer, metadata).await.map_err(fault)?;
    let relying = Relying { issuer: &row.issuer, client_id: &row.client_id, keys: &keys, now };
    let mut verified = verify_id_token(&granted.id_token, relying, expected);
    if verified == Err(Rejected::Key)
        && let Some(keys) = context.openid.newer_keys(&row.issuer, metadata, &keys).await.map_err(fault)?
    {
        verified = verify_id_token(&granted.id_token, Relying { keys: &keys, ..relying }, expected);
    }
    let mut person = verified.map_err(|rejected| {
        warn!(provider = %row.id, %rejected, "a token of an identity provider is not believed");
        Refusal::because(rejected)
    })?;
    if let (Some(url), Some(token)) = (&metadata.userinfo_endpoint, &granted.access_token) {
        let told = context.openid.userinfo(url, token).await.map_err(fault)?;
        person = person.with(told).map_err(Refusal::because)?;
    }
    match lacks(&provider.settings.evidence, &person, now) {
        None => Ok(person),
        Some("acr") => Err(Refusal::new(Unproven::LacksEvidence, "lacks-acr")),
        Some("amr") => Err(Refusal::new(Unproven::LacksEvidence, "lacks-amr")),
        Some(_) => Err(Refusal::new(Unproven::LacksEvidence, "lacks-auth-time")),
    }
}

/// Begins the session.
async fn let_in(
    context: &Arc<Context>,
    provider: &Provider,
    person: &IdToken,
    (returned, device): (&Returned<'_>, Device),
    when: (Origin, Timestamp),
) -> Result<SessionToken, Refusal> {
    for _ in 0..TRIES {
        let find = async |conn: &OrganizationConn<'_>| {
            conn.identities().find(&provider.row.issuer, &person.subject).await.map_err(Error::from)
        };
        let known = context.database.read(Reach::installation(), "find_identity", find).await?;
        let entry = Entry {
            context,
            provider,
            person,
            account: known.unwrap_or_else(AccountId::random),
            is_new: known.is_none(),
            subject: SubjectId::random(),
            before: returned.before.as_ref(),
        };
        match entry.begin(device.clone(), when).await {
            Err(Begin::Collided) => {}
            Err(Begin::Refused(refusal)) => return Err(refusal),
            Ok(token) => {
                info!(account = %entry.account, session = %token.session(), method = METHOD, "signed in");
                if let Some(before) = &returned.before {
                    end_before(context, before, when).await?;
                }
                return Ok(token);
            }
        }
    }
    Err(Error::Unavailable("two sign-ins of one person kept colliding".into()).into())
}

enum Begin {
    /// Somebody has made the account, or the user, at the same time.
    Collided,
    Refused(Refusal),
}

impl From<Error> for Begin {
    fn from(error: Error) -> Self {
        Self::Refused(error.into())
    }
}

impl From<DbError> for Begin {
    fn from(error: DbError) -> Self {
        match &error.kind {
            DbErrorKind::UniqueViolation { constraint }
                if [constraints::IDENTITY, constraints::USER_OF_ACCOUNT].contains(&constraint.as_str()) =>
            {
                Self::Collided
            }
            _ => Self::Refused(error.into()),
        }
    }
}

/// Somebody at the door.
struct Entry<'a> {
    context: &'a Arc<Context>,
    provider: &'a Provider,
    person: &'a IdToken,
    account: AccountId,
    is_new: bool,
    /// What they are in the organisation, where they are new there.
    subject: SubjectId,
    before: Option<&'a SessionToken>,
}

impl Entry<'_> {
    async fn begin(&self, device: Device, (origin, now): (Origin, Timestamp)) -> Result<SessionToken, Begin> {
        let (context, row) = (self.context, &self.provider.row);
        let at = |seconds| Timestamp::from_second(seconds).ok().map(|time| time.min(now));
        let auth_time = self.person.auth_time.and_then(at);
        let (token, mut session) = new_session(context, self.account, (METHOD, device), now)?;
        session.authenticated_at = auth_time.unwrap_or(now);
        let id = session.id;
        let proof = NewSessionProof {
            session: id,
            provider: row.id,
            sid: self.person.sid.clone(),
            acr: self.person.acr.as_deref().map(|acr| Text::<MAX_CLASS>::new(acr).to_string()),
            amr: self
                .person
                .amr
                .iter()
                .take(MAX_METHODS)
                .map(|one| Text::<MAX_CLASS>::new(one).to_string())
                .collect(),
            auth_time,
        };
        let stamp = sessions::stamp(id, Kind::SignIn, (origin, now));
        let reach = (row.organization_id, self.account);
        context
            .database
            .change_of_account(reach, "sign_in_by_provider", stamp, async |conn| {
                let (here, role) = self.belong(conn, now).await?;
                let mut session = session.clone();
                // What another provider has proven of this browser goes on, and ends when it would have ended.
                let before = self.before_of_same(conn, now).await?;
                if let Some((_, ends)) = before {
                    session.expires_at = session.expires_at.min(ends);
                }
                let new_device = conn.sessions().insert(&session, now).await?;
                conn.session_proofs().insert(&proof, now).await?;
                if let Some((before, _)) = before {
                    conn.session_proofs().copy(before, id).await?;
                }
                let (method, expires_at, provider) = (session.method, session.expires_at, row.id);
                let event = AccountEvent::of(move |subject| {
                    let method = method.clone();
                    let details = if subject == here {
                        Details::SignedIn { method, expires_at, provider: Some(provider), role, new_device }
                    } else {
                        Details::SignedIn { method, expires_at, provider: None, role: None, new_device }
                    };
                    Event::new(Resource::session(id), details)
                });
                Ok::<_, Begin>(Changed::So((), event))
            })
            .await?;
        Ok(token)
    }

    /// Who they are in the organisation; the second value: what they are from now on, where that is new.
    async fn belong(
        &self,
        conn: &OrganizationConn<'_>,
        now: Timestamp,
    ) -> Result<(SubjectId, Option<Role>), Begin> {
        let row = &self.provider.row;
        let refused = |unproven, reason| Err(Begin::Refused(Refusal::new(unproven, reason)));
        let account = conn.accounts().find().await?;
        if account.as_ref().is_some_and(|account| account.suspended_at.is_some()) {
            return refused(Unproven::NotAdmitted, "suspended");
        }
        let membership = if self.is_new { None } else { conn.subjects().of_account().await? };
        if membership.as_ref().is_some_and(|membership| membership.suspended_at.is_some()) {
            return refused(Unproven::NotAdmitted, "suspended");
        }
        let admitted = admit(&self.provider.settings.admission, &self.person.claims);
        match (membership, admitted) {
            // Somebody has made them a member: no rule of a provider changes what they are.
            (Some(membership), _) if !membership.is_provided => Ok((membership.id, None)),
            (_, None) => refused(Unproven::NotAdmitted, "not-admitted"),
            (Some(membership), Some(role)) if membership.role == role || membership.role_is_kept => {
                Ok((membership.id, None))
            }
            (Some(membership), Some(role)) => {
                conn.organizations().lock().await?;
                if is_last_owner(conn, membership.id, now).await? {
                    warn!(organization = %row.organization_id, member = %membership.id, provider = %row.id, "the last owner stays one, whatever the provider's rules say");
                    return Ok((membership.id, None));
                }
                conn.subjects().set_role(membership.id, role).await?;
                Ok((membership.id, Some(role)))
            }
            (None, Some(role)) => {
                let name = person_name(self.person);
                if self.is_new {
                    conn.accounts().insert(&name, now).await?;
                    conn.identities().insert(&row.issuer, &self.person.subject, now).await?;
                }
                let name = account.map_or(name, |account| account.name);
                let kind = SubjectKind::User;
                let subject = NewSubject { id: self.subject, kind, name, role, account: Some(self.account) };
                conn.subjects().insert_provided(&subject, now).await?;
                Ok((self.subject, Some(role)))
            }
        }
    }

    /// The session that the browser has had, where it goes on and is the same person's; and when it ends.
    async fn before_of_same(
        &self,
        conn: &OrganizationConn<'_>,
        now: Timestamp,
    ) -> Result<Option<(SessionId, Timestamp)>, Begin> {
        let Some(shown) = self.before.filter(|before| before.account() == self.account) else {
            return Ok(None);
        };
        let hash = hash(shown.expose());
        let found = conn.sessions().find_shown(shown.session(), &hash).await?;
        let Some((session, account)) = found else { return Ok(None) };
        let rules = &self.context.sessions;
        let is_over = sessions::is_over(&session, &account, rules, now).is_some();
        let is_right = same(&hash, &session.secret_hash);
        Ok((is_right && !is_over && session.method == METHOD).then_some((session.id, session.expires_at)))
    }
}
