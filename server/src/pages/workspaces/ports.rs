//! The ports of a workspace: which are open, and whom they are shared with.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use berth_schema::ports::{
    ClosePort, DEFAULT_OPEN_MINUTES, DEFAULT_SHARE_MINUTES, MAX_OPEN_MINUTES, MAX_PUBLIC_MINUTES,
    MAX_SHARE_MINUTES, OpenPort, Port, PublishPort, SharePort, ShareWith, SharedWith, Shut, UnsharePort,
};
use berth_schema::{Action, DesiredState, PortName};
use serde::Deserialize;

use super::one::does;
use crate::http::body::{Attempt, Form, Kept};
use crate::identity::Member;
use crate::pages::frame::Frame;
use crate::pages::page::{refuse, see, show};
use crate::pages::refused::Refused;
use crate::pages::times::at;
use crate::services::{ports, workspaces};
use crate::{Error, Op};

#[derive(Template)]
#[template(path = "workspaces/ports.html")]
struct Ports<'a> {
    frame: Frame<'a>,
    workspace: String,
    base: String,
    rows: Vec<Row>,
    may_share: bool,
    may_publish: bool,
    may_unshare: bool,
    /// For whoever may open one, while the workspace runs: what is opened ends with that.
    opening: Option<Hours>,
    hours: u32,
    most_hours: u32,
    most_public_hours: u32,
    refused: Refused,
}

struct Row {
    port: Port,
    opened: Option<OpenedUntil>,
    shares: Vec<Share>,
}

/// How long, where nothing is said, and at most.
struct Hours {
    usual: u32,
    most: u32,
}

/// That it is there by having been opened.
struct OpenedUntil {
    until: String,
    may_close: bool,
    /// Why it lets nobody in now.
    shut: Option<&'static str>,
}

/// A share, with what its form sends to end it.
struct Share {
    with: String,
    until: String,
    /// Why it lets nobody in now.
    shut: Option<&'static str>,
    kind: &'static str,
    whom: String,
}

fn row(port: Port, may_close: bool) -> Row {
    let shares = port.shares.iter().map(|share| {
        let (kind, whom, with) = match &share.with {
            SharedWith::User(who) => ("user", who.id.to_string(), who.name.clone()),
            SharedWith::Group(group) => {
                let name = group.path.as_ref().map_or_else(|| group.id.to_string(), ToString::to_string);
                ("group", group.id.to_string(), format!("Group {name}"))
            }
            SharedWith::Organization => ("organization", String::new(), "The whole organization".to_owned()),
            SharedWith::Public => ("public", String::new(), "Whoever has its address".to_owned()),
        };
        Share { with, until: at(share.expires_at), shut: share.shut.map(Shut::words), kind, whom }
    });
    let opened = port.opened.map(|opened| {
        let (until, shut) = (at(opened.expires_at), opened.shut.map(Shut::words));
        OpenedUntil { until, may_close, shut }
    });
    Row { shares: shares.collect(), opened, port }
}

async fn page(op: &Op<Member>, refused: Refused) -> Result<Ports<'_>, Error> {
    let workspace = workspaces::get(op, op.target()).await?;
    let runs = workspace.desired_state == DesiredState::Running;
    let workspace = workspace.name.to_string();
    let found = ports::list(op, op.target()).await?;
    let may_close = does(op, Action::ClosePort);
    Ok(Ports {
        frame: Frame::of(op, "/workspaces"),
        base: format!("/organizations/{}/workspaces/{workspace}", op.who.organization_name),
        workspace,
        rows: found.items.into_iter().map(|port| row(port, may_close)).collect(),
        may_share: does(op, Action::SharePort),
        may_publish: does(op, Action::PublishPort),
        may_unshare: does(op, Action::UnsharePort),
        opening: (runs && does(op, Action::OpenPort))
            .then_some(Hours { usual: DEFAULT_OPEN_MINUTES / 60, most: MAX_OPEN_MINUTES / 60 }),
        hours: DEFAULT_SHARE_MINUTES / 60,
        most_hours: MAX_SHARE_MINUTES / 60,
        most_public_hours: MAX_PUBLIC_MINUTES / 60,
        refused,
    })
}

