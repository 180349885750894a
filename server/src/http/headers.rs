//! `If-Match`, `Idempotency-Key` and `Last-Event-ID`.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::IF_MATCH;
use actix_web::{FromRequest, HttpRequest};
use berth_schema::Generation;
use berth_schema::connection::Credential;

use crate::Error;

/// The header's only value as text; a repeated header is an error.
fn single<'a>(request: &'a HttpRequest, name: &'static str) -> Result<Option<&'a str>, Error> {
    let mut values = request.headers().get_all(name);
    let Some(first) = values.next() else {
        return Ok(None);
    };
    let visible = first.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
    match (visible, values.next()) {
        (Some(text), None) => Ok(Some(text)),
        _ => Err(Error::header(name, "must be given once, in visible ASCII characters")),
    }
}

/// The name of the header that says it.
pub(crate) const ORGANIZATION: &str = "Berth-Organization";

/// Which of somebody's organisations is meant, where the path does not say it: `Berth-Organization`, a name or an id.
pub(crate) fn organization(request: &HttpRequest) -> Result<&str, Error> {
    let missing = || Error::header(ORGANIZATION, "must say which of your organizations is meant");
    single(request, ORGANIZATION)?.ok_or_else(missing)
}

/// Whose session a question of a proxy is about: `Berth-Grant`; without it nobody is signed in.
#[derive(Debug)]
pub struct Grant(pub Option<Credential>);

impl FromRequest for Grant {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let grant = single(request, "Berth-Grant");
        ready(grant.map(|text| Self(text.map(|text| text.to_owned().into()))))
    }
}

/// The generation that the client saw, when it said one: `If-Match: "<generation>"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Option<Generation>);

impl FromRequest for IfMatch {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(single(request, IF_MATCH.as_str()).and_then(|text| {
            match text {
                None | Some("*") => Ok(Self(None)),
                Some(text) => generation(text).map(|generation| Self(Some(generation))).ok_or_else(|| {
                    Error::header("If-Match", "must be one generation in quotes, as in \"3\"")
                }),
            }
        }))
    }
}

fn generation(text: &str) -> Option<Generation> {
    let digits = text.strip_prefix('"')?.strip_suffix('"')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The entity tag of a generation.
pub fn etag(generation: Generation) -> String {
    format!("\"{generation}\"")
}

/// Where a client that comes back to a stream of events was: `Last-Event-ID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEventId(pub Option<i64>);

impl LastEventId {
    pub(super) const NAME: &str = "Last-Event-ID";
}

impl FromRequest for LastEventId {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(single(request, Self::NAME).and_then(|text| match text {
            None | Some("") => Ok(Self(None)),
            Some(text) => match text.parse::<i64>() {
                Ok(id) if id >= 0 => Ok(Self(Some(id))),
                _ => Err(Error::header(Self::NAME, "must be the id of an event of this stream")),
            },
        }))
    }
}

/// The client's name for one creation, so that it may be asked for twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    pub(super) const NAME: &str = "Idempotency-Key";
    /// The longest.
    pub(super) const MAX: usize = 255;
}

impl FromRequest for IdempotencyKey {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(single(request, Self::NAME).and_then(|key| match key {
            Some(key) if key.is_empty() || key.len() > Self::MAX => {
                Err(Error::header(Self::NAME, format!("must have 1 to {} characters", Self::MAX)))
            }
            key => Ok(Self(key.map(str::to_owned))),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn if_match(text: &str) -> Result<IfMatch, Error> {
        let request = TestRequest::default().insert_header((IF_MATCH, text)).to_http_request();
        IfMatch::from_request(&request, &mut Payload::None).into_inner()
    }

    #[test]
    fn a_generation_comes_in_quotes() {
        assert_eq!(if_match("\"7\"").expect("a generation"), IfMatch(Some(Generation::of(7))));
        assert_eq!(if_match("*").expect("any"), IfMatch(None));
        for text in ["7", "\"\"", "W/\"7\"", "\"x\"", "\"1\",\"2\"", "\"-1\"", "\"99999999999999999999\""] {
            assert!(if_match(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_has_1_to_255_visible_characters() {
        let key = |text: &str| {
            let request = TestRequest::default().insert_header(("Idempotency-Key", text)).to_http_request();
            IdempotencyKey::from_request(&request, &mut Payload::None).into_inner()
        };
        assert_eq!(key("k").expect("short"), IdempotencyKey(Some("k".to_owned())));
        assert!(key(&"k".repeat(255)).is_ok());
        for text in [String::new(), "k".repeat(256), "a b".to_owned()] {
            assert!(key(&text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_repeated_header_is_refused() {
        let request = TestRequest::default()
            .append_header(("Idempotency-Key", "a"))
            .append_header(("Idempotency-Key", "b"))
            .to_http_request();
        assert!(IdempotencyKey::from_request(&request, &mut Payload::None).into_inner().is_err());
    }
}
