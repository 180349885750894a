//! `/api/v1/agent/…`.

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse};
use berth_schema::sealing::{RegisterKey, RegisteredKey};

use crate::edge::Connection;
use crate::http::body::Json;
use crate::http::identity::{AgentIdentity, As};
use crate::services::{agents, reconcile};
use crate::{Context, Error};

/// Holds no decision: see `services::reconcile` and the planner.
pub(crate) async fn reconcile(
    context: web::Data<Context>,
    http: HttpRequest,
    As { who, rest: request }: As<AgentIdentity, Json<ReconcileRequest>>,
) -> Result<web::Json<ReconcileResponse>, Error> {
    let connection = http.conn_data::<Arc<Connection>>().cloned();
    let gone = async {
        match connection {
            Some(connection) => connection.gone().await,
            None => std::future::pending().await,
        }
    };
    reconcile::reconcile(&context, &who, &request.value, gone).await.map(web::Json)
}

pub(crate) async fn register_key(
    context: web::Data<Context>,
    As { who, rest: request }: As<AgentIdentity, Json<RegisterKey>>,
) -> Result<web::Json<RegisteredKey>, Error> {
    agents::register_key(&context, &who, request.value.public_key).await.map(web::Json)
}
