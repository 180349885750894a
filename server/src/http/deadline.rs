//! Every handler ends: by its answer, by its deadline or by its panic, and each of them is a problem the client can read.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::middleware::Next;
use actix_web::web;
use futures::FutureExt as _;

use crate::Error;
use crate::config::Limits;

/// Runs the handler of a route within its time.
pub async fn enforce<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
    held: Duration,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let limit = allowed(&request, held);
    let context = request.request().clone();
    let handled = AssertUnwindSafe(next.call(request)).catch_unwind();
    let failure = match tokio::time::timeout(limit, handled).await {
        Ok(Ok(Ok(response))) => return Ok(response.map_into_boxed_body()),
        Ok(Ok(Err(error))) => error,
        // The panic hook has logged where it happened.
        Ok(Err(_panic)) => Error::internal("a handler panicked").into(),
        Err(_) => Error::DeadlineExceeded { seconds: limit.as_secs() }.into(),
    };
    Ok(ServiceResponse::from_err(failure, context))
}

/// The handler's own time, after the time that its body may take to arrive and the time that it may hold the answer.
fn allowed(request: &ServiceRequest, held: Duration) -> Duration {
    let limits = request.app_data::<web::Data<Limits>>().map(|limits| *limits.get_ref()).unwrap_or_default();
    let chunked = request.headers().contains_key("transfer-encoding");
    let declared =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let body = if chunked { limits.body_bytes } else { declared.unwrap_or(0).min(limits.body_bytes) };
    let body_time = match body {
        0 => Duration::ZERO,
        bytes => limits.body_time + Duration::from_secs((bytes / super::body::STEP) as u64),
    };
    limits.handler_time + body_time + held
}
