//! `/api/v1/organizations/{organization}/git-credentials`, and what Git hosts verify signed tokens with.

use actix_web::HttpResponse;
use actix_web::web;
use berth_schema::api::Paged;
use berth_schema::git::{GitCredential, PutGitCredential, RemoveGitCredential, SetGitCredential};
use serde::Deserialize;
use serde_json::json;

use crate::error::Sought;
use crate::http::body::Json;
use crate::identity::Member;
use crate::services::git;
use crate::{Context, Error, Op};

#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    pub(crate) host: String,
}

pub(crate) async fn set(
    op: Op<Member>,
    (path, body): (web::Path<Path>, Json<SetGitCredential>),
) -> Result<web::Json<GitCredential>, Error> {
    git::set(&op, &path.host, body.value).await.map(web::Json)
}

pub(crate) async fn list(op: Op<Member>, (): ()) -> Result<web::Json<Paged<GitCredential>>, Error> {
    git::list(&op).await.map(web::Json)
}

pub(crate) async fn delete(op: Op<Member>, path: web::Path<Path>) -> Result<web::Json<GitCredential>, Error> {
    git::delete(&op, &path.host).await.map(web::Json)
}

/// Of a group, a project, or whoever asks: the path names that, and the body the host.
pub(crate) async fn put(
    op: Op<Member>,
    body: Json<PutGitCredential>,
) -> Result<web::Json<GitCredential>, Error> {
    let (host, form) = body.value.into_parts();
    git::set(&op, &host, form).await.map(web::Json)
}

pub(crate) async fn remove(
    op: Op<Member>,
    body: Json<RemoveGitCredential>,
) -> Result<web::Json<GitCredential>, Error> {
    git::delete(&op, &body.value.host).await.map(web::Json)
}

pub(crate) async fn keys(context: web::Data<Context>) -> HttpResponse {
    HttpResponse::Ok().json(context.issuer.published())
}

/// What verifiers look for first (OpenID Connect Discovery). There is nothing to log in to.
pub(crate) async fn discovery(context: web::Data<Context>) -> Result<HttpResponse, Error> {
    let signer = context.signer.as_deref().ok_or(Error::nothing(Sought::Issuer))?;
    let issuer = signer.issuer.name();
    let document = json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    Ok(HttpResponse::Ok().json(document))
}
