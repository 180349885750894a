//! What stands before a handler: who asks is proven, and whether they may, before anything else of the request is looked at.
//!
//! A token names the rows to compare it with; only the SHA-256 of the whole token proves anything, and it is compared in
//! constant time. What is unknown, expired or revoked looks the same to the client.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, Responder, web};
use berth_db::{AccountRow, OrganizationSession, SecretHash, SessionRow};
use berth_issuer::Kind;
use berth_schema::access::TokenScope;
use berth_schema::audit::{By, Resource, Who};
use berth_schema::{AccessToken, Action, AgentToken, Effect, ResourceKind};
use jiff::Timestamp;
use ring::hmac;
use tracing::field::display;
use tracing::{Span, debug};
use zeroize::Zeroizing;

use super::asker::{Asker, origin_of};
use super::{cookies, headers, origin};
use crate::denials::Whose;
use crate::edge::Admission;
use crate::error::{DenyReason, Unproven};
use crate::identity::{AgentIdentity, Member, Person, Principal, ProxyIdentity, by_session};
use crate::issuer::Bearer as Signed;
use crate::services::tokens::{hash, same};
use crate::services::{agent_tokens, connections, sessions};
use crate::{Context, Error, Op, clock};

/// What somebody brings to prove who they are. A page takes no header, and the API no cookie: what a browser sends by itself opens
/// nothing that another site could ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    Bearer,
    Cookie,
}

/// The guard of one line of the route table. Its handler is given an [`Op`], which there is no other way to: a line whose
/// handler needs one does not compile without an action.
pub struct Guard<P> {
    method: &'static Method,
    action: Action,
    channel: Channel,
    who: PhantomData<fn() -> P>,
}

impl<P> Clone for Guard<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Guard<P> {}

impl<P> fmt::Debug for Guard<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("action", &self.action).finish_non_exhaustive()
    }
}

impl<P: Proven> Guard<P> {
    pub(crate) const fn new(method: &'static Method, action: Action, channel: Channel) -> Self {
        Self { method, action, channel, who: PhantomData }
    }

    /// The route that ends in `handler`, which takes the operation and what else it needs of the request.
    pub fn to<H, R, F>(self, handler: H) -> actix_web::Route
    where
        H: Fn(Op<P>, R) -> F + Clone + 'static,
        R: FromRequest + 'static,
        F: Future + 'static,
        F::Output: Responder + 'static,
    {
        web::method(self.method.clone()).to(move |request: HttpRequest, payload: web::Payload| {
            let handler = handler.clone();
            async move {
                let context = context(&request)?;
                if self.channel == Channel::Cookie && self.method != Method::GET {
                    origin::check(&request, &context)?;
                }
                let who = P::prove(&request, &context, self.action, self.channel).await?;
                let asker = who.asker(self.action);
                let origin = origin_of(&request);
                let rest = R::from_request(&request, &mut payload.into_inner()).await.map_err(Into::into)?;
                // Whoever sends a long body slowly acts when it is there.
                let op = Op::begin(who, self.action, origin, Arc::clone(&context));
                let answer = handler(op, rest).await.respond_to(&request).map_into_boxed_body();
                let error = answer.error().and_then(|error| error.as_error::<Error>());
                // Only the guard knows that somebody asked for another organisation.
                if let Some(error @ (Error::Forbidden { .. } | Error::QuotaExceeded(_))) = error {
                    asker.denied(&request, &context, error).await;
                }
                Ok::<_, actix_web::Error>(answer)
            }
        })
    }
}

/// Somebody who can be proven by a request's token, and asked whether they may do something.
pub trait Proven: Principal + Sized + 'static {
    fn prove(
        request: &HttpRequest,
        context: &Arc<Context>,
        action: Action,
        channel: Channel,
    ) -> impl Future<Output = Result<Self, Error>>;

    /// Who it is for the record of what they are denied.
    fn asker(&self, action: Action) -> Asker;
}

