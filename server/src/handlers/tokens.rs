//! `/api/v1/organizations/{organization}/tokens`.

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use berth_schema::access::{CreateToken, RevokeToken, RotateToken, Token, TokenCreated};
use berth_schema::api::Paged;
use serde::Deserialize;

use super::ListQuery;
use crate::http::body::Json;
use crate::http::identity::{Administrator, As};
use crate::http::query::Query;
use crate::services::access;
use crate::{Context, Error};

/// The names in the path; the organisation was checked with the identity.
#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    token: String,
}

pub(crate) async fn create(
    context: web::Data<Context>,
    As { who, rest: body }: As<Administrator, Json<CreateToken>>,
) -> Result<HttpResponse, Error> {
    let created = access::create(&context, &who, &body.value).await?;
    let location = format!("/api/v1/organizations/{}/tokens/{}", who.organization, created.details.id);
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(created))
}

pub(crate) async fn list(
    context: web::Data<Context>,
    As { who, rest: query }: As<Administrator, Query<ListQuery>>,
) -> Result<web::Json<Paged<Token>>, Error> {
    access::list(&context, &who, &query.0.page()?).await.map(web::Json)
}

pub(crate) async fn get(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<Path>,
) -> Result<web::Json<Token>, Error> {
    access::get(&context, &who, &path.token).await.map(web::Json)
}

pub(crate) async fn rotate(
    context: web::Data<Context>,
    path: web::Path<Path>,
    As { who, rest: body }: As<Administrator, Json<RotateToken>>,
) -> Result<web::Json<TokenCreated>, Error> {
    access::rotate(&context, &who, &path.token, &body.value).await.map(web::Json)
}

pub(crate) async fn revoke(
    context: web::Data<Context>,
    path: web::Path<Path>,
    As { who, rest: body }: As<Administrator, Json<RevokeToken>>,
) -> Result<web::Json<Token>, Error> {
    access::revoke(&context, &who, &path.token, &body.value).await.map(web::Json)
}
