//! `/api/v1/organizations/{organization}/workspaces`.

use actix_web::http::header::{ETAG, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use berth_planner::intent::Wish;
use berth_schema::api::{Paged, RebuildWorkspace, ResizeWorkspace, Workspace};
use berth_schema::lifecycle::ExtendWorkspace;
use berth_schema::timeline::Transition;
use berth_schema::why::Why;
use serde::Deserialize;

use super::idempotency;
use crate::http::body::Json;
use crate::http::headers::{IdempotencyKey, IfMatch, etag};
use crate::http::identity::{Administrator, As};
use crate::http::query::Query;
use crate::services::adoption;
use crate::services::idempotency::Creation;
use crate::services::workspaces::{self, CreateForm, ListQuery, TimelineQuery};
use crate::{Context, Error};

/// The names in the path; the organisation was checked with the identity.
#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    workspace: String,
}

fn found(workspace: &Workspace) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, etag(workspace.generation))).json(workspace)
}

pub(crate) async fn create(
    context: web::Data<Context>,
    request: HttpRequest,
    As { who, rest: (key, body) }: As<Administrator, (IdempotencyKey, Json<CreateForm>)>,
) -> Result<HttpResponse, Error> {
    let idempotency = idempotency(&request, &who, key, &body.bytes);
    let (mut response, workspace) =
        match workspaces::create(&context, &who, body.value, idempotency.as_ref()).await? {
            Creation::New(workspace) => (HttpResponse::Created(), workspace),
            Creation::Repeated(workspace) => (HttpResponse::Ok(), workspace),
        };
    let location = format!("/api/v1/organizations/{}/workspaces/{}", who.organization, workspace.id);
    let response =
        response.insert_header((LOCATION, location)).insert_header((ETAG, etag(workspace.generation)));
    Ok(response.json(workspace))
}

pub(crate) async fn list(
    context: web::Data<Context>,
    As { who, rest: query }: As<Administrator, Query<ListQuery>>,
) -> Result<web::Json<Paged<Workspace>>, Error> {
    workspaces::list(&context, &who, &query.0).await.map(web::Json)
}

pub(crate) async fn get(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<Path>,
) -> Result<HttpResponse, Error> {
    let workspace = workspaces::get(&context, &who, &path.workspace).await?;
    Ok(found(&workspace))
}

pub(crate) async fn why(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<Path>,
) -> Result<web::Json<Why>, Error> {
    workspaces::why(&context, &who, &path.workspace).await.map(web::Json)
}

pub(crate) async fn forget(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<Path>,
) -> Result<HttpResponse, Error> {
    let workspace = adoption::forget(&context, &who, &path.workspace).await?;
    Ok(found(&workspace))
}

pub(crate) async fn extend(
    context: web::Data<Context>,
    path: web::Path<Path>,
    As { who, rest: body }: As<Administrator, Json<ExtendWorkspace>>,
) -> Result<HttpResponse, Error> {
    let workspace = workspaces::extend(&context, &who, &path.workspace, body.value).await?;
    Ok(found(&workspace))
}

pub(crate) async fn timeline(
    context: web::Data<Context>,
    path: web::Path<Path>,
    As { who, rest: query }: As<Administrator, Query<TimelineQuery>>,
) -> Result<web::Json<Paged<Transition>>, Error> {
    workspaces::timeline(&context, &who, &path.workspace, &query.0).await.map(web::Json)
}

/// A handler for each wish that needs no body.
macro_rules! wishes {
    ($($name:ident: $wish:expr;)+) => {$(
        pub(crate) async fn $name(
            context: web::Data<Context>,
            path: web::Path<Path>,
            As { who, rest: seen }: As<Administrator, IfMatch>,
        ) -> Result<HttpResponse, Error> {
            let workspace = workspaces::change(&context, &who, &path.workspace, $wish, seen.0).await?;
            Ok(found(&workspace))
        }
    )+};
}

wishes! {
    start: Wish::Start;
    stop: Wish::Stop;
    restart: Wish::Restart;
    terminate: Wish::Terminate;
}

pub(crate) async fn rebuild(
    context: web::Data<Context>,
    path: web::Path<Path>,
    As { who, rest: (seen, body) }: As<Administrator, (IfMatch, Json<RebuildWorkspace>)>,
) -> Result<HttpResponse, Error> {
    let workspace = workspaces::rebuild(&context, &who, &path.workspace, body.value, seen.0).await?;
    Ok(found(&workspace))
}

pub(crate) async fn resize(
    context: web::Data<Context>,
    path: web::Path<Path>,
    As { who, rest: (seen, body) }: As<Administrator, (IfMatch, Json<ResizeWorkspace>)>,
) -> Result<HttpResponse, Error> {
    let workspace = workspaces::resize(&context, &who, &path.workspace, body.value, seen.0).await?;
    Ok(found(&workspace))
}
