//! What all pages have in common.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, REFERER,
    REFERRER_POLICY, X_FRAME_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use url::Url;

use crate::http::observe::OwnWords;
use crate::{Error, routes};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// A page holds what is our own and nothing else: nothing from elsewhere, in nobody's frame; and no script, but for [`show_live`] and [`show_asking`]. Forms say where they
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

/// The policy of a page that is live: what it loads is ours, and nothing in the page itself is a script.
fn live_policy() -> String {
    format!("{}; script-src 'self'; connect-src 'self'", policy("'self'"))
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
    let mut response = response.insert_header((CONTENT_TYPE, HTML)).body(text);
    response.extensions_mut().insert(OwnWords);
    Ok(response)
}

/// A page with what was refused on it, in its place. The error goes along: it is logged, and a denial is put on record.
pub(super) fn refuse(error: Error, page: &impl Template) -> Result<HttpResponse, Error> {
    let text = page.render().map_err(Error::internal)?;
    let mut response = HttpResponse::from_error(error).set_body(BoxBody::new(text));
    response.headers_mut().insert(CONTENT_TYPE, HTML);
    response.extensions_mut().insert(OwnWords);
    Ok(response)
}

/// A page that goes on by itself while it is open.
pub(super) fn show_live(page: &impl Template) -> Result<HttpResponse, Error> {
    show_under(&live_policy(), page)
}

/// A page that has a browser ask for a passkey, which browsers do by a script alone.
pub(super) fn show_asking(page: &impl Template) -> Result<HttpResponse, Error> {
    show_under(&format!("{}; script-src 'self'", policy("'self'")), page)
}

fn show_under(policy: &str, page: &impl Template) -> Result<HttpResponse, Error> {
    let mut response = show(StatusCode::OK, page)?;
    let policy = HeaderValue::from_str(policy).map_err(Error::internal)?;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// The page of ours on which somebody pressed a button, as far as their browser says: a path with its query.
pub(super) fn came_from(request: &HttpRequest) -> Option<String> {
    let shown: Url = request.headers().get(REFERER)?.to_str().ok()?.parse().ok()?;
    let query = shown.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{}{query}", shown.path())).filter(|path| routes::is_page(path))
}

/// After a form: the browser asks for that.
pub(super) fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}
