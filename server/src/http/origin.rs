//! Whether a form was sent by a page of this server. Browsers say where a request comes from, and no page can make them say
//! otherwise (Fetch Metadata, and `Origin`).

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HOST, HeaderName, ORIGIN};
use actix_web::{FromRequest, HttpRequest, web};

use crate::error::Unproven;
use crate::{Context, Error, edge};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where browsers find this server: as it was told, else as this request says.
pub(crate) fn own(request: &HttpRequest, context: &Context) -> Result<String, Error> {
    if let Some(origin) = &context.public_url {
        return Ok(origin.to_string());
    }
    let scheme = if edge::is_encrypted(request) { "https" } else { "http" };
    Ok(format!("{scheme}://{}", header(request, HOST)?.unwrap_or_default()))
}

/// A header that may be there once.
fn header(request: &HttpRequest, name: HeaderName) -> Result<Option<&str>, Error> {
    let mut values = request.headers().get_all(name);
    match (values.next().map(|value| value.to_str().ok()), values.next()) {
        (None, _) => Ok(None),
        (Some(Some(value)), None) => Ok(Some(value)),
        _ => Err(Error::Unauthenticated(Unproven::OtherOrigin)),
    }
}

/// Whether another site's page has led here, as far as the browser says.
pub(crate) fn is_from_elsewhere(request: &HttpRequest) -> Result<bool, Error> {
    let site = header(request, SEC_FETCH_SITE)?;
    Ok(site.is_some_and(|site| !matches!(site, "same-origin" | "none")))
}

/// Refuses what another origin's page has sent, or what does not say.
pub(crate) fn check(request: &HttpRequest, context: &Context) -> Result<(), Error> {
    let own = own(request, context)?;
    let site = header(request, SEC_FETCH_SITE)?.is_none_or(|site| site == "same-origin");
    match header(request, ORIGIN)? {
        Some(origin) if site && origin == own => Ok(()),
        _ => Err(Error::Unauthenticated(Unproven::OtherOrigin)),
    }
}

/// The same for what nobody has to be signed in for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SameOrigin;

impl FromRequest for SameOrigin {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let context = request.app_data::<web::Data<Context>>();
        let context = context.ok_or_else(|| Error::internal("the server has no context"));
        ready(context.and_then(|context| check(request, context)).map(|()| Self))
    }
}
