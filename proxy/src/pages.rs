//! What the proxy itself answers: a word for programs and people, which says no more than they may know.

use berth_proxy_core::Address;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY,
};
use http::{Response, StatusCode};

use crate::body::{Body, full};

/// An answer that nobody keeps.
pub(crate) fn say(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// The same whether there is no such workspace, or somebody else's.
pub(crate) fn nowhere() -> Response<Body> {
    say(StatusCode::NOT_FOUND, "There is nothing here.\n")
}

/// Only whose workspace it is may know that much.
pub(crate) fn not_open(address: &Address) -> Response<Body> {
    let Address { workspace, port, .. } = address;
    let text = format!(
        "Port {port} of the workspace {workspace} is not open. While it runs:\n\n    berth ports open {workspace} {port}\n"
    );
    say(StatusCode::NOT_FOUND, text)
}

pub(crate) fn broken() -> Response<Body> {
    say(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong in Berth's proxy; its log says what.\n")
}

pub(crate) fn no_answer() -> Response<Body> {
    say(
        StatusCode::SERVICE_UNAVAILABLE,
        "Berth's server does not answer, so that nobody new is let in. Try again.\n",
    )
}

/// Of a public port.
pub(crate) fn crowded() -> Response<Body> {
    say(StatusCode::SERVICE_UNAVAILABLE, "Too many people are here at once. Try again.\n")
}

/// Leads the browser on.
pub(crate) fn lead(to: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Response<Body> {
    let Ok(location) = HeaderValue::from_str(to) else { return broken() };
    let mut response = say(StatusCode::SEE_OTHER, "");
    response.headers_mut().insert(LOCATION, location);
    for cookie in cookies {
        response.headers_mut().append(http::header::SET_COOKIE, cookie);
    }
    response
}
