//! From a request to a service and back: no handler decides anything.

pub(crate) mod account;
pub(crate) mod agents;
pub(crate) mod audit;
pub(crate) mod connections;
pub(crate) mod elevations;
pub(crate) mod events;
pub(crate) mod git;
pub(crate) mod groups;
pub(crate) mod health;
pub(crate) mod identity_providers;
pub(crate) mod idle_rules;
pub(crate) mod members;
pub(crate) mod oauth;
pub(crate) mod openid;
pub(crate) mod policy;
pub(crate) mod ports;
pub(crate) mod projects;
pub(crate) mod reconcile;
pub(crate) mod tokens;
pub(crate) mod variables;
pub(crate) mod whoami;
pub(crate) mod workspaces;

use actix_web::HttpRequest;
use berth_db::PageRequest;
use berth_schema::ResourceKind;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::crypto::marks;
use crate::http::headers::IdempotencyKey;
use crate::identity::Member;
use crate::services::idempotency::Idempotency;
use crate::services::paging::{self, Limit};
use crate::{Error, Op};

/// Which page of a list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    #[schemars(with = "Option<Limit>")]
    limit: Option<String>,
    /// The `next` of an earlier page.
    after: Option<String>,
}

impl ListQuery {
    /// The largest first page.
    pub(crate) fn most() -> PageRequest {
        PageRequest { after: None, limit: i64::from(paging::MAX_LIMIT) + 1 }
    }

    pub(crate) fn page(&self) -> Result<PageRequest, Error> {
        let mut errors = Vec::new();
        let page = paging::request(self.limit.as_deref(), self.after.as_deref(), &mut errors);
        if errors.is_empty() { Ok(page) } else { Err(Error::Invalid(errors)) }
    }
}

/// The key of a creation with the marks of its request, when there is a key.
pub(crate) fn idempotency(
    request: &HttpRequest,
    op: &Op<Member>,
    key: IdempotencyKey,
    body: &[u8],
) -> Result<Option<Idempotency>, Error> {
    let Some(key) = key.0 else { return Ok(None) };
    // The template, not the path: an organisation's name and its id are the same. What it is made in is named by its id.
    let mut route = request.match_pattern().unwrap_or_default();
    if let Some(place) = op.resource.as_ref().filter(|place| place.kind != ResourceKind::Organization) {
        route = format!("{route} {}", place.id);
    }
    let whose = (op.organization(), op.who.subject);
    let marks = marks(&op.context.keys.current(), whose, &route, body).map_err(Error::internal)?;
    Ok(Some(Idempotency { key, fingerprint: op.who.fingerprint(&route, body), marks }))
}
