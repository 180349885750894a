//! `/api/v1/organizations/{organization}/agents`.

use actix_web::http::header::{ETAG, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use berth_schema::Generation;
use berth_schema::agents::{AdoptWorkspaces, RotateAgentToken, WorkspacesAdopted};
use berth_schema::api::{
    Agent, AgentCreated, ConfirmLoss, CreateAgent, LossConfirmed, Orphan, Orphans, Paged,
};
use berth_schema::configuration::{ConfigurationView, UniqueKeys};
use serde::Deserialize;

use super::{ListQuery, idempotency};
use crate::http::body::Json;
use crate::http::headers::{IdempotencyKey, IfMatch, etag};
use crate::http::identity::{Administrator, As};
use crate::http::query::Query;
use crate::services::configuration::Change;
use crate::services::idempotency::Creation;
use crate::services::{adoption, agent_tokens, agents, configuration, orphans};
use crate::{Context, Error};

/// The names in the path; the organisation was checked with the identity.
#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    agent: String,
}

pub(crate) async fn create(
    context: web::Data<Context>,
    request: HttpRequest,
    As { who, rest: (key, body) }: As<Administrator, (IdempotencyKey, Json<CreateAgent>)>,
) -> Result<HttpResponse, Error> {
    let idempotency = idempotency(&request, &who, key, &body.bytes);
    let created = agents::create(&context, &who, &body.value.name, idempotency.as_ref()).await?;
    let (mut response, created) = match created {
        Creation::New(created) => (HttpResponse::Created(), created),
        Creation::Repeated(created) => (HttpResponse::Ok(), created),
    };
    let location = format!("/api/v1/organizations/{}/agents/{}", who.organization, created.agent.id);
    Ok(response.insert_header((LOCATION, location)).json(created))
}

pub(crate) async fn list(
    context: web::Data<Context>,
    As { who, rest: query }: As<Administrator, Query<ListQuery>>,
) -> Result<web::Json<Paged<Agent>>, Error> {
    agents::list(&context, &who, &query.0.page()?).await.map(web::Json)
}

pub(crate) async fn get(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<Path>,
) -> Result<web::Json<Agent>, Error> {
    agents::get(&context, &who, &path.agent).await.map(web::Json)
}

pub(crate) async fn revoke(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<Path>,
) -> Result<web::Json<Agent>, Error> {
    agents::revoke(&context, &who, &path.agent).await.map(web::Json)
}

pub(crate) async fn check_network(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<Path>,
) -> Result<web::Json<Agent>, Error> {
    agents::check_network(&context, &who, &path.agent).await.map(web::Json)
}

pub(crate) async fn rotate_token(
    context: web::Data<Context>,
    path: web::Path<Path>,
    As { who, rest: body }: As<Administrator, Json<RotateAgentToken>>,
) -> Result<web::Json<AgentCreated>, Error> {
    agent_tokens::rotate(&context, &who, &path.agent, body.value).await.map(web::Json)
}

pub(crate) async fn reset_epoch(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<Path>,
) -> Result<web::Json<Agent>, Error> {
    agent_tokens::reset_epoch(&context, &who, &path.agent).await.map(web::Json)
}

pub(crate) async fn adopt(
    context: web::Data<Context>,
    path: web::Path<Path>,
    As { who, rest: body }: As<Administrator, Json<AdoptWorkspaces>>,
) -> Result<web::Json<WorkspacesAdopted>, Error> {
    adoption::adopt(&context, &who, &path.agent, &body.value).await.map(web::Json)
}

pub(crate) async fn confirm_loss(
    context: web::Data<Context>,
    path: web::Path<Path>,
    As { who, rest: confirmed }: As<Administrator, Json<ConfirmLoss>>,
) -> Result<web::Json<LossConfirmed>, Error> {
    agents::confirm_loss(&context, &who, &path.agent, &confirmed.value).await.map(web::Json)
}

pub(crate) async fn orphans(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<Path>,
) -> Result<web::Json<Orphans>, Error> {
    orphans::list(&context, &who, &path.agent).await.map(web::Json)
}

/// The names in the path of one orphan.
#[derive(Debug, Deserialize)]
pub(crate) struct OrphanPath {
    agent: String,
    orphan: String,
}

pub(crate) async fn remove_orphan(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<OrphanPath>,
) -> Result<web::Json<Orphan>, Error> {
    let orphan = path.orphan.parse().map_err(|_| Error::NotFound("orphan"))?;
    orphans::remove(&context, &who, &path.agent, orphan).await.map(web::Json)
}

pub(crate) async fn keep_orphan(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<OrphanPath>,
) -> Result<web::Json<Orphan>, Error> {
    let orphan = path.orphan.parse().map_err(|_| Error::NotFound("orphan"))?;
    orphans::keep(&context, &who, &path.agent, orphan).await.map(web::Json)
}

pub(crate) async fn get_configuration(
    context: web::Data<Context>,
    who: Administrator,
    path: web::Path<Path>,
) -> Result<HttpResponse, Error> {
    configuration::get(&context, &who, &path.agent).await.map(|view| configured(&view))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigurationQuery {
    #[serde(default)]
    dry_run: bool,
}

pub(crate) async fn set_configuration(
    context: web::Data<Context>,
    path: web::Path<Path>,
    As { who, rest: (seen, query, body) }: As<
        Administrator,
        (IfMatch, Query<ConfigurationQuery>, Json<UniqueKeys>),
    >,
) -> Result<HttpResponse, Error> {
    let change = Change { seen: seen.0.map(Generation::get), dry_run: query.0.dry_run };
    let view = configuration::set(&context, &who, &path.agent, &body.value.0, change).await?;
    Ok(configured(&view))
}

fn configured(view: &ConfigurationView) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, etag(Generation::of(view.version)))).json(view)
}
