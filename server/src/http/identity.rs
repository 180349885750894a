//! Who asks: a typed identity, never "maybe".
//!
//! A token names the rows to compare it with; only the SHA-256 of the whole token proves anything, and it is compared in
//! constant time. What is unknown, expired or revoked looks the same to the client.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
use berth_db::SecretHash;
use berth_schema::access::TokenScope;
use berth_schema::{AccessToken, AgentId, AgentName, AgentToken, OrganizationId, OrganizationName, TokenId};
use jiff::Timestamp;
use ring::hmac;
use tracing::Span;
use tracing::field::display;

use crate::edge::Admission;
use crate::services::agent_tokens;
use crate::services::tokens::{hash, same};
use crate::{Context, Error, clock};

const UNKNOWN: Error = Error::Unauthenticated("the token is unknown, expired or revoked");

/// Somebody who may manage one organisation, in a request on that organisation.
pub struct Administrator {
    pub organization: OrganizationId,
    pub organization_name: OrganizationName,
    pub token: TokenId,
    pub token_name: String,
    pub scope: TokenScope,
    pub expires_at: Option<Timestamp>,
    /// Of the secret that was shown.
    secret_hash: SecretHash,
    /// Marks this token's requests. Its key is the token, which is not stored: a dump of the database tells nothing about
    /// the bodies that were marked, which may hold secrets that can be guessed.
    fingerprints: hmac::Key,
}

impl Administrator {
    /// Whether the secret that was shown is the one of that hash.
    pub fn is_proven_by(&self, hash: &SecretHash) -> bool {
        self.secret_hash == *hash
    }

    /// The mark of a request to create something.
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

impl fmt::Debug for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Administrator")
            .field("organization", &self.organization)
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

/// A request as somebody, with the rest of what its handler needs: nothing of it is looked at, and no byte of the body is
/// read, before the identity is proven.
#[derive(Debug)]
pub struct As<I, R> {
    pub who: I,
    pub rest: R,
}

impl<I, R> FromRequest for As<I, R>
where
    I: FromRequest + 'static,
    R: FromRequest + 'static,
{
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let who = I::from_request(&request, &mut Payload::None).await.map_err(Into::into)?;
            let rest = R::from_request(&request, &mut payload).await.map_err(Into::into)?;
            Ok(Self { who, rest })
        })
    }
}

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

impl FromRequest for Administrator {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            match bearer(&request)? {
                Bearer::Access(token) => {
                    let administrator = authenticate(&request, &token).await?;
                    // Another organisation looks like one that does not exist.
                    match request.match_info().get("organization") {
                        Some(asked) if !is_named(&administrator, asked) => {
                            Err(Error::NotFound("organization"))
                        }
                        _ if !administrator.scope.allows(reads(&request)) => {
                            Err(Error::Forbidden("this token may look at everything and change nothing"))
                        }
                        _ => Ok(administrator),
                    }
                }
                Bearer::Agent(token) => {
                    agent(&request, &token).await?;
                    Err(Error::Forbidden("an agent's token opens the reconcile endpoint and nothing else"))
                }
            }
        })
    }
}

impl FromRequest for AgentIdentity {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            match bearer(&request)? {
                Bearer::Agent(token) => agent(&request, &token).await,
                Bearer::Access(token) => {
                    authenticate(&request, &token).await?;
                    Err(Error::Forbidden("only an agent may do that"))
                }
            }
        })
    }
}

/// Whether a request changes nothing, whatever its route is.
fn reads(request: &HttpRequest) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

fn is_named(administrator: &Administrator, asked: &str) -> bool {
    asked == administrator.organization_name.as_str() || asked.parse() == Ok(administrator.organization)
}

fn context(request: &HttpRequest) -> Result<&Context, Error> {
    let context = request.app_data::<web::Data<Context>>();
    context.map(web::Data::get_ref).ok_or_else(|| Error::internal("the server has no context"))
}

enum Bearer {
    Access(AccessToken),
    Agent(AgentToken),
}

fn bearer(request: &HttpRequest) -> Result<Bearer, Error> {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Error::Unauthenticated("one header 'Authorization: Bearer <token>' is needed"));
    };
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    let Some((_, token)) = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
        return Err(Error::Unauthenticated("the Authorization header must be 'Bearer <token>'"));
    };
    let access = || token.parse().map(Bearer::Access);
    token.parse().map(Bearer::Agent).or_else(|_| access()).map_err(|_| UNKNOWN)
}

/// Proves an access token, in a transaction that looks at nothing else.
async fn authenticate(request: &HttpRequest, token: &AccessToken) -> Result<Administrator, Error> {
    let (context, admission) = (context(request)?, admission(request)?);
    let turn = admission.turn().await?;
    let found = context
        .database
        .read(token.organization(), "authenticate_administrator", async |conn| {
            conn.tokens().find_with_organization(token.token_id()).await.map_err(Error::from)
        })
        .await?;
    drop(turn);
    let (shown, now) = (hash(token.expose()), clock::now());
    let stored = found.as_ref().map(|(row, _)| row.secrets(now));
    let is_right = is_one_of(&shown, stored.unwrap_or_default());
    let proven = found.filter(|(row, _)| is_right && row.is_valid(now));
    let Some((row, organization)) = proven else { return Err(refused(&admission)) };
    admission.proven();
    Span::current().record("organization", display(organization.id));
    Span::current().record("token", display(row.id));
    context.uses.note(organization.id, row.id, now);
    Ok(Administrator {
        organization: organization.id,
        organization_name: organization.name,
        token: row.id,
        token_name: row.name,
        scope: row.scope,
        expires_at: row.expires_at,
        secret_hash: shown,
        fingerprints: hmac::Key::new(hmac::HMAC_SHA256, token.expose().as_bytes()),
    })
}

/// The same for an agent's token.
async fn agent(request: &HttpRequest, token: &AgentToken) -> Result<AgentIdentity, Error> {
    let (context, admission) = (context(request)?, admission(request)?);
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
    let proven = found.filter(|row| is_right && row.revoked_at.is_none());
    let Some(row) = proven else { return Err(refused(&admission)) };
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
        agent_tokens::take_into_use(context, &identity).await?;
    }
    Ok(identity)
}

fn admission(request: &HttpRequest) -> Result<Admission, Error> {
    Admission::of(request).ok_or_else(|| Error::internal("the request passed no gate"))
}

fn refused(admission: &Admission) -> Error {
    admission.refused();
    UNKNOWN
}

/// The same work whether there is anything to compare with or not.
fn is_one_of(shown: &SecretHash, stored: [Option<&SecretHash>; 2]) -> bool {
    let is = |stored: Option<&SecretHash>| same(shown, stored.unwrap_or(&[0; 32])) & stored.is_some();
    stored.into_iter().fold(false, |found, stored| found | is(stored))
}
