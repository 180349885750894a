//! `/api/v1/agent/…`.

use actix_web::web;
use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse};
use berth_schema::sealing::{RegisterKey, RegisteredKey};

use crate::http::body::Json;
use crate::http::identity::{AgentIdentity, As};
use crate::services::{agents, reconcile};
use crate::{Context, Error};

/// Holds no decision: see `services::reconcile` and the planner.
pub(crate) async fn reconcile(
    context: web::Data<Context>,
    As { who, rest: request }: As<AgentIdentity, Json<ReconcileRequest>>,
) -> Result<web::Json<ReconcileResponse>, Error> {
    reconcile::reconcile(&context, &who, &request.value).await.map(web::Json)
}

pub(crate) async fn register_key(
    context: web::Data<Context>,
    As { who, rest: request }: As<AgentIdentity, Json<RegisterKey>>,
) -> Result<web::Json<RegisteredKey>, Error> {
    agents::register_key(&context, &who, request.value.public_key).await.map(web::Json)
}
