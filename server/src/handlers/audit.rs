//! The record of what happened.

use actix_web::web;
use berth_schema::api::Paged;
use berth_schema::audit::Listed;
use serde_json::Value;

use crate::http::query::Query;
use crate::identity::Member;
use crate::services::audit::{self, AuditQuery};
use crate::{Error, Op};

pub(crate) async fn list(
    op: Op<Member>,
    query: Query<AuditQuery>,
) -> Result<web::Json<Paged<Listed<Value>>>, Error> {
    Ok(web::Json(audit::list(&op, &query.0).await?))
}
