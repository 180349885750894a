//! Streams of events: of one workspace, and of all of an organisation.

use actix_web::http::header::{CONTENT_ENCODING, HeaderName, HeaderValue};
use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::http::headers::LastEventId;
use crate::identity::Member;
use crate::services::workspaces;
use crate::streams::{self, Scope};
use crate::{Error, Op};

#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    workspace: String,
}

pub(crate) async fn of_workspace(
    op: Op<Member>,
    (path, known): (web::Path<Path>, LastEventId),
) -> Result<HttpResponse, Error> {
    let id = workspaces::get(&op, &path.workspace).await?.id;
    stream(&op, Scope::Workspace { id, known: known.0 }).await
}

pub(crate) async fn of_organization(op: Op<Member>, from: LastEventId) -> Result<HttpResponse, Error> {
    stream(&op, Scope::Organization { from: from.0 }).await
}

async fn stream(op: &Op<Member>, scope: Scope) -> Result<HttpResponse, Error> {
    let context = &*op.context;
    let seat = context.streams.take_seat(context, op.organization(), op.who.token).await?;
    let Some(events) = streams::open(context, seat, scope).await? else {
        // What tells an EventSource not to come back.
        return Ok(HttpResponse::NoContent().finish());
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        // Compression, and proxies that wait for more, would hold events back.
        .insert_header((CONTENT_ENCODING, HeaderValue::from_static("identity")))
        .insert_header((HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")))
        .streaming(events))
}