impl Proven for Person {
    async fn prove(
        request: &HttpRequest,
        context: &Arc<Context>,
        action: Action,
        channel: Channel,
    ) -> Result<Self, Error> {
        match channel {
            Channel::Cookie => person(request, context).await,
            Channel::Bearer => match bearer(request)? {
                Bearer::Account(token) => person_logged_in(request, context, &token).await,
                Bearer::Access(token) => {
                    let member = member(request, context, &token).await?;
                    let refusal = Error::Forbidden { action, reason: DenyReason::IsNoAccount };
                    Err(member.asker(action).refused(request, context, refusal).await)
                }
                Bearer::Agent(token) => {
                    let agent = agent(request, context, &token).await?;
                    let refusal = Error::Forbidden { action, reason: DenyReason::IsAgent };
                    Err(agent.asker(action).refused(request, context, refusal).await)
                }
            },
        }
    }

    fn asker(&self, action: Action) -> Asker {
        Asker { whose: Whose::Account(self.account), who: self.actor().into(), action }
    }
}

impl Proven for Member {
    async fn prove(
        request: &HttpRequest,
        context: &Arc<Context>,
        action: Action,
        channel: Channel,
    ) -> Result<Self, Error> {
        if channel == Channel::Cookie {
            return member_signed_in(request, context, action).await;
        }
        match bearer(request)? {
            Bearer::Access(token) => {
                let member = member(request, context, &token).await?;
                // Another organisation looks like one that does not exist.
                let refusal = match request.match_info().get("organization") {
                    Some(asked) if !is_named(&member, asked) => {
                        Error::missing(ResourceKind::Organization, asked)
                    }
                    _ if !member.scope.allows(action.effect() == Effect::Reads) => {
                        Error::Forbidden { action, reason: DenyReason::ReadOnlyToken }
                    }
                    _ => return Ok(member),
                };
                Err(member.asker(action).refused(request, context, refusal).await)
            }
            Bearer::Account(token) => member_logged_in(request, context, &token, action).await,
            Bearer::Agent(token) => {
                let agent = agent(request, context, &token).await?;
                let refusal = Error::Forbidden { action, reason: DenyReason::IsAgent };
                Err(agent.asker(action).refused(request, context, refusal).await)
            }
        }
    }

    fn asker(&self, action: Action) -> Asker {
        Asker::within(self, action)
    }
}

impl Proven for AgentIdentity {
    async fn prove(
        request: &HttpRequest,
        context: &Arc<Context>,
        action: Action,
        _: Channel,
    ) -> Result<Self, Error> {
        match bearer(request)? {
            Bearer::Agent(token) => agent(request, context, &token).await,
            Bearer::Access(token) => {
                let member = member(request, context, &token).await?;
                let refusal = Error::Forbidden { action, reason: DenyReason::IsNoAgent };
                Err(member.asker(action).refused(request, context, refusal).await)
            }
            Bearer::Account(token) => {
                let person = person_logged_in(request, context, &token).await?;
                let refusal = Error::Forbidden { action, reason: DenyReason::IsNoAgent };
                Err(person.asker(action).refused(request, context, refusal).await)
            }
        }
    }

    fn asker(&self, action: Action) -> Asker {
        Asker::within(self, action)
    }
}

impl Proven for ProxyIdentity {
    /// By a signed token, and nothing else: what proves anybody else is no proxy's.
    #[expect(
        clippy::disallowed_methods,
        reason = "whether it has ended is asked before the operation begins"
    )]
    async fn prove(
        request: &HttpRequest,
        context: &Arc<Context>,
        _: Action,
        _: Channel,
    ) -> Result<Self, Error> {
        let Bearer::Account(token) = bearer(request)? else {
            return Err(Error::Unauthenticated(Unproven::NoToken));
        };
        let admission = admission(request)?;
        let turn = admission.turn().await?;
        let proxy = connections::proxy_of(&context.issuer, &token, clock::now());
        let proxy = proxy.ok_or_else(|| refused(&admission, Unproven::UnknownToken))?;
        let found = context.database.read(proxy.organization, "authenticate_proxy", async |conn| {
            conn.agents().find(proxy.agent).await.map_err(Error::from)
        });
        let found = found.await?;
        drop(turn);
        if found.is_none_or(|agent| agent.revoked_at.is_some()) {
            return Err(refused(&admission, Unproven::Revoked));
        }
        admission.proven();
        Span::current().record("organization", display(proxy.organization));
        Span::current().record("agent", display(proxy.agent));
        Ok(proxy)
    }

    fn asker(&self, action: Action) -> Asker {
        Asker::within(self, action)
    }
}

