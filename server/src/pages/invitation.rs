//! Joining an organisation by a link.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use berth_db::{AccountRow, SessionRow};
use berth_schema::InvitationToken;
use jiff::Timestamp;
use serde::Deserialize;

use super::page::{see, show};
use super::sign_in::{device, keep};
use super::times::at as time_of;
use crate::edge::Admission;
use crate::error::Unproven;
use crate::http::asker::origin_of;
use crate::http::body::Form;
use crate::http::cookies;
use crate::http::origin::SameOrigin;
use crate::http::query::Query;
use crate::services::invitations::{self, Joins};
use crate::services::sign_in;
use crate::{Context, Error, clock};

#[derive(Template)]
#[template(path = "invitation.html")]
struct Ask<'a> {
    organization: &'a str,
    role: &'a str,
    by: &'a str,
    ends: String,
    token: &'a str,
    /// Who is signed in on this browser.
    person: Option<&'a str>,
    /// Whom it is for.
    name: &'a str,
}

/// What the link holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shown {
    token: String,
}

/// What the form sends: with a name, somebody new joins; without, who is signed in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accepted {
    token: String,
    name: Option<String>,
}

fn parse(token: &str) -> Result<InvitationToken, Error> {
    token.parse().map_err(|_| Error::Unauthenticated(Unproven::UnknownLink))
}

/// Where a link leads: a form. What looks at links before people do follows them, and accepts nothing here.
#[expect(clippy::disallowed_methods, reason = "an operation of nobody begins")]
pub(crate) async fn invitation(
    request: HttpRequest,
    context: web::Data<Context>,
    query: Query<Shown>,
) -> Result<HttpResponse, Error> {
    let shown = parse(&query.0.token)?;
    let (admission, now) = (admission(&request)?, clock::now());
    let turn = admission.turn().await?;
    let offer = invitations::look(&context, &shown, now).await.inspect_err(|_| admission.refused())?;
    let signed_in = signed_in(&request, &context, now).await?;
    drop(turn);
    admission.passed();
    let page = Ask {
        organization: offer.organization.name.as_str(),
        role: offer.invitation.role.as_str(),
        by: &offer.by,
        ends: time_of(offer.invitation.expires_at),
        token: shown.expose(),
        person: signed_in.as_ref().map(|(_, account)| account.name.as_str()),
        name: &offer.invitation.name,
    };
    show(StatusCode::OK, &page)
}

#[expect(clippy::disallowed_methods, reason = "an operation of nobody begins")]
pub(crate) async fn accept_invitation(
    request: HttpRequest,
    context: web::Data<Context>,
    _: SameOrigin,
    form: Form<Accepted>,
) -> Result<HttpResponse, Error> {
    let Accepted { token, name } = form.0;
    let shown = parse(&token)?;
    let at = (origin_of(&request), clock::now());
    let admission = admission(&request)?;
    let turn = admission.turn().await?;
    let signed_in = signed_in(&request, &context, at.1).await?;
    let mut mark = None;
    let joins = match (name, signed_in) {
        (Some(name), _) => {
            let name = name.trim().to_owned();
            let device = device(&request, &context, &admission)?;
            mark = Some(device.mark.clone());
            Joins::New { name, device }
        }
        (None, Some((session, account))) => {
            Joins::Account { account: account.id, name: account.name, session: session.id }
        }
        (None, None) => return Err(Error::Unauthenticated(Unproven::NoSession)),
    };
    let joined = invitations::accept(&context, &shown, joins, at).await;
    drop(turn);
    let begun = joined.inspect_err(|error| {
        if matches!(error, Error::Unauthenticated(_)) {
            admission.refused();
        }
    })?;
    admission.passed();
    let mut response = see(&format!("/organizations/{}", shown.organization()));
    if let Some((token, mark)) = begun.zip(mark) {
        if let Some(before) = cookies::session(request.headers()) {
            sign_in::end_before(&context, &before, at).await?;
        }
        keep(&mut response, &context, (&token, &mark))?;
    }
    Ok(response)
}

async fn signed_in(
    request: &HttpRequest,
    context: &Context,
    now: Timestamp,
) -> Result<Option<(SessionRow, AccountRow)>, Error> {
    match cookies::session(request.headers()) {
        Some(shown) => sign_in::shown_session(context, &shown, now).await,
        None => Ok(None),
    }
}

fn admission(request: &HttpRequest) -> Result<Admission, Error> {
    Admission::of(request).ok_or_else(|| Error::internal("the request passed no gate"))
}
