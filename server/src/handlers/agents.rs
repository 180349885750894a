//! `/api/v1/organizations/{organization}/agents`.

use actix_web::http::header::{ETAG, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use berth_schema::agents::{AdoptWorkspaces, AllowAgent, DisallowAgent, RotateAgentToken, WorkspacesAdopted};
use berth_schema::api::{
    Agent, AgentCreated, AgentDisallowed, ConfirmLoss, CreateAgent, LossConfirmed, Orphan, Orphans, Paged,
};
use berth_schema::configuration::{ConfigurationView, UniqueKeys};
use berth_schema::{Generation, ResourceKind, WorkspaceId};
use serde::Deserialize;

use super::{ListQuery, idempotency};
use crate::http::body::Json;
use crate::http::headers::{IdempotencyKey, IfMatch, etag};
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::configuration::Change;
use crate::services::idempotency::Creation;
use crate::services::{admission, adoption, agent_tokens, agents, configuration, orphans};
use crate::{Error, Op};

pub(crate) async fn create(
    op: Op<Member>,
    (request, key, body): (HttpRequest, IdempotencyKey, Json<CreateAgent>),
) -> Result<HttpResponse, Error> {
    let idempotency = idempotency(&request, &op, key, &body.bytes)?;
    let created = agents::create(&op, &body.value.name, idempotency.as_ref()).await?;
    let (mut response, created) = match created {
        Creation::New(created) => (HttpResponse::Created(), created),
        Creation::Repeated(created) => (HttpResponse::Ok(), created),
    };
    let location = format!("/api/v1/organizations/{}/agents/{}", op.organization(), created.agent.id);
    Ok(response.insert_header((LOCATION, location)).json(created))
}

pub(crate) async fn list(op: Op<Member>, query: Query<ListQuery>) -> Result<web::Json<Paged<Agent>>, Error> {
    agents::list(&op, &query.0.page()?).await.map(web::Json)
}

pub(crate) async fn get(op: Op<Member>, (): ()) -> Result<web::Json<Agent>, Error> {
    agents::get(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn revoke(op: Op<Member>, (): ()) -> Result<web::Json<Agent>, Error> {
    agents::revoke(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn check_network(op: Op<Member>, (): ()) -> Result<web::Json<Agent>, Error> {
    agents::check_network(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn rotate_token(
    op: Op<Member>,
    body: Json<RotateAgentToken>,
) -> Result<web::Json<AgentCreated>, Error> {
    agent_tokens::rotate(&op, op.target(), body.value).await.map(web::Json)
}

pub(crate) async fn reset_epoch(op: Op<Member>, (): ()) -> Result<web::Json<Agent>, Error> {
    agent_tokens::reset_epoch(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn adopt(
    op: Op<Member>,
    body: Json<AdoptWorkspaces>,
) -> Result<web::Json<WorkspacesAdopted>, Error> {
    adoption::adopt(&op, op.target(), &body.value).await.map(web::Json)
}

pub(crate) async fn allow(op: Op<Member>, body: Json<AllowAgent>) -> Result<web::Json<Agent>, Error> {
    admission::allow(&op, op.target(), &body.value).await.map(web::Json)
}

pub(crate) async fn disallow(
    op: Op<Member>,
    body: Json<DisallowAgent>,
) -> Result<web::Json<AgentDisallowed>, Error> {
    admission::disallow(&op, op.target(), &body.value).await.map(web::Json)
}

pub(crate) async fn confirm_loss(
    op: Op<Member>,
    confirmed: Json<ConfirmLoss>,
) -> Result<web::Json<LossConfirmed>, Error> {
    agents::confirm_loss(&op, op.target(), &confirmed.value).await.map(web::Json)
}

pub(crate) async fn orphans(op: Op<Member>, (): ()) -> Result<web::Json<Orphans>, Error> {
    orphans::list(&op, op.target()).await.map(web::Json)
}

/// Whose orphan it is, and which.
fn orphan(op: &Op<Member>) -> Result<(String, WorkspaceId), Error> {
    let agent = op.resource.as_ref().and_then(|resource| resource.agent);
    let found = agent.zip(op.target().parse().ok());
    found
        .map(|(agent, id)| (agent.to_string(), id))
        .ok_or_else(|| Error::missing(ResourceKind::Orphan, op.target()))
}

pub(crate) async fn remove_orphan(op: Op<Member>, (): ()) -> Result<web::Json<Orphan>, Error> {
    let (agent, id) = orphan(&op)?;
    orphans::remove(&op, &agent, id).await.map(web::Json)
}

pub(crate) async fn keep_orphan(op: Op<Member>, (): ()) -> Result<web::Json<Orphan>, Error> {
    let (agent, id) = orphan(&op)?;
    orphans::keep(&op, &agent, id).await.map(web::Json)
}

pub(crate) async fn get_configuration(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    configuration::get(&op, op.target()).await.map(|view| configured(&view))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigurationQuery {
    #[serde(default)]
    dry_run: bool,
}

pub(crate) async fn set_configuration(
    op: Op<Member>,
    (seen, query, body): (IfMatch, Query<ConfigurationQuery>, Json<UniqueKeys>),
) -> Result<HttpResponse, Error> {
    let change = Change { seen: seen.0.map(Generation::get), dry_run: query.0.dry_run };
    let view = configuration::set(&op, op.target(), &body.value.0, change).await?;
    Ok(configured(&view))
}

fn configured(view: &ConfigurationView) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, etag(Generation::of(view.version)))).json(view)
}
