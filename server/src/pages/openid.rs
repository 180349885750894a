//! Signing in by an identity provider, and out again.

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use berth_schema::IdentityProviderId;
use serde::Deserialize;

use super::page::{see, show};
use super::sign_in::{device, welcome};
use crate::edge::Admission;
use crate::http::asker::origin_of;
use crate::http::query::Query;
use crate::http::{cookies, origin};
use crate::services::identity_providers::Addresses;
use crate::services::openid::{self, Returned};
use crate::{Context, Error, clock};

#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    provider: IdentityProviderId,
}

/// Leads to a provider. A page of somebody else does not begin it: who comes from there is shown the page that signs people in.
#[expect(clippy::disallowed_methods, reason = "an operation of nobody begins")]
pub(crate) async fn begin(
    request: HttpRequest,
    context: web::Data<Context>,
    path: web::Path<Path>,
) -> Result<HttpResponse, Error> {
    if origin::is_from_elsewhere(&request)? {
        return Ok(see("/sign-in"));
    }
    let admission = Admission::of(&request).ok_or_else(|| Error::internal("the request passed no gate"))?;
    let turn = admission.turn().await?;
    let own = origin::own(&request, &context)?;
    let (address, when) = (Some(admission.address().to_string()), (origin_of(&request), clock::now()));
    let begun = openid::begin(&context, path.provider, Addresses(&own), address, when).await?;
    drop(turn);
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, begun.location.as_str()))
        .append_header((SET_COOKIE, cookies::keep_attempt(&begun.secret)?))
        .finish())
}

/// What a provider sends along. It may say more, which is not looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct CallbackQuery {
    #[serde(default)]
    state: String,
    code: Option<String>,
    iss: Option<String>,
}

/// Where a provider sends people back to.
#[expect(clippy::disallowed_methods, reason = "an operation of nobody begins")]
pub(crate) async fn callback(
    request: HttpRequest,
    context: web::Data<Context>,
    path: web::Path<Path>,
    query: Query<CallbackQuery>,
) -> Result<HttpResponse, Error> {
    let admission = Admission::of(&request).ok_or_else(|| Error::internal("the request passed no gate"))?;
    let turn = admission.turn().await?;
    let own = origin::own(&request, &context)?;
    let returned = Returned {
        provider: path.provider,
        state: &query.0.state,
        code: query.0.code.as_deref(),
        issuer: query.0.iss.as_deref(),
        secret: cookies::attempt(request.headers()),
        before: cookies::session(request.headers()),
    };
    let when = (origin_of(&request), clock::now());
    let device = device(&request, &context, &admission)?;
    let mark = device.mark.clone();
    let signed_in = openid::finish(&context, returned, Addresses(&own), device, when).await;
    drop(turn);
    let token = signed_in.inspect_err(|_| admission.refused())?;
    admission.passed();
    let mut response = welcome(&request, &context, (&token, &mark))?;
    response.headers_mut().append(SET_COOKIE, cookies::forget_attempt()?);
    Ok(response)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedOutQuery {
    provider: Option<IdentityProviderId>,
    /// What a provider repeats.
    #[serde(rename = "state")]
    _state: Option<String>,
}

#[derive(Template)]
#[template(path = "signed-out.html")]
struct SignedOut {
    /// What the provider is called, and where one signs out there.
    provider: Option<(String, String)>,
}

/// Here the session has ended; at the provider it may go on, which it is up to the person to end.
pub(crate) async fn signed_out(
    request: HttpRequest,
    context: web::Data<Context>,
    query: Query<SignedOutQuery>,
) -> Result<HttpResponse, Error> {
    let admission = Admission::of(&request).ok_or_else(|| Error::internal("the request passed no gate"))?;
    let turn = admission.turn().await?;
    let own = origin::own(&request, &context)?;
    let provider = match query.0.provider {
        Some(provider) => openid::sign_out_at(&context, provider, Addresses(&own)).await?,
        None => None,
    };
    drop(turn);
    let provider = provider.map(|(name, url)| (name, url.to_string()));
    show(StatusCode::OK, &SignedOut { provider })
}
