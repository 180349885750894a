//! `/api/v1/organizations/{organization}/identity-providers`.

use actix_web::{HttpRequest, web};
use berth_schema::api::Paged;
use berth_schema::identity_providers::{IdentityProvider, SetIdentityProvider};
use serde::Deserialize;

use crate::http::body::Json;
use crate::http::origin;
use crate::identity::Member;
use crate::services::identity_providers::{self, Addresses};
use crate::{Error, Op};

#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    provider: String,
}

pub(crate) async fn set(
    op: Op<Member>,
    (request, path, body): (HttpRequest, web::Path<Path>, Json<SetIdentityProvider>),
) -> Result<web::Json<IdentityProvider>, Error> {
    let own = origin::own(&request, &op.context)?;
    identity_providers::set(&op, &path.provider, body.value, Addresses(&own)).await.map(web::Json)
}

pub(crate) async fn list(
    op: Op<Member>,
    request: HttpRequest,
) -> Result<web::Json<Paged<IdentityProvider>>, Error> {
    let own = origin::own(&request, &op.context)?;
    identity_providers::list(&op, Addresses(&own)).await.map(web::Json)
}

pub(crate) async fn delete(
    op: Op<Member>,
    (request, path): (HttpRequest, web::Path<Path>),
) -> Result<web::Json<IdentityProvider>, Error> {
    let own = origin::own(&request, &op.context)?;
    identity_providers::delete(&op, &path.provider, Addresses(&own)).await.map(web::Json)
}
