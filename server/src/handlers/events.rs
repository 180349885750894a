//! Streams of events: of one workspace, and of all of an organisation.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde_json::json;
use tokio::time::Instant;

use crate::http::described::{Answer, Answered, Operation};
use crate::http::headers::LastEventId;
use crate::identity::Member;
use crate::openapi::Schemas;
use crate::services::workspaces;
use crate::streams::{self, Scope};
use crate::{Error, Op};

/// What an `EventSource` reads, or that there is nothing more to read.
#[derive(Debug)]
pub(crate) struct Events(HttpResponse);

impl Responder for Events {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.0
    }
}

impl Answered for Events {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        let events = Answer {
            status: StatusCode::OK,
            description: "Server-sent events, until somebody ends it.",
            content: Some((MEDIA_TYPE, json!({ "type": "string" }))),
            headers: Vec::new(),
        };
        let over = Answer {
            status: StatusCode::NO_CONTENT,
            description: "There will be no more events: do not come back.",
            content: None,
            headers: Vec::new(),
        };
        operation.answers.extend([events, over]);
    }
}

const MEDIA_TYPE: &str = "text/event-stream";

pub(crate) async fn of_workspace(op: Op<Member>, known: LastEventId) -> Result<Events, Error> {
    let id = workspaces::get(&op, op.target()).await?.id;
    stream(&op, Scope::Workspace { id, known: known.0 }).await
}

pub(crate) async fn of_organization(op: Op<Member>, from: LastEventId) -> Result<Events, Error> {
    stream(&op, Scope::Organization { from: from.0 }).await
}

async fn stream(op: &Op<Member>, scope: Scope) -> Result<Events, Error> {
    let (context, authority) = (&*op.context, &op.who.authority);
    let left = authority.asker.elevated_until().map(|end| end.duration_since(op.now).unsigned_abs());
    let ends_at = left.and_then(|left| Instant::now().checked_add(left));
    let seat = context.streams.take_seat(context, &op.who).await?;
    let Some(events) = streams::open(context, (seat, authority.clone(), ends_at), scope).await? else {
        // What tells an EventSource not to come back.
        return Ok(Events(HttpResponse::NoContent().finish()));
    };
    let response = HttpResponse::Ok()
        .content_type(MEDIA_TYPE)
        // Compression, and proxies that wait for more, would hold events back.
        .insert_header((CONTENT_ENCODING, HeaderValue::from_static("identity")))
        .insert_header((HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")))
        .streaming(events);
    Ok(Events(response))
}
