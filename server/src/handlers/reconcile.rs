//! `/api/v1/agent/…`.

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse};
use berth_schema::sealing::{RegisterKey, RegisteredKey};

use crate::edge::Connection;
use crate::http::body::Json;
use crate::identity::AgentIdentity;
use crate::services::{agents, reconcile};
use crate::{Error, Op};

/// Holds no decision: see `services::reconcile` and the planner.
pub(crate) async fn reconcile(
    op: Op<AgentIdentity>,
    (http, request): (HttpRequest, Json<ReconcileRequest>),
) -> Result<web::Json<ReconcileResponse>, Error> {
    let connection = http.conn_data::<Arc<Connection>>().cloned();
    let gone = async {
        match connection {
            Some(connection) => connection.gone().await,
            None => std::future::pending().await,
        }
    };
    reconcile::reconcile(op, &request.value, gone).await.map(web::Json)
}

pub(crate) async fn register_key(
    op: Op<AgentIdentity>,
    request: Json<RegisterKey>,
) -> Result<web::Json<RegisteredKey>, Error> {
    agents::register_key(&op, request.value.public_key).await.map(web::Json)
}
