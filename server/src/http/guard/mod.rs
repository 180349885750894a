//! What stands before a handler: who asks is proven, and whether they may, before anything else of the request is looked at.
//!
//! A token names the rows to compare it with. Where it is signed, the signature is looked at before the rows are; in either case the
//! SHA-256 of the whole token has to be theirs, which is compared in constant time. What is unknown, expired or revoked looks the same to the client.

mod access_token;
mod agent;
mod member;
mod named;
mod person;
mod proxy;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, Responder, web};
use berth_db::SecretHash;
use berth_issuer::Kind;
use berth_policy::Resource;
use berth_schema::{Action, AgentToken};
use zeroize::Zeroizing;

use access_token::AccessToken;

use super::asker::{Asker, origin_of};
use super::described::{Answered, Asked, Describe, Operation};
use super::origin;
use crate::edge::Admission;
use crate::error::Unproven;
use crate::identity::Principal;
use crate::openapi::Schemas;
use crate::services::tokens::same;
use crate::{Context, Error, Op};

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

/// A handler of the API behind its guard, with what its types say.
pub struct Described {
    pub route: actix_web::Route,
    pub describe: Describe,
}

impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Described").finish_non_exhaustive()
    }
}

impl<P: Proven> Guard<P> {
    pub(crate) const fn new(method: &'static Method, action: Action, channel: Channel) -> Self {
        Self { method, action, channel, who: PhantomData }
    }

    /// As [`Guard::to`], of a handler whose types describe it.
    pub fn api<H, R, F>(self, handler: H) -> Described
    where
        H: Fn(Op<P>, R) -> F + Clone + 'static,
        R: FromRequest + Asked + 'static,
        F: Future + 'static,
        F::Output: Responder + Answered + 'static,
    {
        let describe = |operation: &mut Operation, schemas: &mut Schemas| {
            R::describe(operation, schemas);
            F::Output::describe(operation, schemas);
        };
        Described { route: self.to(handler), describe }
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
                let (who, resource) = P::prove(&request, &context, self.action, self.channel).await?;
                let asker = who.asker(self.action);
                let origin = origin_of(&request);
                let rest = R::from_request(&request, &mut payload.into_inner()).await.map_err(Into::into)?;
                // Whoever sends a long body slowly acts when it is there.
                let op = Op::begin(who, self.action, origin, Arc::clone(&context)).on(resource);
                if !op.who.holds(op.now) {
                    return Err(Error::Overtaken.into());
                }
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

/// Somebody who can be proven by a request's token, and of whom it is decided whether they may do something, and to what.
pub trait Proven: Principal + Sized + 'static {
    fn prove(
        request: &HttpRequest,
        context: &Arc<Context>,
        action: Action,
        channel: Channel,
    ) -> impl Future<Output = Result<(Self, Option<Resource>), Error>>;

    /// Who it is for the record of what they are denied.
    fn asker(&self, action: Action) -> Asker;
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
    // Signed tokens have three parts; ours that are not have no dot. What one says that it is, whoever verifies it asks for.
    if token.contains('.') {
        let text = Zeroizing::new(token.to_owned());
        let is_personal = berth_issuer::kind_of(token) == Some(Kind::Personal);
        return Ok(if is_personal {
            Bearer::Access(AccessToken::Signed(text))
        } else {
            Bearer::Account(text)
        });
    }
    let access = || token.parse().map(AccessToken::Opaque).map(Bearer::Access);
    let unknown = |_| Error::Unauthenticated(Unproven::NoToken);
    token.parse().map(Bearer::Agent).or_else(|_| access()).map_err(unknown)
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
