//! `/api/v1/organizations/{organization}/tokens`.

use actix_web::web;
use berth_schema::access::{CreateToken, RevokeToken, RotateToken, Token, TokenCreated, TokenKind};
use berth_schema::api::Paged;
use schemars::JsonSchema;
use serde::Deserialize;

use super::ListQuery;
use crate::http::answer::Created;
use crate::http::body::Json;
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::access;
use crate::services::paging::Limit;
use crate::{Error, Op};

pub(crate) async fn create(
    op: Op<Member>,
    body: Json<CreateToken>,
) -> Result<Created<web::Json<TokenCreated>>, Error> {
    let created = access::create(&op, &body.value).await?;
    let location = format!("/api/v1/organizations/{}/tokens/{}", op.organization(), created.details.id);
    Ok(Created { location, answer: web::Json(created) })
}

/// Which tokens, and which page of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokensQuery {
    #[schemars(with = "Option<Limit>")]
    limit: Option<String>,
    /// The `next` of an earlier page.
    after: Option<String>,
    #[serde(default)]
    kind: TokenKind,
}

pub(crate) async fn list(
    op: Op<Member>,
    query: Query<TokensQuery>,
) -> Result<web::Json<Paged<Token>>, Error> {
    let TokensQuery { limit, after, kind } = query.0;
    access::list(&op, kind, &ListQuery { limit, after }.page()?).await.map(web::Json)
}

pub(crate) async fn get(op: Op<Member>, (): ()) -> Result<web::Json<Token>, Error> {
    access::get(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn rotate(
    op: Op<Member>,
    body: Json<RotateToken>,
) -> Result<web::Json<TokenCreated>, Error> {
    access::rotate(&op, op.target(), &body.value).await.map(web::Json)
}

pub(crate) async fn revoke(op: Op<Member>, body: Json<RevokeToken>) -> Result<web::Json<Token>, Error> {
    access::revoke(&op, op.target(), &body.value).await.map(web::Json)
}
