//! `/api/v1/organizations/{organization}/policy` and `…/can-i`.

use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, web};
use berth_schema::Generation;
use berth_schema::api::Paged;
use berth_schema::policy::{Permission, Policy, PolicyTested, PolicyVersion, SetPolicy, TestPolicy};
use serde::Deserialize;

use crate::http::body::Json;
use crate::http::headers::{IfMatch, etag};
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::configuration::Change;
use crate::services::{paging, permission, policy};
use crate::{Error, Op};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionQuery {
    version: Option<i64>,
}

pub(crate) async fn get(op: Op<Member>, query: Query<VersionQuery>) -> Result<HttpResponse, Error> {
    policy::get(&op, query.0.version).await.map(|policy| shown(&policy))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    limit: Option<String>,
    /// The version behind which the page begins.
    after: Option<i64>,
}

pub(crate) async fn history(
    op: Op<Member>,
    query: Query<HistoryQuery>,
) -> Result<web::Json<Paged<PolicyVersion>>, Error> {
    let mut errors = Vec::new();
    let limit = paging::request(query.0.limit.as_deref(), None, &mut errors).limit;
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    policy::history(&op, query.0.after, limit).await.map(web::Json)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetQuery {
    #[serde(default)]
    dry_run: bool,
}

pub(crate) async fn set(
    op: Op<Member>,
    (seen, query, body): (IfMatch, Query<SetQuery>, Json<SetPolicy>),
) -> Result<HttpResponse, Error> {
    let change = Change { seen: seen.0.map(Generation::get), dry_run: query.0.dry_run };
    policy::set(&op, body.value, change).await.map(|policy| shown(&policy))
}

pub(crate) async fn test(op: Op<Member>, body: Json<TestPolicy>) -> Result<web::Json<PolicyTested>, Error> {
    policy::test(&op, body.value).await.map(web::Json)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CanIQuery {
    action: String,
    resource: Option<String>,
}

pub(crate) async fn can_i(op: Op<Member>, query: Query<CanIQuery>) -> Result<web::Json<Permission>, Error> {
    permission::ask(&op, &query.0.action, query.0.resource.as_deref()).await.map(web::Json)
}

fn shown(policy: &Policy) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, etag(Generation::of(policy.details.version)))).json(policy)
}
