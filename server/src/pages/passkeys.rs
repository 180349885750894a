//! Passkeys: made, shown, listed and removed. A browser asks for them by a script (`assets/passkey.js`), whose answer goes with a form.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_schema::{AccountId, PasskeyId};
use serde::Deserialize;
use uuid::Uuid;

use super::page::{see, show, show_asking};
use super::sign_in::{device, welcome};
use super::times::{ago, at};
use crate::edge::Admission;
use crate::error::Unproven;
use crate::http::asker::origin_of;
use crate::http::body::Form;
use crate::http::origin::SameOrigin;
use crate::http::query::Query;
use crate::http::{cookies, origin};
use crate::identity::Person;
use crate::services::passkeys::{self as service, Asked, Made, Shown};
use crate::{Context, Error, Op, clock, routes};

#[derive(Template)]
#[template(path = "passkey-sign-in.html")]
struct Ask<'a> {
    title: &'a str,
    why: &'a str,
    action: &'a str,
    asked: Option<Asked>,
}

fn admission(request: &HttpRequest) -> Result<Admission, Error> {
    Admission::of(request).ok_or_else(|| Error::internal("the request passed no gate"))
}

/// Asks whoever signs in. Another site's page does not begin it.
#[expect(clippy::disallowed_methods, reason = "an operation of nobody begins")]
pub(crate) async fn ask_for_passkey(
    request: HttpRequest,
    context: web::Data<Context>,
) -> Result<HttpResponse, Error> {
    if origin::is_from_elsewhere(&request)? {
        return Ok(see("/sign-in"));
    }
    let admission = admission(&request)?;
    let turn = admission.turn().await?;
    let own = origin::own(&request, &context)?;
    let address = Some(admission.address().to_string());
    let asked = service::ask(&context, &own, None, address, clock::now()).await?;
    drop(turn);
    let why = "Your device asks who you are: by a PIN, a finger or a face.";
    show_asking(&Ask { title: "Sign in by a passkey", why, action: "/sign-in/passkey", asked })
}

/// What the script has put in the form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShownForm {
    challenge: String,
    credential: String,
    /// What the authenticator knows its person by: the account, in 16 bytes.
    account: String,
    authenticator_data: String,
    client_data: String,
    signature: String,
}

fn bytes(field: &str, text: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::field(field, "must be base64url without padding"))
}

impl ShownForm {
    fn read(self) -> Result<Shown, Error> {
        Ok(Shown {
            credential: bytes("credential", &self.credential)?,
            authenticator_data: bytes("authenticator_data", &self.authenticator_data)?,
            client_data: bytes("client_data", &self.client_data)?,
            signature: bytes("signature", &self.signature)?,
            challenge: self.challenge,
        })
    }

    fn account(&self) -> Result<AccountId, Error> {
        let id: Option<[u8; 16]> = bytes("account", &self.account)?.try_into().ok();
        let id = id.ok_or(Error::Unauthenticated(Unproven::Passkey))?;
        Ok(AccountId::from_uuid(Uuid::from_bytes(id)))
    }
}

#[expect(clippy::disallowed_methods, reason = "an operation of nobody begins")]
pub(crate) async fn open_by_passkey(
    request: HttpRequest,
    context: web::Data<Context>,
    _: SameOrigin,
    form: Form<ShownForm>,
) -> Result<HttpResponse, Error> {
    let account = form.0.account()?;
    let shown = form.0.read()?;
    let admission = admission(&request)?;
    let turn = admission.turn().await?;
    let own = origin::own(&request, &context)?;
    let before = cookies::session(request.headers());
    let device = device(&request, &context, &admission)?;
    let mark = device.mark.clone();
    let from = (before.as_ref(), device);
    let when = (origin_of(&request), clock::now());
    let signed_in = service::sign_in(&context, (account, &shown), &own, from, when).await;
    drop(turn);
    let token = signed_in.inspect_err(|_| admission.refused())?;
    admission.passed();
    welcome(&request, &context, (&token, &mark))
}

