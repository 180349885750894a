//! Streams of events: of one workspace, and of all of an organisation.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_ENCODING, HeaderName, HeaderValue};

use tokio::time::Instant;

use crate::http::headers::LastEventId;
use crate::identity::Member;
use crate::services::workspaces;
use crate::streams::{self, Scope};
use crate::{Error, Op};

pub(crate) async fn of_workspace(op: Op<Member>, known: LastEventId) -> Result<HttpResponse, Error> {
    let id = workspaces::get(&op, op.target()).await?.id;
    stream(&op, Scope::Workspace { id, known: known.0 }).await
}

pub(crate) async fn of_organization(op: Op<Member>, from: LastEventId) -> Result<HttpResponse, Error> {
    stream(&op, Scope::Organization { from: from.0 }).await
}

async fn stream(op: &Op<Member>, scope: Scope) -> Result<HttpResponse, Error> {
    let (context, authority) = (&*op.context, &op.who.authority);
    let left = authority.asker.elevated_until().map(|end| end.duration_since(op.now).unsigned_abs());
    let ends_at = left.and_then(|left| Instant::now().checked_add(left));
    let seat = context.streams.take_seat(context, &op.who).await?;
    let Some(events) = streams::open(context, (seat, authority.clone(), ends_at), scope).await? else {
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
