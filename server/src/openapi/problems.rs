//! The problems (RFC 9457) that operations answer with, a response for each status.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::StatusCode;
use berth_schema::{Action, Effect, Problem, ResourceKind};
use serde_json::{Map, Value, json};

use super::Schemas;
use crate::http::described::Operation;
use crate::http::problem::{KINDS, Kind};
use crate::routes::{Audience, Route};

const MEDIA_TYPE: &str = "application/problem+json";

/// The statuses that any operation may have: what is wrong with its head, its token or the server's time.
const ANYWHERE: [StatusCode; 8] = [
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// The statuses of problems that an operation may have, with references to their responses.
pub(super) fn of(route: &Route, operation: &Operation) -> Map<String, Value> {
    let mut statuses = ANYWHERE.to_vec();
    statuses.extend(&operation.problems);
    // An organisation is not known to whoever is not of it, nor is what a path names to whose it is not.
    if route.audience() == Audience::Member || route.path.contains('{') {
        statuses.push(StatusCode::NOT_FOUND);
    }
    match route.action().map(|action| (action.effect(), action.resource())) {
        // What is there may be in its way, or not be what it is done to.
        Some((Effect::Changes, _)) => {
            statuses.extend([StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY]);
        }
        // A newer server may have written it.
        Some((Effect::Reads, _)) if route.action() == Some(Action::ReadConfiguration) => {
            statuses.push(StatusCode::CONFLICT);
        }
        // Several may have the name that is in the path.
        Some((Effect::Reads, ResourceKind::Member | ResourceKind::Token)) => {
            statuses.push(StatusCode::UNPROCESSABLE_ENTITY);
        }
        _ => {}
    }
    let reference =
        |status: StatusCode| json!({ "$ref": format!("#/components/responses/{}", name(status)) });
    statuses.into_iter().map(|status| (status.as_u16().to_string(), reference(status))).collect()
}

/// The response of each status that a kind of problem has and some operation.
pub(super) fn responses(used: &BTreeSet<String>, schemas: &mut Schemas) -> Map<String, Value> {
    let problem = schemas.answered::<Problem>();
    let mut by_status: BTreeMap<u16, Vec<_>> = BTreeMap::new();
    for kind in KINDS.iter().filter(|kind| used.contains(kind.status.as_str())) {
        by_status.entry(kind.status.as_u16()).or_default().push(kind);
    }
    let response = |kinds: Vec<&Kind>| {
        let status = kinds[0].status;
        let mut types: Vec<_> =
            kinds.iter().map(|kind| json!({ "const": kind.urn(), "description": kind.title })).collect();
        let kind = if types.len() == 1 { types.remove(0) } else { json!({ "oneOf": types }) };
        let schema = json!({
            "allOf": [problem],
            "properties": { "type": kind, "status": { "const": status.as_u16() } },
        });
        let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } });
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers["Retry-After"] = json!({ "$ref": "#/components/headers/Retry-After" });
        }
        let description = kinds.iter().map(|kind| format!("{}.", kind.title)).collect::<Vec<_>>().join(" ");
        let response = json!({
            "description": description,
            "headers": headers,
            "content": { MEDIA_TYPE: { "schema": schema } },
        });
        (name(status), response)
    };
    by_status.into_values().map(response).collect()
}

/// What a status is called, as one word.
fn name(status: StatusCode) -> String {
    let words = status.canonical_reason().unwrap_or_else(|| status.as_str());
    words.chars().filter(char::is_ascii_alphanumeric).collect()
}
