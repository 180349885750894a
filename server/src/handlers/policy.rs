//! `/api/v1/organizations/{organization}/policy` and `…/can-i`.

use actix_web::web;
use berth_schema::Generation;
use berth_schema::api::Paged;
use berth_schema::policy::{Permission, Policy, PolicyTested, PolicyVersion, SetPolicy, TestPolicy};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::http::answer::Tagged;
use crate::http::body::Json;
use crate::http::headers::IfMatch;
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::configuration::Change;
use crate::services::paging::Limit;
use crate::services::{paging, permission, policy};
use crate::{Error, Op};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionQuery {
    /// Absent: those that hold.
    #[schemars(range(min = 0))]
    version: Option<i64>,
}

pub(crate) async fn get(op: Op<Member>, query: Query<VersionQuery>) -> Result<Tagged<Policy>, Error> {
    policy::get(&op, query.0.version).await.map(shown)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    #[schemars(with = "Option<Limit>")]
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

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetQuery {
    /// Says what is wrong with them, and changes nothing.
    #[serde(default)]
    dry_run: bool,
}

pub(crate) async fn set(
    op: Op<Member>,
    (seen, query, body): (IfMatch, Query<SetQuery>, Json<SetPolicy>),
) -> Result<Tagged<Policy>, Error> {
    let change = Change { seen: seen.0.map(Generation::get), dry_run: query.0.dry_run };
    policy::set(&op, body.value, change).await.map(shown)
}

pub(crate) async fn test(op: Op<Member>, body: Json<TestPolicy>) -> Result<web::Json<PolicyTested>, Error> {
    policy::test(&op, body.value).await.map(web::Json)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CanIQuery {
    /// As in `workspace.stop`.
    action: String,
    /// The name or id of what it is done to; absent: the organization.
    resource: Option<String>,
}

pub(crate) async fn can_i(op: Op<Member>, query: Query<CanIQuery>) -> Result<web::Json<Permission>, Error> {
    permission::ask(&op, &query.0.action, query.0.resource.as_deref()).await.map(web::Json)
}

fn shown(policy: Policy) -> Tagged<Policy> {
    Tagged { version: Generation::of(policy.details.version), body: policy }
}
