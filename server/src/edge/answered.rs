//! Around everything else: tells a connection when the answer to its request is on its way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::HttpRequest;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderMap, HeaderValue, STRICT_TRANSPORT_SECURITY};
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

/// Whether a name is this server's alone. `localhost` is every program's of the machine, at whatever port: a browser that knew it by
/// TLS alone would find none of the others any more. Of addresses they know no such thing.
fn is_its_own(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else { return false };
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name).trim_end_matches('.');
    !name.eq_ignore_ascii_case("localhost")
}

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
    let is_strict = is_encrypted(request.request()) && request.headers().get(HOST).is_some_and(is_its_own);
    let mut response = next.call(request).await?.map_into_boxed_body();
    if is_strict {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_other_programs_of_the_machine_have_too_is_not_bound_to_tls() {
        for (host, own) in [
            ("localhost", false),
            ("LocalHost:8443", false),
            ("localhost.:8443", false),
            ("berth.example", true),
            ("berth.example:8443", true),
            ("apps.localhost:8443", true),
            ("[::1]:8443", true),
        ] {
            assert_eq!(is_its_own(&HeaderValue::from_static(host)), own, "{host}");
        }
    }
}