fn is_named(member: &Member, asked: &str) -> bool {
    asked == member.organization_name.as_str() || asked.parse() == Ok(member.organization)
}

fn context(request: &HttpRequest) -> Result<Arc<Context>, Error> {
    let context = request.app_data::<web::Data<Context>>();
    context
        .map(|context| web::Data::clone(context).into_inner())
        .ok_or_else(|| Error::internal("the server has no context"))
}

enum Bearer {
    Access(AccessToken),
    Agent(AgentToken),
    /// Of a command line that somebody has let in: signed, and not looked at yet.
    Account(Zeroizing<String>),
}

fn bearer(request: &HttpRequest) -> Result<Bearer, Error> {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Error::Unauthenticated(Unproven::NoHeader));
    };
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    let Some((_, token)) = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
        return Err(Error::Unauthenticated(Unproven::NoBearer));
    };
    // Signed tokens have three parts; ours that are not have no dot.
    if token.contains('.') {
        return Ok(Bearer::Account(Zeroizing::new(token.to_owned())));
    }
    let access = || token.parse().map(Bearer::Access);
    let unknown = |_| Error::Unauthenticated(Unproven::NoToken);
    token.parse().map(Bearer::Agent).or_else(|_| access()).map_err(unknown)
}

/// Proves an access token, in a transaction that looks at nothing else.
#[expect(clippy::disallowed_methods, reason = "whether it has expired is asked before the operation begins")]
async fn member(request: &HttpRequest, context: &Context, token: &AccessToken) -> Result<Member, Error> {
    let admission = admission(request)?;
    let turn = admission.turn().await?;
    let found = context
        .database
        .read(token.organization(), "authenticate_member", async |conn| {
            conn.tokens().find_with_organization(token.token_id()).await.map_err(Error::from)
        })
        .await?;
    drop(turn);
    let (shown, now) = (hash(token.expose()), clock::now());
    let stored = found.as_ref().map(|(row, ..)| row.secrets(now));
    let is_right = is_one_of(&shown, stored.unwrap_or_default());
    let (row, organization, membership) = match found {
        Some((.., membership)) if is_right && membership.suspended_at.is_some() => {
            return Err(refused(&admission, Unproven::Suspended));
        }
        Some((row, organization, membership)) if is_right && row.is_valid(now) => {
            (row, organization, membership)
        }
        Some((row, ..)) if is_right && row.revoked_at.is_none() => {
            return Err(refused(&admission, Unproven::Expired));
        }
        Some(_) if is_right => return Err(refused(&admission, Unproven::Revoked)),
        Some(_) => return Err(refused(&admission, Unproven::WrongSecret)),
        None => return Err(refused(&admission, Unproven::UnknownToken)),
    };
    admission.proven();
    Span::current().record("organization", display(organization.id));
    Span::current().record("token", display(row.id));
    context.uses.note(organization.id, row.id, now);
    Ok(Member {
        organization: organization.id,
        organization_name: organization.name,
        subject: row.subject_id,
        token: row.id,
        token_name: row.name,
        scope: row.scope,
        role: membership.role,
        expires_at: row.expires_at,
        secret_hash: shown,
        fingerprints: hmac::Key::new(hmac::HMAC_SHA256, token.expose().as_bytes()),
    })
}

/// Proves who is signed in, in a transaction that looks at nothing else.
#[expect(clippy::disallowed_methods, reason = "whether it has ended is asked before the operation begins")]
async fn person(request: &HttpRequest, context: &Arc<Context>) -> Result<Person, Error> {
    let token = cookies::session(request.headers()).ok_or(Error::Unauthenticated(Unproven::NoSession))?;
    let admission = admission(request)?;
    let turn = admission.turn().await?;
    let found = context
        .database
        .read(token.account(), "authenticate_person", async |conn| {
            conn.sessions().find(token.session()).await.map_err(Error::from)
        })
        .await?;
    drop(turn);
    let now = clock::now();
    let stored = found.as_ref().map(|(session, _)| &session.secret_hash);
    if !is_one_of(&hash(token.expose()), [stored, None]) {
        return Err(refused(&admission, Unproven::WrongSecret));
    }
    let Some((session, account)) = found else { return Err(refused(&admission, Unproven::UnknownToken)) };
    if let Some(reason) = sessions::is_over(&session, &account, &context.sessions, now) {
        return Err(refused(&admission, reason));
    }
    admission.proven();
    acts(request, context, account, &session).await
}

