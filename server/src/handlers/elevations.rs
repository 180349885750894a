//! `/api/v1/organizations/{organization}/elevations`, and those of groups and projects.

use actix_web::web;
use berth_schema::api::Paged;
use berth_schema::elevations::{Elevation, RequestElevation};

use super::ListQuery;
use crate::http::answer::Created;
use crate::http::body::Json;
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::elevations;
use crate::{Error, Op};

pub(crate) async fn request(
    op: Op<Member>,
    body: Json<RequestElevation>,
) -> Result<Created<web::Json<Elevation>>, Error> {
    let elevation = elevations::request(&op, &body.value).await?;
    let location = format!("/api/v1/organizations/{}/elevations/{}", op.organization(), elevation.id);
    Ok(Created { location, answer: web::Json(elevation) })
}

pub(crate) async fn list(
    op: Op<Member>,
    query: Query<ListQuery>,
) -> Result<web::Json<Paged<Elevation>>, Error> {
    elevations::list(&op, &query.0.page()?).await.map(web::Json)
}

pub(crate) async fn get(op: Op<Member>, (): ()) -> Result<web::Json<Elevation>, Error> {
    elevations::get(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn approve(op: Op<Member>, (): ()) -> Result<web::Json<Elevation>, Error> {
    elevations::approve(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn refuse(op: Op<Member>, (): ()) -> Result<web::Json<Elevation>, Error> {
    elevations::refuse(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn end(op: Op<Member>, (): ()) -> Result<web::Json<Elevation>, Error> {
    elevations::end(&op, op.target()).await.map(web::Json)
}