pub(crate) async fn all(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    show(StatusCode::OK, &page(&op, Refused::default()).await?)
}

/// What the form of a share sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    port: u16,
    kind: Kind,
    #[serde(default)]
    whom: String,
    hours: String,
}

impl Kept for Wanted {}

/// With whom: the form has one field for its name.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    User,
    Group,
    Organization,
    Public,
}

impl Kind {
    fn with(self, whom: &str) -> ShareWith {
        let whom = whom.trim().to_owned();
        match self {
            Self::User => ShareWith::User(whom),
            Self::Group => ShareWith::Group(whom),
            Self::Organization => ShareWith::Organization,
            Self::Public => ShareWith::Public,
        }
    }
}

/// The form speaks of hours.
fn minutes(hours: &str, most: u32) -> Result<u32, Error> {
    let hours = hours.trim().parse::<u32>().ok().filter(|hours| (1..=most / 60).contains(hours));
    let wrong = || Error::field("hours", format!("must be a number from 1 to {}", most / 60));
    hours.map(|hours| hours * 60).ok_or_else(wrong)
}

pub(crate) async fn share(op: Op<Member>, form: Attempt<Wanted>) -> Result<HttpResponse, Error> {
    let share = async |Wanted { port, kind, whom, hours }: Wanted| {
        let minutes = minutes(&hours, MAX_SHARE_MINUTES)?;
        ports::share(&op, op.target(), &SharePort { port, with: kind.with(&whom), minutes }).await
    };
    match form.done("share", share).await? {
        Ok(_) => Ok(see(&here(&op).await?)),
        Err((error, refused)) => refuse(error, &page(&op, refused).await?),
    }
}

/// What the form that makes a port public sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Published {
    port: u16,
    hours: String,
}

impl Kept for Published {}

pub(crate) async fn publish(op: Op<Member>, form: Attempt<Published>) -> Result<HttpResponse, Error> {
    let publish = async |Published { port, hours }: Published| {
        let minutes = minutes(&hours, MAX_PUBLIC_MINUTES)?;
        ports::publish(&op, op.target(), &PublishPort { port, minutes }).await
    };
    match form.done("publish", publish).await? {
        Ok(_) => Ok(see(&here(&op).await?)),
        Err((error, refused)) => refuse(error, &page(&op, refused).await?),
    }
}

/// What the button at a share sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unwanted {
    port: u16,
    kind: Kind,
    #[serde(default)]
    whom: String,
}

pub(crate) async fn unshare(op: Op<Member>, form: Form<Unwanted>) -> Result<HttpResponse, Error> {
    let Unwanted { port, kind, whom } = form.0;
    let with = Some(kind.with(&whom));
    ports::unshare(&op, op.target(), &UnsharePort { port, with }).await?;
    Ok(see(&here(&op).await?))
}

/// What the form that opens a port sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unopened {
    port: String,
    #[serde(default)]
    name: String,
    hours: String,
}

impl Kept for Unopened {}

pub(crate) async fn open(op: Op<Member>, form: Attempt<Unopened>) -> Result<HttpResponse, Error> {
    let open = async |Unopened { port, name, hours }: Unopened| {
        let port = port.trim().parse();
        let port = port.map_err(|_| Error::field("port", "must be a number from 1 to 65535"))?;
        let name = Some(name.trim()).filter(|name| !name.is_empty()).map(PortName::new).transpose();
        let name = name.map_err(|error| Error::field("name", error.to_string()))?;
        let minutes = minutes(&hours, MAX_OPEN_MINUTES)?;
        ports::open(&op, op.target(), &OpenPort { port, name, minutes }).await
    };
    match form.done("open", open).await? {
        Ok(_) => Ok(see(&here(&op).await?)),
        Err((error, refused)) => refuse(error, &page(&op, refused).await?),
    }
}

pub(crate) async fn close(op: Op<Member>, form: Form<ClosePort>) -> Result<HttpResponse, Error> {
    ports::close(&op, op.target(), form.0).await?;
    Ok(see(&here(&op).await?))
}

async fn here(op: &Op<Member>) -> Result<String, Error> {
    let name = workspaces::get(op, op.target()).await?.name;
    Ok(format!("/organizations/{}/workspaces/{name}/ports", op.who.organization_name))
}
