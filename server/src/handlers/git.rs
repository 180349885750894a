//! `/api/v1/organizations/{organization}/git-credentials`, and the keys that Git hosts verify signed tokens with.

use actix_web::web;
use berth_schema::api::Paged;
use berth_schema::git::{GitCredential, SetGitCredential};
use serde::Deserialize;

use crate::crypto::Jwks;
use crate::http::body::Json;
use crate::http::identity::{Administrator, As};
use crate::services::git;
use crate::{Context, Error};

#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    host: String,
}

pub(crate) async fn set(
    context: web::Data<Context>,
    path: web::Path<Path>,
    As { who, rest: body }: As<Administrator, Json<SetGitCredential>>,
) -> Result<web::Json<GitCredential>, Error> {
    git::set(&context, &who, &path.host, body.value).await.map(web::Json)
}

pub(crate) async fn list(
    context: web::Data<Context>,
    who: Administrator,
) -> Result<web::Json<Paged<GitCredential>>, Error> {
    git::list(&context, &who).await.map(web::Json)
}

pub(crate) async fn delete(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<Path>,
) -> Result<web::Json<GitCredential>, Error> {
    git::delete(&context, &who, &path.host).await.map(web::Json)
}

/// An empty set where the server signs nothing.
pub(crate) async fn keys(context: web::Data<Context>) -> web::Json<Jwks> {
    web::Json(context.signer.as_deref().map_or_else(Jwks::default, |signer| signer.keys.published()))
}