/// Where somebody goes on who has confirmed who they are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct To {
    to: Option<String>,
}

impl To {
    fn page(&self) -> &str {
        self.to.as_deref().filter(|to| routes::is_page(to)).unwrap_or("/passkeys")
    }
}

/// Where somebody confirms who they are, and goes on to that.
pub(super) fn confirm_then(page: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("to", page).finish();
    format!("/confirm?{query}")
}

async fn asked(op: &Op<Person>, request: &HttpRequest) -> Result<Option<Asked>, Error> {
    let own = origin::own(request, &op.context)?;
    let address = Some(admission(request)?.address().to_string());
    service::ask(&op.context, &own, Some(op.who.session), address, op.now).await
}

pub(crate) async fn ask_to_confirm(
    op: Op<Person>,
    (request, query): (HttpRequest, Query<To>),
) -> Result<HttpResponse, Error> {
    let asked = asked(&op, &request).await?;
    let action = confirm_then(query.0.page());
    let why = "Some things need you to be there: your device makes sure, by a PIN, a finger or a face.";
    show_asking(&Ask { title: "Confirm that it is you", why, action: &action, asked })
}

pub(crate) async fn confirm_session(
    op: Op<Person>,
    (request, query, form): (HttpRequest, Query<To>, Form<ShownForm>),
) -> Result<HttpResponse, Error> {
    let own = origin::own(&request, &op.context)?;
    service::confirm(&op, &form.0.read()?, &own).await?;
    Ok(see(query.0.page()))
}

#[derive(Template)]
#[template(path = "passkeys.html")]
struct Passkeys<'a> {
    person: &'a str,
    passkeys: Vec<Passkey>,
}

struct Passkey {
    id: String,
    name: String,
    made: String,
    used: String,
}

pub(crate) async fn passkeys(op: Op<Person>, (): ()) -> Result<HttpResponse, Error> {
    let passkeys = service::list(&op).await?.into_iter().map(|passkey| Passkey {
        id: passkey.id.to_string(),
        name: passkey.name,
        made: at(passkey.created_at),
        used: passkey
            .last_used_at
            .map_or("never used".to_owned(), |used| format!("used {}", ago(used, op.now))),
    });
    show(StatusCode::OK, &Passkeys { person: &op.who.name, passkeys: passkeys.collect() })
}

#[derive(Template)]
#[template(path = "passkey-new.html")]
struct New<'a> {
    person: &'a str,
    account: String,
    /// The ids of those that there are, with a space between.
    known: String,
    asked: Option<Asked>,
}

pub(crate) async fn new_passkey(op: Op<Person>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let known = service::known(&op).await?;
    let known: Vec<_> = known.iter().map(|passkey| URL_SAFE_NO_PAD.encode(&passkey.credential)).collect();
    let page = New {
        person: &op.who.name,
        account: URL_SAFE_NO_PAD.encode(op.who.account.as_uuid().as_bytes()),
        known: known.join(" "),
        asked: asked(&op, &request).await?,
    };
    show_asking(&page)
}

/// What the script has put in the form, and what its person calls it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MadeForm {
    challenge: String,
    name: String,
    authenticator_data: String,
    client_data: String,
}

pub(crate) async fn add_passkey(
    op: Op<Person>,
    (request, form): (HttpRequest, Form<MadeForm>),
) -> Result<HttpResponse, Error> {
    let own = origin::own(&request, &op.context)?;
    let MadeForm { challenge, name, authenticator_data, client_data } = form.0;
    let made = Made {
        authenticator_data: bytes("authenticator_data", &authenticator_data)?,
        client_data: bytes("client_data", &client_data)?,
        challenge,
        name,
    };
    service::add(&op, &made, &own).await?;
    Ok(see("/passkeys"))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    passkey: PasskeyId,
}

pub(crate) async fn remove_passkey(op: Op<Person>, path: web::Path<Path>) -> Result<HttpResponse, Error> {
    service::remove(&op, path.passkey).await?;
    Ok(see("/passkeys"))
}
