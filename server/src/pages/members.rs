//! Who belongs to an organisation, and who is invited.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use berth_db::PageRequest;
use berth_policy::Resource;
use berth_schema::access::Role;
use berth_schema::api::Paged;
use berth_schema::members::{ChangeMember, InvitationState, Invite};
use berth_schema::{Action, ResourceKind};
use serde::Deserialize;

use super::frame::{Frame, may, may_to};
use super::page::{refuse, see, show};
use super::refused::Refused;
use super::times::at;
use crate::handlers::ListQuery;
use crate::http::body::{Attempt, Form, Kept};
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::{invitations, members};
use crate::{Error, Op};

const HERE: &str = "/members";

#[derive(Template)]
#[template(path = "members.html")]
struct Members<'a> {
    frame: Frame<'a>,
    rows: Vec<Row>,
    next: Option<String>,
    roles: [Role; 5],
    invites: bool,
}

struct Row {
    id: String,
    name: String,
    kind: &'static str,
    role: Role,
    joined: String,
    suspended: Option<String>,
    /// What they are for a time, and until when.
    elevated: Vec<String>,
    is_me: bool,
    changes: bool,
    removes: bool,
}

pub(crate) async fn list(op: Op<Member>, query: Query<ListQuery>) -> Result<HttpResponse, Error> {
    let page = members::list(&op, &query.0.page()?).await?;
    let rows = page.items.into_iter().map(|member| {
        let thing = Resource::new(ResourceKind::Member, member.id.to_string(), op.organization());
        let is_me = member.id == op.who.subject;
        Row {
            id: member.id.to_string(),
            kind: if member.signs_in { "person" } else { "tokens alone" },
            role: member.role,
            joined: at(member.created_at),
            suspended: member.suspended_at.map(at),
            elevated: member
                .elevations
                .iter()
                .map(|one| format!("{}{} until {}", one.role, one.place.words(), at(one.ends_at)))
                .collect(),
            is_me,
            changes: !is_me && may_to(&op, Action::ChangeMember, &thing),
            removes: !is_me && may_to(&op, Action::RemoveMember, &thing),
            name: member.name,
        }
    });
    let rows = rows.collect();
    let invites = may(&op, Action::ListInvitations);
    show(
        StatusCode::OK,
        &Members { frame: Frame::of(&op, HERE), rows, next: page.next, roles: Role::ALL, invites },
    )
}

/// What the form of one member sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changed {
    role: Option<Role>,
    suspended: Option<bool>,
}

pub(crate) async fn change(op: Op<Member>, form: Form<Changed>) -> Result<HttpResponse, Error> {
    let Changed { role, suspended } = form.0;
    members::change(&op, op.target(), ChangeMember { role, suspended }).await?;
    Ok(see(&format!("/organizations/{}{HERE}", op.who.organization_name)))
}

pub(crate) async fn remove(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    members::remove(&op, op.target()).await?;
    Ok(see(&format!("/organizations/{}{HERE}", op.who.organization_name)))
}

#[derive(Template)]
#[template(path = "invitations.html")]
struct Invitations<'a> {
    frame: Frame<'a>,
    rows: Vec<Invited>,
    next: Option<String>,
    roles: [Role; 5],
    invites: bool,
    /// What was made just now: whom it is for, and its link, which is shown this once.
    made: Option<(String, String)>,
    refused: Refused,
}

struct Invited {
    id: String,
    name: String,
    role: Role,
    state: InvitationState,
    /// It is open, and whoever looks may take it back.
    revokes: bool,
    ends: String,
}

async fn invited<'a>(op: &'a Op<Member>, page: &PageRequest) -> Result<Invitations<'a>, Error> {
    // Whoever may invite, and not look at who is invited, sees none.
    let found = if may(op, Action::ListInvitations) {
        invitations::list(op, page).await?
    } else {
        Paged { items: Vec::new(), next: None }
    };
    let rows = found.items.into_iter().map(|invitation| {
        let id = invitation.id.to_string();
        let thing = Resource::new(ResourceKind::Invitation, id.clone(), op.organization());
        let is_open = invitation.state == InvitationState::Open;
        Invited {
            id,
            name: invitation.name,
            role: invitation.role,
            revokes: is_open && may_to(op, Action::RevokeInvitation, &thing),
            state: invitation.state,
            ends: at(invitation.expires_at),
        }
    });
    Ok(Invitations {
        rows: rows.collect(),
        next: found.next,
        roles: Role::ALL,
        invites: may(op, Action::Invite),
        made: None,
        refused: Refused::default(),
        frame: Frame::of(op, HERE),
    })
}

pub(crate) async fn invitations(op: Op<Member>, query: Query<ListQuery>) -> Result<HttpResponse, Error> {
    show(StatusCode::OK, &invited(&op, &query.0.page()?).await?)
}

/// The link is on this page and nowhere else: it is not led away from.
pub(crate) async fn invite(op: Op<Member>, form: Attempt<Invite>) -> Result<HttpResponse, Error> {
    let first = ListQuery::default().page()?;
    match form.done("invitation", async |form| invitations::create(&op, &form).await).await? {
        Ok(made) => {
            let made = Some((made.details.name, made.link));
            show(StatusCode::OK, &Invitations { made, ..invited(&op, &first).await? })
        }
        Err((error, refused)) => refuse(error, &Invitations { refused, ..invited(&op, &first).await? }),
    }
}

impl Kept for Invite {}

pub(crate) async fn revoke_invitation(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    invitations::revoke(&op, op.target()).await?;
    Ok(see(&format!("/organizations/{}/invitations", op.who.organization_name)))
}
