//! Around everything else: tells a connection when the answer to its request is on its way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::HttpRequest;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderValue, STRICT_TRANSPORT_SECURITY};
use actix_web::middleware::Next;
use bytes::Bytes;

use super::connection::{Connection, Unanswered};
use super::gate;

/// A body that carries its request's claim: the framework drops it when it has taken the last of it.
struct Claimed {
    body: BoxBody,
    _unanswered: Unanswered,
}

impl MessageBody for Claimed {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}

/// Of a connection on which nobody on the way reads along.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encrypted;

/// Whether a request came by TLS that ends here.
pub(crate) fn is_encrypted(request: &HttpRequest) -> bool {
    request.conn_data::<Encrypted>().is_some()
}

/// Browsers come back by TLS alone, for a year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Gives each value of a head memory of its own. As the framework reads it, it is a part of what the connection has read, bodies
/// included; and the framework keeps the heads of its last requests, and with them what somebody has sent in secret.
fn detach(headers: &mut HeaderMap) {
    headers.retain(|_, value| {
        if let Ok(copy) = HeaderValue::from_bytes(value.as_bytes()) {
            *value = copy;
        }
        true
    });
}

/// The outermost middleware.
pub(crate) async fn around<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    detach(request.headers_mut());
    let unanswered = request.conn_data::<Arc<Connection>>().cloned().map(Unanswered);
    let encrypted = is_encrypted(request.request());
    let mut response = next.call(request).await?.map_into_boxed_body();
    if encrypted {
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
    Ok(match unanswered {
        Some(unanswered) => {
            response.map_body(|_, body| BoxBody::new(Claimed { body, _unanswered: unanswered }))
        }
        None => response,
    })
}

/// Answers requests that stand in for refused ones, where no gate does.
pub(crate) async fn refused(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match gate::refusal(&request) {
        Some(error) => Ok(request.error_response(error)),
        None => next.call(request).await,
    }
}
