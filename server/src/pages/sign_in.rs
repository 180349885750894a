//! Signing in.

use actix_web::http::StatusCode;
use actix_web::http::header::{SET_COOKIE, USER_AGENT};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use berth_schema::{SessionToken, SignInToken, Text};
use serde::Deserialize;

use super::page::{see, show};
use crate::edge::Admission;
use crate::error::Unproven;
use crate::http::asker::origin_of;
use crate::http::body::Form;
use crate::http::cookies;
use crate::http::origin::SameOrigin;
use crate::http::query::Query;
use crate::services::openid::{self, Listed};
use crate::services::sign_in::{self, Device, DeviceMark};
use crate::{Context, Error, clock, routes};

#[derive(Template)]
#[template(path = "sign-in.html")]
struct Ask {
    providers: Vec<Listed>,
}

#[derive(Template)]
#[template(path = "sign-in-link.html")]
struct Confirm<'a> {
    token: &'a str,
}

/// A link's token, in the link and in the form that it leads to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shown {
    token: String,
}

impl Shown {
    fn parse(&self) -> Result<SignInToken, Error> {
        self.token.parse().map_err(|_| Error::Unauthenticated(Unproven::UnknownLink))
    }
}

pub(crate) async fn ask(request: HttpRequest, context: web::Data<Context>) -> Result<HttpResponse, Error> {
    let admission = Admission::of(&request).ok_or_else(|| Error::internal("the request passed no gate"))?;
    let turn = admission.turn().await?;
    let providers = openid::listed(&context).await?;
    drop(turn);
    show(StatusCode::OK, &Ask { providers })
}

/// Where a link leads: a form. What looks at links before people do (mail scanners, previews of chats) follows them, and opens
/// nothing here.
pub(crate) async fn confirm(query: Query<Shown>) -> Result<HttpResponse, Error> {
    let token = query.0.parse()?;
    show(StatusCode::OK, &Confirm { token: token.expose() })
}

#[expect(clippy::disallowed_methods, reason = "an operation of nobody begins")]
pub(crate) async fn open(
    request: HttpRequest,
    context: web::Data<Context>,
    _: SameOrigin,
    form: Form<Shown>,
) -> Result<HttpResponse, Error> {
    let shown = form.0.parse()?;
    let admission = Admission::of(&request).ok_or_else(|| Error::internal("the request passed no gate"))?;
    let turn = admission.turn().await?;
    let device = device(&request, &context, &admission)?;
    let mark = device.mark.clone();
    let before = cookies::session(request.headers());
    let at = (origin_of(&request), clock::now());
    let signed_in = sign_in::by_link(&context, &shown, before.as_ref(), device, at).await;
    drop(turn);
    let token = signed_in.inspect_err(|_| admission.refused())?;
    admission.passed();
    welcome(&request, &context, (&token, &mark))
}

/// Where the request comes from.
pub(super) fn device(
    request: &HttpRequest,
    context: &Context,
    admission: &Admission,
) -> Result<Device, Error> {
    let user_agent = request.headers().get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let mark = match cookies::device(request.headers()) {
        Some(mark) => mark,
        None => DeviceMark::new(context.random.as_ref())?,
    };
    Ok(Device {
        address: Some(admission.address().to_string()),
        user_agent: user_agent
            .map(|text| Text::<300>::new(&text).to_string())
            .filter(|text| !text.is_empty()),
        mark,
    })
}

/// Gives the browser its session, and that by which it is known again.
pub(super) fn keep(
    response: &mut HttpResponse,
    context: &Context,
    (token, mark): (&SessionToken, &DeviceMark),
) -> Result<(), Error> {
    for cookie in [cookies::keep(token, context.sessions.absolute)?, cookies::keep_device(mark)?] {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(())
}

/// Gives the browser its session, and leads it to what somebody wanted to see.
pub(super) fn welcome(
    request: &HttpRequest,
    context: &Context,
    (token, mark): (&SessionToken, &DeviceMark),
) -> Result<HttpResponse, Error> {
    let wanted = cookies::wanted(request.headers()).filter(|wanted| routes::is_page(wanted));
    let mut response = see(wanted.as_deref().unwrap_or("/workspaces"));
    keep(&mut response, context, (token, mark))?;
    if wanted.is_some() {
        response.headers_mut().append(SET_COOKIE, cookies::forget_return()?);
    }
    Ok(response)
}
