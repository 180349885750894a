//! Roles for a time: what is asked for, what somebody has, and what was.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use berth_db::PageRequest;
use berth_policy::Resource;
use berth_schema::Action;
use berth_schema::access::Role;
use berth_schema::elevations::{DEFAULT_SECONDS, Elevation, ElevationState, MAX_SECONDS, RequestElevation};
use serde::Deserialize;

use super::frame::{Frame, may, may_to};
use super::page::{came_from, refuse, see, show};
use super::refused::Refused;
use super::times::at;
use super::tree;
use crate::handlers::ListQuery;
use crate::http::body::{Attempt, Kept};
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::elevations;
use crate::{Error, Op};

const HERE: &str = "/elevations";

#[derive(Template)]
#[template(path = "elevations.html")]
struct Elevations<'a> {
    frame: Frame<'a>,
    to_decide: Vec<Row>,
    mine: Vec<Row>,
    before: Vec<Row>,
    next: Option<String>,
    roles: [Role; 5],
    asks: bool,
    minutes: String,
    most: u32,
    refused: Refused,
}

struct Row {
    id: String,
    name: String,
    /// The role, and where.
    what: String,
    reason: String,
    state: ElevationState,
    /// When it ends or ended, and by whom it was decided.
    when: String,
    /// For how long.
    length: String,
    ends: bool,
}

impl Row {
    fn of(one: Elevation, ends: bool) -> Self {
        let by = one.decided_by_name.as_ref().map(|name| format!(", decided by {name}")).unwrap_or_default();
        let when = match (one.state, one.ended_at.or(one.ends_at)) {
            (ElevationState::Pending, _) => format!("to be decided until {}", at(one.decide_by)),
            (ElevationState::Withdrawn, Some(end)) => format!("taken back {}", at(end)),
            (_, Some(end)) => format!("until {}{by}", at(end)),
            (_, None) => format!("asked for {}{by}", at(one.created_at)),
        };
        Self {
            id: one.id.to_string(),
            what: format!("{}{}", one.role, one.place.words()),
            name: one.name,
            reason: one.reason,
            state: one.state,
            when,
            length: length(one.seconds),
            ends,
        }
    }
}

/// In minutes, where it has any.
fn length(seconds: u32) -> String {
    match (seconds / 60, seconds % 60) {
        (1, 0) => "1 minute".to_owned(),
        (minutes, 0) => format!("{minutes} minutes"),
        _ => format!("{seconds} seconds"),
    }
}

async fn listed(op: &Op<Member>, page: PageRequest, refused: Refused) -> Result<Elevations<'_>, Error> {
    let found = elevations::list(op, &page).await?;
    let (mut to_decide, mut mine, mut before) = (Vec::new(), Vec::new(), Vec::new());
    for one in found.items {
        let is_open = matches!(one.state, ElevationState::Pending | ElevationState::Active);
        let may = elevations::may(op, &one).await?;
        let is_mine = one.member == op.who.subject;
        let row = Row::of(one, may.end);
        if may.decide {
            to_decide.push(row);
        } else if is_open && is_mine {
            mine.push(row);
        } else {
            before.push(row);
        }
    }
    let organization = Resource::organization(op.organization());
    let asks = may_to(op, Action::RequestElevation, &organization)
        || op.who.authority.would_step_up(Action::RequestElevation, &organization);
    Ok(Elevations {
        frame: Frame::of(op, HERE),
        to_decide,
        mine,
        before,
        next: found.next,
        roles: Role::ALL,
        asks,
        minutes: refused.typed_or("elevation", "minutes", &(DEFAULT_SECONDS / 60).to_string()).to_owned(),
        most: MAX_SECONDS / 60,
        refused,
    })
}

pub(crate) async fn list(op: Op<Member>, query: Query<ListQuery>) -> Result<HttpResponse, Error> {
    show(StatusCode::OK, &listed(&op, query.0.page()?, Refused::default()).await?)
}

/// What the form sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    role: Role,
    reason: String,
    minutes: String,
}

/// The form speaks of minutes.
fn seconds(minutes: &str) -> Result<u32, Error> {
    let minutes = minutes.trim().parse().ok().filter(|minutes| (1..=MAX_SECONDS / 60).contains(minutes));
    let most = MAX_SECONDS / 60;
    let wrong = || Error::field("minutes", format!("must be a number from 1 to {most}"));
    minutes.map(|minutes: u32| minutes * 60).ok_or_else(wrong)
}

/// Asks where the form's address says.
pub(crate) async fn request(op: Op<Member>, form: Attempt<Wanted>) -> Result<HttpResponse, Error> {
    let ask = async |Wanted { role, reason, minutes }: Wanted| {
        let wanted = RequestElevation { role, reason, seconds: Some(seconds(&minutes)?) };
        elevations::request(&op, &wanted).await
    };
    match form.done("elevation", ask).await? {
        Ok(_) => Ok(see(&here(&op))),
        Err(again) if op.action != Some(Action::RequestElevation) => tree::again(&op, again).await,
        Err((error, refused)) if may(&op, Action::ListElevations) => {
            refuse(error, &listed(&op, ListQuery::default().page()?, refused).await?)
        }
        Err((error, _)) => Err(error),
    }
}

impl Kept for Wanted {}

fn here(op: &Op<Member>) -> String {
    format!("/organizations/{}{HERE}", op.who.organization_name)
}

pub(crate) async fn approve(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    elevations::approve(&op, op.target()).await?;
    Ok(see(&here(&op)))
}

pub(crate) async fn decline(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    elevations::refuse(&op, op.target()).await?;
    Ok(see(&here(&op)))
}

/// The button is on every page: whoever presses it stays there.
pub(crate) async fn end(op: Op<Member>, request: HttpRequest) -> Result<HttpResponse, Error> {
    elevations::end(&op, op.target()).await?;
    Ok(see(&came_from(&request).unwrap_or_else(|| here(&op))))
}
