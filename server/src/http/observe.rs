//! Around every request: a span with its id, problems made whole, and what is counted and logged.

use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT, ACCEPT_ENCODING, AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, Encoding, Header as _,
    HeaderName, HeaderValue,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpRequest, web};
use berth_schema::Problem;
use tracing::{Span, debug, error, info, info_span};
use tracing_actix_web::{RequestId, RootSpanBuilder};

use super::problem::{self, CONTENT_TYPE_PROBLEM};
use crate::Error;
use crate::metrics::Metrics;
use crate::pages;
use crate::routes::{self, Renderer};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NO_SNIFFING: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));

/// The span of a request. It holds ids, never a header or a body; what is forwarded by others is not believed.
#[derive(Debug)]
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = request.extensions().get::<RequestId>().copied();
        info_span!(
            "request",
            request_id = id.map(tracing::field::display),
            method = %known_method(request.method()),
            path = %printable(request.path()),
            peer = request.peer_addr().map(|peer| tracing::field::display(peer.ip())),
            organization = tracing::field::Empty,
            token = tracing::field::Empty,
            agent = tracing::field::Empty,
        )
    }

    /// The request is logged by [`around`], which knows why it failed.
    fn on_request_end<B: MessageBody>(_: Span, _: &Result<ServiceResponse<B>, actix_web::Error>) {}
}

/// A path as a log may hold it: percent-encoded by the client, cut where it is long.
fn printable(path: &str) -> String {
    path.chars().take(200).filter(char::is_ascii_graphic).collect()
}

/// The middleware itself.
pub async fn around<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let id = request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default();
    let method = known_method(request.method());
    let metrics = request.app_data::<web::Data<Metrics>>().map(|metrics| Metrics::clone(metrics));

    let response = next.call(request).await?.map_into_boxed_body();
    let route = routes::template(response.request().match_pattern().as_deref());
    log(&response, route, started);
    if let Some(metrics) = metrics {
        metrics.request(method, route, response.status().as_u16(), started.elapsed());
    }
    let known = routes::find(method, route).map(|line| line.renderer);
    let renderer = known.unwrap_or_else(|| for_whom(response.request()));
    Ok(finish(response, renderer, &id))
}

/// Leaves of what a client says of encodings whether gzip is welcome. One that refuses everything is answered as it is (RFC 9110,
/// 12.5.3); the framework would refuse the request before anything of ours has seen it.
pub(crate) async fn encoding(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if request.headers().contains_key(ACCEPT_ENCODING) {
        let known = [Encoding::gzip(), Encoding::identity()];
        let accepted = AcceptEncoding::parse(&request).ok();
        let chosen = accepted.and_then(|accepted| accepted.negotiate(known.iter()));
        let headers = request.headers_mut();
        headers.remove(ACCEPT_ENCODING);
        if chosen == Some(Encoding::gzip()) {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    next.call(request).await
}

/// How somebody is answered who has asked for nothing that there is: a person at a browser by a page.
fn for_whom(request: &HttpRequest) -> Renderer {
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let is_browser = accepts.is_some_and(|accepted| accepted.contains("text/html"));
    if is_browser && !request.path().starts_with("/api/") { Renderer::Page } else { Renderer::Json }
}

fn finish(response: ServiceResponse<BoxBody>, renderer: Renderer, id: &str) -> ServiceResponse<BoxBody> {
    let failed = response.status().is_client_error() || response.status().is_server_error();
    let mut response = if failed { whole_problem(response, renderer, id) } else { response };
    let headers = response.headers_mut();
    if renderer == Renderer::Page {
        pages::protect(headers);
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(NO_SNIFFING.0, NO_SNIFFING.1);
    let kept = if failed { Renderer::Json } else { renderer };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept.cache_control()));
    if is_small(response.response().body().size()) {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
    }
    response
}

/// Whether a body arrives as soon as a compressed one would: it fits into what a TCP connection sends at first without
/// waiting for an acknowledgement. Compressing it costs more than it saves.
fn is_small(size: BodySize) -> bool {
    const FIRST_FLIGHT: u64 = 14 * 1_024;
    matches!(size, BodySize::Sized(bytes) if bytes <= FIRST_FLIGHT)
}

/// Of a failure that another standard, or a page, has its own form for: it is left as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnWords;

/// Gives a failure its request id; what the framework refused by itself becomes a problem too.
fn whole_problem(
    response: ServiceResponse<BoxBody>,
    renderer: Renderer,
    id: &str,
) -> ServiceResponse<BoxBody> {
    let known = response.response().error().and_then(|error| error.as_error::<Error>());
    let problem = match known {
        _ if response.response().extensions().contains::<OwnWords>() => return response,
        Some(error) => error.problem(),
        None if response.headers().get("content-type") == Some(&CONTENT_TYPE_PROBLEM) => return response,
        None => framework_problem(&response),
    };
    let problem = Problem { request_id: Some(id.to_owned()), ..problem };
    let mut whole = match renderer {
        Renderer::Page => pages::failure(response.request(), known, &problem, id),
        Renderer::Json | Renderer::Events | Renderer::Forever | Renderer::Published => {
            problem::response_of(&problem)
        }
    };
    for (name, value) in response.headers() {
        if !whole.headers().contains_key(name) {
            whole.headers_mut().append(name.clone(), value.clone());
        }
    }
    let (request, _) = response.into_parts();
    ServiceResponse::new(request, whole)
}

fn framework_problem(response: &ServiceResponse<BoxBody>) -> Problem {
    let status = response.status();
    let error = if status.is_client_error() {
        Error::MalformedRequest("the request cannot be understood".to_owned())
    } else {
        Error::internal("the framework failed")
    };
    Problem { status: status.as_u16(), ..error.problem() }
}

/// One line for each request, as loud as its consequence. A failure of ours is logged here, once, with its causes.
fn log(response: &ServiceResponse<BoxBody>, route: &'static str, started: Instant) {
    let status = response.status().as_u16();
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let failure = response.response().error().and_then(|error| error.as_error::<Error>());
    match failure {
        Some(failure) if status >= 500 => {
            let because = berth_logging::causes(failure);
            error!(route, status, milliseconds, kind = failure.kind().slug, because, "request failed");
        }
        Some(failure) => {
            let reason = failure.refusal();
            debug!(route, status, milliseconds, kind = failure.kind().slug, reason, "request refused");
        }
        None if status >= 500 => error!(route, status, milliseconds, "request failed"),
        None if routes::is_routine(route) => debug!(route, status, milliseconds, "request served"),
        None => info!(route, status, milliseconds, "request served"),
    }
}

/// Methods from a fixed set: a label must not be what a client makes up.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
