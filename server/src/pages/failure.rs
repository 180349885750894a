//! What a person is shown where a request failed.

use actix_web::http::header::{HeaderName, SET_COOKIE};
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use berth_schema::{FieldError, Problem};

use super::page::{came_from, see, show};
use super::passkeys::confirm_then;
use crate::error::{DenyReason, Unproven};
use crate::http::cookies;
use crate::{Context, Error};

#[derive(Template)]
#[template(path = "failure.html")]
struct Failure<'a> {
    title: &'a str,
    /// Where this server's pages are, for who has found them elsewhere.
    at: Option<String>,
    problem: &'a Problem,
    /// What the sentence about all of it has not said already.
    errors: Vec<&'a FieldError>,
    request_id: &'a str,
    /// The page of ours that led here.
    back: Option<String>,
}

/// By which htmx says that it asks, and by which it is told to load the whole page.
const LIVE: HeaderName = HeaderName::from_static("hx-request");
const ASK_AGAIN: HeaderName = HeaderName::from_static("hx-refresh");

/// Who is not signed in is asked to do so, and led to what they wanted to see afterwards; everything else is told, with the id that the log has it under.
pub(crate) fn failure(
    request: &HttpRequest,
    error: Option<&Error>,
    problem: &Problem,
    id: &str,
) -> HttpResponse {
    // What a live page asks for by itself is not what somebody wants to see: the page itself asks again, and is told or led there.
    if matches!(problem.status, 401 | 403 | 404) && request.headers().contains_key(LIVE) {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::NOT_FOUND);
        return HttpResponse::build(status).insert_header((ASK_AGAIN, "true")).finish();
    }
    if let Some(Error::Unauthenticated(reason)) = error
        && !reason.is_told()
    {
        let mut response = see("/sign-in");
        let wanted = request.uri().path_and_query().map(PathAndQuery::as_str).filter(|wanted| *wanted != "/");
        if let Some(kept) = wanted.filter(|_| request.method() == Method::GET).and_then(cookies::keep_return)
        {
            response.headers_mut().append(SET_COOKIE, kept);
        }
        return response;
    }
    // It would be done for whoever proves anew who they are: that is where they are led, and back.
    if let Some(Error::Forbidden { reason: DenyReason::StepUp | DenyReason::SessionRevoked, .. }) = error {
        if request.headers().contains_key(LIVE) {
            return HttpResponse::Forbidden().insert_header((ASK_AGAIN, "true")).finish();
        }
        let here = request.uri().path_and_query().map(PathAndQuery::as_str).map(str::to_owned);
        let wanted = if request.method() == Method::GET { here } else { came_from(request) };
        return see(&confirm_then(wanted.as_deref().unwrap_or("/")));
    }
    let elsewhere = matches!(error, Some(Error::Unauthenticated(Unproven::OtherOrigin)));
    let context = request.app_data::<web::Data<Context>>().filter(|_| elsewhere);
    let at = context.and_then(|context| context.public_url.as_deref()).map(str::to_owned);
    // A problem speaks to programs, of tokens.
    let title = match error {
        Some(Error::Unauthenticated(Unproven::OtherOrigin)) => "The form was refused",
        Some(Error::Unauthenticated(Unproven::UnknownLink | Unproven::LinkOver)) => "The link is over",
        Some(Error::Unauthenticated(Unproven::Passkey)) => "The passkey was not taken",
        Some(Error::Unauthenticated(_) | Error::ProviderUnavailable) => "You are not signed in",
        Some(Error::Forbidden { .. }) => "Not by this session",
        _ => &problem.title,
    };
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let errors = problem.errors.iter().filter(|error| !problem.detail.contains(&error.message)).collect();
    let back = came_from(request);
    let page = show(status, &Failure { title, at, problem, errors, request_id: id, back });
    page.unwrap_or_else(|_| HttpResponse::new(status))
}
