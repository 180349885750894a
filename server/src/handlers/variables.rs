//! `/api/v1/organizations/{organization}/variables`, the same below groups, projects and `/me`, and where a workspace's come from.

use actix_web::web;
use berth_schema::api::Paged;
use berth_schema::scope::{RemoveVariable, ScopeVariable, SetVariable, VariableOrigin};
use berth_schema::variables::VariableKind;
use serde::Deserialize;

use crate::error::Sought;
use crate::http::body::Json;
use crate::identity::Member;
use crate::services::variables;
use crate::{Error, Op};

#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    pub(crate) kind: String,
    pub(crate) name: String,
}

pub(crate) async fn set(op: Op<Member>, body: Json<SetVariable>) -> Result<web::Json<ScopeVariable>, Error> {
    variables::set(&op, body.value).await.map(web::Json)
}

pub(crate) async fn list(op: Op<Member>, (): ()) -> Result<web::Json<Paged<ScopeVariable>>, Error> {
    variables::list(&op).await.map(web::Json)
}

pub(crate) async fn delete(op: Op<Member>, path: web::Path<Path>) -> Result<web::Json<ScopeVariable>, Error> {
    let kind: VariableKind = path.kind.parse().map_err(|_| Error::nothing(Sought::KindOfVariable))?;
    variables::delete(&op, kind, &path.name).await.map(web::Json)
}

/// Of what is named in the path, which names nothing else.
pub(crate) async fn remove(
    op: Op<Member>,
    body: Json<RemoveVariable>,
) -> Result<web::Json<ScopeVariable>, Error> {
    variables::delete(&op, body.value.kind, &body.value.name).await.map(web::Json)
}

pub(crate) async fn explain(op: Op<Member>, (): ()) -> Result<web::Json<Paged<VariableOrigin>>, Error> {
    variables::explain(&op, op.target()).await.map(web::Json)
}
