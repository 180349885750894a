//! `/api/v1/organizations/{organization}/members` and `…/invitations`.

use actix_web::web;
use berth_schema::api::Paged;
use berth_schema::members::{ChangeMember, Invitation, Invite, Invited, Member as Shown};

use super::ListQuery;
use crate::http::answer::Created;
use crate::http::body::Json;
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::{invitations, members};
use crate::{Error, Op};

pub(crate) async fn list(op: Op<Member>, query: Query<ListQuery>) -> Result<web::Json<Paged<Shown>>, Error> {
    members::list(&op, &query.0.page()?).await.map(web::Json)
}

pub(crate) async fn get(op: Op<Member>, (): ()) -> Result<web::Json<Shown>, Error> {
    members::get(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn change(op: Op<Member>, body: Json<ChangeMember>) -> Result<web::Json<Shown>, Error> {
    members::change(&op, op.target(), body.value).await.map(web::Json)
}

pub(crate) async fn remove(op: Op<Member>, (): ()) -> Result<web::Json<Shown>, Error> {
    members::remove(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn invite(op: Op<Member>, body: Json<Invite>) -> Result<Created<web::Json<Invited>>, Error> {
    let invited = invitations::create(&op, &body.value).await?;
    let location = format!("/api/v1/organizations/{}/invitations/{}", op.organization(), invited.details.id);
    Ok(Created { location, answer: web::Json(invited) })
}

pub(crate) async fn invitations(
    op: Op<Member>,
    query: Query<ListQuery>,
) -> Result<web::Json<Paged<Invitation>>, Error> {
    invitations::list(&op, &query.0.page()?).await.map(web::Json)
}

pub(crate) async fn revoke_invitation(op: Op<Member>, (): ()) -> Result<web::Json<Invitation>, Error> {
    invitations::revoke(&op, op.target()).await.map(web::Json)
}
