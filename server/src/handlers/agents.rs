//! `/api/v1/organizations/{organization}/agents`.

use actix_web::{HttpRequest, web};
use berth_schema::agents::{AdoptWorkspaces, AllowAgent, DisallowAgent, RotateAgentToken, WorkspacesAdopted};
use berth_schema::api::{
    Agent, AgentCreated, AgentDisallowed, ConfirmLoss, CreateAgent, LossConfirmed, Orphan, Orphans, Paged,
};
use berth_schema::configuration::{ConfigurationView, UniqueKeys};
use berth_schema::{Generation, ResourceKind, WorkspaceId};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ListQuery, idempotency};
use crate::http::answer::{Created, Made, Tagged};
use crate::http::body::Json;
use crate::http::headers::{IdempotencyKey, IfMatch};
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::configuration::Change;
use crate::services::{admission, adoption, agent_tokens, agents, configuration, orphans};
use crate::{Error, Op};

pub(crate) async fn create(
    op: Op<Member>,
    (request, key, body): (HttpRequest, IdempotencyKey, Json<CreateAgent>),
) -> Result<Made<web::Json<AgentCreated>>, Error> {
    let idempotency = idempotency(&request, &op, key, &body.bytes)?;
    let created = agents::create(&op, &body.value.name, idempotency.as_ref()).await?;
    Ok(Made::of(created, |created| Created {
        location: format!("/api/v1/organizations/{}/agents/{}", op.organization(), created.agent.id),
        answer: web::Json(created),
    }))
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

pub(crate) async fn get_configuration(op: Op<Member>, (): ()) -> Result<Tagged<ConfigurationView>, Error> {
    configuration::get(&op, op.target()).await.map(configured)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigurationQuery {
    /// Says what would happen, and changes nothing.
    #[serde(default)]
    dry_run: bool,
}

pub(crate) async fn set_configuration(
    op: Op<Member>,
    (seen, query, body): (IfMatch, Query<ConfigurationQuery>, Json<UniqueKeys>),
) -> Result<Tagged<ConfigurationView>, Error> {
    let change = Change { seen: seen.0.map(Generation::get), dry_run: query.0.dry_run };
    configuration::set(&op, op.target(), &body.value.0, change).await.map(configured)
}

fn configured(view: ConfigurationView) -> Tagged<ConfigurationView> {
    Tagged { version: Generation::of(view.version), body: view }
}