/// Who acts by a session, whose use is noted.
async fn acts(
    request: &HttpRequest,
    context: &Arc<Context>,
    account: AccountRow,
    session: &SessionRow,
) -> Result<Person, Error> {
    let person = Person {
        account: account.id,
        name: account.name,
        session: session.id,
        session_ends_at: session.expires_at,
    };
    let op = Op::begin(person, Action::ReadAccount, origin_of(request), Arc::clone(context));
    sessions::note_use(&op, session).await?;
    Ok(op.who)
}

/// What a command line's token says, if it is signed by us. Nothing is asked of the database before.
fn signed(context: &Context, admission: &Admission, token: &str, now: Timestamp) -> Result<Signed, Error> {
    context.issuer.verify(Kind::Access, token, now).map_err(|rejected| {
        debug!(%rejected, "a signed token is not believed");
        refused(admission, Unproven::UnknownToken)
    })
}

/// Proves whose a command line's token is: by its signature, and by the session that it names.
#[expect(clippy::disallowed_methods, reason = "whether it has ended is asked before the operation begins")]
async fn person_logged_in(
    request: &HttpRequest,
    context: &Arc<Context>,
    token: &str,
) -> Result<Person, Error> {
    let (admission, now) = (admission(request)?, clock::now());
    let turn = admission.turn().await?;
    let shown = signed(context, &admission, token, now)?;
    let found = context
        .database
        .read(shown.account, "authenticate_login", async |conn| {
            conn.sessions().find(shown.session).await.map_err(Error::from)
        })
        .await?;
    drop(turn);
    let Some((session, account)) = found else { return Err(refused(&admission, Unproven::UnknownToken)) };
    if let Some(reason) = sessions::is_over(&session, &account, &context.sessions, now) {
        return Err(refused(&admission, reason));
    }
    admission.proven();
    acts(request, context, account, &session).await
}

/// The same in an organisation: that of the path, or of `Berth-Organization` where the path has none.
#[expect(clippy::disallowed_methods, reason = "whether it has ended is asked before the operation begins")]
async fn member_logged_in(
    request: &HttpRequest,
    context: &Arc<Context>,
    token: &str,
    action: Action,
) -> Result<Member, Error> {
    let (admission, now) = (admission(request)?, clock::now());
    let turn = admission.turn().await?;
    let shown = signed(context, &admission, token, now)?;
    let asked = match request.match_info().get("organization") {
        Some(asked) => asked,
        None => headers::organization(request)?,
    };
    let found = context
        .database
        .read(shown.account, "authenticate_login_in", async |conn| {
            conn.sessions().find_in(shown.session, asked).await.map_err(Error::from)
        })
        .await?;
    drop(turn);
    let Some(found) = found else {
        // Whose token it is comes first: only they are told that there is no such organisation.
        let person = person_logged_in(request, context, token).await?;
        let missing = Error::missing(ResourceKind::Organization, asked);
        return Err(person.asker(action).refused(request, context, missing).await);
    };
    if let Some(reason) = sessions::is_over(&found.session, &found.account, &context.sessions, now) {
        return Err(refused(&admission, reason));
    }
    admission.proven();
    acts(request, context, found.account.clone(), &found.session).await?;
    in_organization(request, context, found, (asked, action), now).await
}

/// The same below an organisation, which looks like one that does not exist where the account is nobody in it.
#[expect(clippy::disallowed_methods, reason = "whether it has ended is asked before the operation begins")]
async fn member_signed_in(
    request: &HttpRequest,
    context: &Arc<Context>,
    action: Action,
) -> Result<Member, Error> {
    let person = person(request, context).await?;
    let asked = request.match_info().get("organization").unwrap_or_default();
    let now = clock::now();
    let found = context
        .database
        .read(person.account, "authenticate_user", async |conn| {
            conn.sessions().find_in(person.session, asked).await.map_err(Error::from)
        })
        .await?;
    let Some(found) = found else {
        let missing = Error::missing(ResourceKind::Organization, asked);
        return Err(person.asker(action).refused(request, context, missing).await);
    };
    in_organization(request, context, found, (asked, action), now).await
}

