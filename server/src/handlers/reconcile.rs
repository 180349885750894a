//! `/api/v1/agent/…`.

use actix_web::{HttpRequest, web};
use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse};
use berth_schema::sealing::{RegisterKey, RegisteredKey};

use crate::http::body::Json;
use crate::http::gone::gone;
use crate::identity::AgentIdentity;
use crate::services::{agents, reconcile};
use crate::{Error, Op};

/// Holds no decision: see `services::reconcile` and the planner.
pub(crate) async fn reconcile(
    op: Op<AgentIdentity>,
    (http, request): (HttpRequest, Json<ReconcileRequest>),
) -> Result<web::Json<ReconcileResponse>, Error> {
    reconcile::reconcile(op, &request.value, gone(&http)).await.map(web::Json)
}

pub(crate) async fn register_key(
    op: Op<AgentIdentity>,
    request: Json<RegisterKey>,
) -> Result<web::Json<RegisteredKey>, Error> {
    agents::register_key(&op, request.value.public_key).await.map(web::Json)
}
