//! `/api/v1/organizations/{organization}/variables`, and where a workspace's come from.

use actix_web::web;
use berth_schema::api::Paged;
use berth_schema::scope::{ScopeVariable, SetVariable, VariableOrigin};
use berth_schema::variables::VariableKind;
use serde::Deserialize;

use crate::http::body::Json;
use crate::http::identity::{Administrator, As};
use crate::services::variables;
use crate::{Context, Error};

#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    kind: String,
    name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WorkspacePath {
    workspace: String,
}

pub(crate) async fn set(
    context: web::Data<Context>,
    As { who, rest: body }: As<Administrator, Json<SetVariable>>,
) -> Result<web::Json<ScopeVariable>, Error> {
    variables::set(&context, &who, body.value).await.map(web::Json)
}

pub(crate) async fn list(
    context: web::Data<Context>,
    who: Administrator,
) -> Result<web::Json<Paged<ScopeVariable>>, Error> {
    variables::list(&context, &who).await.map(web::Json)
}

pub(crate) async fn delete(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<Path>,
) -> Result<web::Json<ScopeVariable>, Error> {
    let kind: VariableKind =
        path.kind.parse().map_err(|_| Error::NotFound("kind of variable: it is 'environment' or 'file'"))?;
    variables::delete(&context, &who, kind, &path.name).await.map(web::Json)
}

pub(crate) async fn explain(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<WorkspacePath>,
) -> Result<web::Json<Paged<VariableOrigin>>, Error> {
    variables::explain(&context, &who, &path.workspace).await.map(web::Json)
}
