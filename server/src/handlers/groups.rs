//! `/api/v1/organizations/{organization}/groups`, and who is what there and at projects.

use actix_web::{HttpRequest, web};
use berth_schema::api::Paged;
use berth_schema::groups::{ChangeGroup, CreateGroup, GiveRole, GivenRole, Group, TakeRole};

use super::{ListQuery, idempotency};
use crate::http::answer::{Created, Made};
use crate::http::body::Json;
use crate::http::headers::IdempotencyKey;
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::{grants, groups};
use crate::{Error, Op};

pub(crate) async fn create(
    op: Op<Member>,
    (request, key, body): (HttpRequest, IdempotencyKey, Json<CreateGroup>),
) -> Result<Made<web::Json<Group>>, Error> {
    let idempotency = idempotency(&request, &op, key, &body.bytes)?;
    let group = groups::create(&op, body.value, idempotency.as_ref()).await?;
    Ok(Made::of(group, |group| Created {
        location: format!("/api/v1/organizations/{}/groups/{}", op.organization(), group.id),
        answer: web::Json(group),
    }))
}

pub(crate) async fn list(op: Op<Member>, query: Query<ListQuery>) -> Result<web::Json<Paged<Group>>, Error> {
    groups::list(&op, &query.0.page()?).await.map(web::Json)
}

pub(crate) async fn get(op: Op<Member>, (): ()) -> Result<web::Json<Group>, Error> {
    groups::get(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn change(op: Op<Member>, body: Json<ChangeGroup>) -> Result<web::Json<Group>, Error> {
    groups::change(&op, op.target(), &body.value).await.map(web::Json)
}

pub(crate) async fn delete(op: Op<Member>, (): ()) -> Result<web::Json<Group>, Error> {
    groups::delete(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn members(
    op: Op<Member>,
    query: Query<ListQuery>,
) -> Result<web::Json<Paged<GivenRole>>, Error> {
    grants::list(&op, &query.0.page()?).await.map(web::Json)
}

pub(crate) async fn give_role(op: Op<Member>, body: Json<GiveRole>) -> Result<web::Json<GivenRole>, Error> {
    grants::give(&op, &body.value).await.map(web::Json)
}

pub(crate) async fn take_role(op: Op<Member>, body: Json<TakeRole>) -> Result<web::Json<GivenRole>, Error> {
    grants::take(&op, &body.value).await.map(web::Json)
}
