//! Letting a command line in.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use super::page::{policy, see, show};
use super::times::ago;
use crate::http::body::Form;
use crate::http::origin;
use crate::http::query::Query;
use crate::identity::Person;
use crate::services::connections::{self, AskedByProxy};
use crate::services::login::{self, Asked, Decision};
use crate::{Error, Op};

#[derive(Template)]
#[template(path = "device.html")]
struct Device<'a> {
    person: &'a str,
    /// What was typed, and leads to nothing.
    unknown: bool,
}

#[derive(Template)]
#[template(path = "device-confirm.html")]
struct Confirm<'a> {
    person: &'a str,
    user_code: &'a str,
    device: &'a str,
    address: &'a str,
    asked: String,
}

#[derive(Template)]
#[template(path = "device-decided.html")]
struct Decided<'a> {
    person: &'a str,
    allowed: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceQuery {
    user_code: Option<String>,
}

pub(crate) async fn device(op: Op<Person>, query: Query<DeviceQuery>) -> Result<HttpResponse, Error> {
    let person = op.who.name.as_str();
    let Some(code) = query.0.user_code.filter(|code| !code.trim().is_empty()) else {
        return show(StatusCode::OK, &Device { person, unknown: false });
    };
    let Some(found) = login::look_at(&op, &code).await? else {
        return show(StatusCode::NOT_FOUND, &Device { person, unknown: true });
    };
    let (one, two) = found.user_code.split_at_checked(4).unwrap_or((&found.user_code, ""));
    let page = Confirm {
        person,
        user_code: &format!("{one}-{two}"),
        device: &found.device_name,
        address: found.address.as_deref().unwrap_or("an unknown address"),
        asked: ago(found.created_at, op.now),
    };
    show(StatusCode::OK, &page)
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Allow,
    Refuse,
}

impl From<Answer> for Decision {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Allow => Self::Allow,
            Answer::Refuse => Self::Refuse,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceForm {
    user_code: String,
    decision: Answer,
}

pub(crate) async fn decide_device(op: Op<Person>, form: Form<DeviceForm>) -> Result<HttpResponse, Error> {
    let person = op.who.name.as_str();
    let decision = form.0.decision.into();
    if !login::decide(&op, &form.0.user_code, decision).await? {
        return show(StatusCode::NOT_FOUND, &Device { person, unknown: true });
    }
    show(StatusCode::OK, &Decided { person, allowed: decision == Decision::Allow })
}

/// What a command line of this machine asks for, in the query of its link and in the form of the page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorizeQuery {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    code_challenge: String,
    code_challenge_method: String,
    state: String,
    #[serde(default)]
    device_name: String,
    /// In the form alone.
    decision: Option<Answer>,
}

impl AuthorizeQuery {
    /// Where it is the proxy of an agent that asks.
    fn by_proxy(&self) -> Option<Result<AskedByProxy, Error>> {
        let challenge = (self.code_challenge.as_str(), self.code_challenge_method.as_str());
        let asked = AskedByProxy::of(&self.client_id, &self.redirect_uri, challenge, &self.state)?;
        Some(self.check_type().and(asked))
    }

    fn check_type(&self) -> Result<(), Error> {
        let is_code = self.response_type == "code";
        is_code.then_some(()).ok_or_else(|| Error::field("response_type", "must be 'code'"))
    }

    fn check(&self) -> Result<Asked, Error> {
        self.check_type()?;
        let challenge = (self.code_challenge.as_str(), self.code_challenge_method.as_str());
        Asked::of(&self.client_id, &self.redirect_uri, challenge, &self.state, &self.device_name)
    }
}

#[derive(Template)]
#[template(path = "authorize.html")]
struct Authorize<'a> {
    person: &'a str,
    device: &'a str,
    query: &'a AuthorizeQuery,
}

/// Leads on to a workspace's host: not by a redirect, which the policy of the page with the sign-in's form would be held against.
#[derive(Template)]
#[template(path = "lead-on.html")]
struct LeadOn<'a> {
    person: &'a str,
    host: &'a str,
    url: &'a str,
}

pub(crate) async fn authorize(
    op: Op<Person>,
    (request, query): (HttpRequest, Query<AuthorizeQuery>),
) -> Result<HttpResponse, Error> {
    if let Some(asked) = query.0.by_proxy() {
        let asked = asked?;
        let url = connections::lead_on(&op, &asked, &origin::own(&request, &op.context)?).await?;
        let page = LeadOn { person: &op.who.name, host: asked.host(), url: url.as_str() };
        return show(StatusCode::OK, &page);
    }
    let asked = query.0.check()?;
    let page = Authorize { person: &op.who.name, device: &asked.device_name, query: &query.0 };
    let mut response = show(StatusCode::OK, &page)?;
    // The form's answer leads there, which browsers hold against the policy of the page that the form is on.
    let policy = policy(&format!("'self' {}", asked.redirect_uri.origin().ascii_serialization()));
    let policy = HeaderValue::from_str(&policy).map_err(Error::internal)?;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

pub(crate) async fn decide_authorize(
    op: Op<Person>,
    (request, form): (HttpRequest, Form<AuthorizeQuery>),
) -> Result<HttpResponse, Error> {
    let asked = form.0.check()?;
    // Who it is that answers: as the command line knows it.
    let issuer = &origin::own(&request, &op.context)?;
    let back = match form.0.decision {
        Some(Answer::Allow) => asked.back(issuer, ("code", login::allow(&op, &asked).await?.expose())),
        Some(Answer::Refuse) => {
            login::refuse(&op).await?;
            asked.back(issuer, ("error", "access_denied"))
        }
        None => return Err(Error::field("decision", "must be 'allow' or 'refuse'")),
    };
    Ok(see(back.as_str()))
}
