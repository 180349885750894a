//! What a person sees of themselves: their organisations and their sessions.

use actix_web::http::StatusCode;
use actix_web::http::header::SET_COOKIE;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use berth_db::SessionRow;
use berth_schema::{OrganizationName, SessionId};
use serde::Deserialize;

use super::page::{see, show};
use super::times::{ago, at};
use crate::http::cookies;
use crate::identity::Person;
use crate::services::sessions::{self as service, Overview};
use crate::{Error, Op};

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    person: &'a str,
    new_device: Option<String>,
    organizations: Vec<Membership>,
}

struct Membership {
    name: String,
    role: String,
    is_suspended: bool,
}

pub(crate) async fn home(op: Op<Person>, (): ()) -> Result<HttpResponse, Error> {
    let organizations = service::memberships(&op).await?.into_iter();
    let organizations = organizations.map(|(organization, membership)| Membership {
        name: organization.name.to_string(),
        role: membership.role.to_string(),
        is_suspended: membership.suspended_at.is_some(),
    });
    let new_device = op.who.new_device_at.map(at);
    show(StatusCode::OK, &Home { person: &op.who.name, new_device, organizations: organizations.collect() })
}

/// To the workspaces of the one organisation that somebody is in; who is in several chooses.
pub(crate) async fn to_workspaces(op: Op<Person>, (): ()) -> Result<HttpResponse, Error> {
    Ok(match open(&op).await?.as_slice() {
        [only] => see(&format!("/organizations/{only}/workspaces")),
        _ => see("/"),
    })
}

#[derive(Template)]
#[template(path = "choose.html")]
struct Choose<'a> {
    person: &'a str,
    query: &'a str,
    organizations: Vec<String>,
}

/// From a link that suggests a workspace to the form: of the one organisation that somebody is in, or of the one that they choose.
pub(crate) async fn to_new(op: Op<Person>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let query = request.query_string();
    let organizations = open(&op).await?;
    match organizations.as_slice() {
        [] => Ok(see("/")),
        [only] => Ok(see(&format!("/organizations/{only}/new?{query}"))),
        several => {
            let organizations = several.iter().map(OrganizationName::to_string).collect();
            show(StatusCode::OK, &Choose { person: &op.who.name, query, organizations })
        }
    }
}

/// The organisations that somebody is in and not suspended.
async fn open(op: &Op<Person>) -> Result<Vec<OrganizationName>, Error> {
    let all = service::memberships(op).await?.into_iter();
    let open = all.filter(|(_, membership)| membership.suspended_at.is_none());
    Ok(open.map(|(organization, _)| organization.name).collect())
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct Sessions<'a> {
    person: &'a str,
    going_on: Vec<Session>,
    /// Those by which a device came that is not known as theirs.
    new_devices: Vec<Session>,
    /// What they say of those counts.
    is_known: bool,
    /// How often somebody was not let in as them, and when that was the last time.
    failed: Option<(i64, String)>,
}

struct Session {
    id: String,
    is_this: bool,
    is_over: bool,
    method: String,
    user_agent: String,
    address: String,
    began: String,
    used: String,
    ends: String,
    latest: String,
}

impl Session {
    fn of(session: SessionRow, op: &Op<Person>) -> Self {
        let (ends, latest) = service::ends(&session, &op.context.sessions);
        Self {
            id: session.id.to_string(),
            is_this: session.id == op.who.session,
            is_over: session.ended_at.is_some() || ends <= op.now,
            began: at(session.created_at),
            used: ago(session.last_used_at, op.now),
            ends: at(ends),
            latest: at(latest),
            method: match session.method.as_str() {
                _ if session.is_of_an_ssh_key() => "an SSH key".to_owned(),
                "openid" => "an identity provider".to_owned(),
                "invitation" => "an invitation".to_owned(),
                other => format!("a {other}"),
            },
            user_agent: session.user_agent.unwrap_or_else(|| "an unnamed browser".to_owned()),
            address: session.address.unwrap_or_else(|| "an unknown address".to_owned()),
        }
    }
}

pub(crate) async fn sessions(op: Op<Person>, (): ()) -> Result<HttpResponse, Error> {
    let Overview { sessions, new_devices, is_known, account } = service::overview(&op).await?;
    let show_all = |all: Vec<SessionRow>| all.into_iter().map(|session| Session::of(session, &op)).collect();
    let page = Sessions {
        person: &op.who.name,
        going_on: show_all(sessions),
        new_devices: show_all(new_devices),
        is_known,
        failed: account.failed_sign_in_at.map(|last| (account.failed_sign_ins, at(last))),
    };
    show(StatusCode::OK, &page)
}

#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    session: SessionId,
}

pub(crate) async fn end_session(op: Op<Person>, path: web::Path<Path>) -> Result<HttpResponse, Error> {
    service::end(&op, path.session).await?;
    if path.session == op.who.session { signed_out() } else { Ok(see("/sessions")) }
}

pub(crate) async fn know_device(op: Op<Person>, path: web::Path<Path>) -> Result<HttpResponse, Error> {
    service::know_device(&op, path.session).await?;
    Ok(see("/sessions"))
}

pub(crate) async fn end_other_sessions(op: Op<Person>, (): ()) -> Result<HttpResponse, Error> {
    service::end_others(&op).await?;
    Ok(see("/sessions"))
}

pub(crate) async fn sign_out(op: Op<Person>, (): ()) -> Result<HttpResponse, Error> {
    let provider = service::provider(&op).await?;
    service::end(&op, op.who.session).await?;
    match provider {
        Some(provider) => forgotten(see(&format!("/signed-out?provider={provider}"))),
        None => signed_out(),
    }
}

fn signed_out() -> Result<HttpResponse, Error> {
    forgotten(see("/sign-in"))
}

/// The browser forgets its session.
fn forgotten(mut response: HttpResponse) -> Result<HttpResponse, Error> {
    response.headers_mut().insert(SET_COOKIE, cookies::forget()?);
    Ok(response)
}