/// What somebody is whose account acts in an organisation.
async fn in_organization(
    request: &HttpRequest,
    context: &Context,
    found: OrganizationSession,
    (asked, action): (&str, Action),
    now: Timestamp,
) -> Result<Member, Error> {
    let (subject, by) = (found.membership.id, by_session(found.session.id));
    let over = found.membership.suspended_at.map(|_| Unproven::Suspended);
    if let Some(reason) = over.or(found.is_revoked.then_some(Unproven::Revoked)) {
        let (whose, who) = (Whose::Organization(found.organization.id), Who::Subject { subject, by }.into());
        let organization = Resource::organization(found.organization.id);
        Asker { whose, who, action }.note(request, context, reason.as_str().into(), organization).await;
        return Err(Error::missing(ResourceKind::Organization, asked));
    }
    if !found.is_known {
        sessions::bring(&context.database, &found, now).await?;
    }
    let By::Token(token) = by;
    Span::current().record("organization", display(found.organization.id));
    Span::current().record("token", display(token));
    Ok(Member {
        organization: found.organization.id,
        organization_name: found.organization.name,
        subject,
        token,
        token_name: found.account.name,
        scope: TokenScope::Full,
        role: found.membership.role,
        expires_at: Some(found.session.expires_at),
        fingerprints: hmac::Key::new(hmac::HMAC_SHA256, &found.session.secret_hash),
        secret_hash: found.session.secret_hash,
    })
}

/// The same for an agent's token.
#[expect(
    clippy::disallowed_methods,
    reason = "which of its tokens open is asked before the operation begins"
)]
async fn agent(
    request: &HttpRequest,
    context: &Arc<Context>,
    token: &AgentToken,
) -> Result<AgentIdentity, Error> {
    let admission = admission(request)?;
    let stranger = admission.turn().await?;
    // An agent that was proven lately stands in its own queue.
    let known = match &stranger {
        Some(_) => None,
        None => Some(context.turns.take(token.agent()).await?),
    };
    let found = context
        .database
        .read(token.organization(), "authenticate_agent", async |conn| {
            conn.agents().find(token.agent()).await.map_err(Error::from)
        })
        .await?;
    drop((stranger, known));
    let (shown, now) = (hash(token.expose()), clock::now());
    let stored = found.as_ref().map(|row| row.tokens(now));
    let is_right = is_one_of(&shown, stored.unwrap_or_default());
    let row = match found {
        Some(row) if is_right && row.revoked_at.is_none() => row,
        Some(_) if is_right => return Err(refused(&admission, Unproven::Revoked)),
        Some(_) => return Err(refused(&admission, Unproven::WrongSecret)),
        None => return Err(refused(&admission, Unproven::UnknownToken)),
    };
    admission.proven();
    Span::current().record("organization", display(token.organization()));
    Span::current().record("agent", display(row.id));
    let is_new = row.secret_hash == shown && row.previous_secret_hash.is_some();
    let identity = AgentIdentity {
        organization: token.organization(),
        agent: row.id,
        name: row.name,
        secret_hash: shown,
    };
    if is_new {
        let op = Op::begin(identity.clone(), Action::Reconcile, origin_of(request), Arc::clone(context));
        agent_tokens::take_into_use(&op).await?;
    }
    Ok(identity)
}

fn admission(request: &HttpRequest) -> Result<Admission, Error> {
    Admission::of(request).ok_or_else(|| Error::internal("the request passed no gate"))
}

fn refused(admission: &Admission, reason: Unproven) -> Error {
    admission.refused();
    Error::Unauthenticated(reason)
}

/// The same work whether there is anything to compare with or not.
fn is_one_of(shown: &SecretHash, stored: [Option<&SecretHash>; 2]) -> bool {
    let is = |stored: Option<&SecretHash>| same(shown, stored.unwrap_or(&[0; 32])) & stored.is_some();
    stored.into_iter().fold(false, |found, stored| found | is(stored))
}
