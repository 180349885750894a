//! `/api/v1/agent/reconcile`.

use actix_web::web;
use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse};

use crate::http::body::Json;
use crate::http::identity::AgentIdentity;
use crate::services::reconcile;
use crate::{Context, Error};

/// Holds no decision: see `services::reconcile` and the planner.
pub(crate) async fn reconcile(
    context: web::Data<Context>,
    agent: AgentIdentity,
    request: Json<ReconcileRequest>,
) -> Result<web::Json<ReconcileResponse>, Error> {
    reconcile::reconcile(&context, &agent, &request.value).await.map(web::Json)
}
