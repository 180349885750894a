//! `/api/v1/agent/reconcile`.

use actix_web::web;
use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse};

use crate::http::body::Json;
use crate::http::identity::{AgentIdentity, As};
use crate::services::reconcile;
use crate::{Context, Error};

/// Holds no decision: see `services::reconcile` and the planner.
pub(crate) async fn reconcile(
    context: web::Data<Context>,
    As { who, rest: request }: As<AgentIdentity, Json<ReconcileRequest>>,
) -> Result<web::Json<ReconcileResponse>, Error> {
    reconcile::reconcile(&context, &who, &request.value).await.map(web::Json)
}
