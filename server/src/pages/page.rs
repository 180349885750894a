//! What all pages have in common.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    X_FRAME_OPTIONS,
};
use askama::Template;

use crate::Error;
use crate::http::observe::OwnWords;

const STYLE: &str = include_str!("../../assets/berth.css");

/// A page holds what is our own and nothing else: no script, nothing from elsewhere, in nobody's frame. Forms say where they
/// come from (`same-origin`), and nobody else is told an address of ours.
const HEADERS: [(HeaderName, &str); 4] = [
    (REFERRER_POLICY, "same-origin"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A page's policy, with where its forms may lead.
pub(super) fn policy(forms: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// Gives a page what protects it.
pub(crate) fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(CONTENT_SECURITY_POLICY)
        && let Ok(policy) = HeaderValue::from_str(&policy("'self'"))
    {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
}

/// A page, whatever its status is: one that says that something is not there says it in its own words.
pub(super) fn show(status: StatusCode, page: &impl Template) -> Result<HttpResponse, Error> {
    let text = page.render().map_err(Error::internal)?;
    let mut response = HttpResponse::build(status);
    let mut response = response.insert_header((CONTENT_TYPE, "text/html; charset=utf-8")).body(text);
    response.extensions_mut().insert(OwnWords);
    Ok(response)
}

/// After a form: the browser asks for that.
pub(super) fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

/// The style sheet of all pages.
pub(crate) async fn style() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/css; charset=utf-8")).body(STYLE)
}
