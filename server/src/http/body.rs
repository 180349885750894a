//! Bodies, JSON and forms: media type, size and time are checked before anything is parsed.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::{Decompress, Payload};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use berth_schema::text::check_plain;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, stream};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use tokio::time::Instant;
use url::form_urlencoded;

use super::query;
use super::wording::field_error;
use crate::Error;
use crate::config::Limits;

/// What is decompressed at once. Deflate makes at most 1,032 bytes of one, so that no more than 2 MiB exist before they are
/// counted.
const PIECE: usize = 2 * 1024;

/// What a body is granted for each step of its size.
pub(super) const STEP: usize = 64 * 1024;

/// How much of a body a line of the route table takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLimit {
    /// The handler reads none.
    Nothing,
    /// Bytes, after decompression, and no more than what is configured for all.
    Bytes(usize),
    /// What is configured for all.
    Configured,
}

impl BodyLimit {
    fn bytes(self, configured: usize) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Bytes(bytes) => bytes.min(configured),
            Self::Configured => configured,
        }
    }
}

/// A JSON body that was read whole, with the bytes that it came as.
#[derive(Debug)]
pub struct Json<T> {
    pub value: T,
    pub bytes: Bytes,
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let payload = payload.take();
        let request = request.clone();
        Box::pin(async move {
            let bytes = read(&request, payload, "application/json").await?;
            let value = parse(&bytes)?;
            Ok(Self { value, bytes })
        })
    }
}

/// What a browser sends of a form, as a type that refuses unknown fields.
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Form<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (payload, request) = (payload.take(), request.clone());
        Box::pin(async move { fields(&request, payload, &[]).await.map(Self) })
    }
}

/// A form that has fields for whole documents.
pub trait Documents {
    /// Their names. What is in them has lines, and is looked at by whoever reads such a document.
    const DOCUMENTS: &'static [&'static str];
}

/// A [`Form`] with documents in it.
#[derive(Debug)]
pub struct DocumentForm<T>(pub T);

impl<T: DeserializeOwned + Documents + 'static> FromRequest for DocumentForm<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (payload, request) = (payload.take(), request.clone());
        Box::pin(async move { fields(&request, payload, T::DOCUMENTS).await.map(Self) })
    }
}

/// A form whose page is shown again, with what was typed, where it is refused.
pub trait Kept {
    /// As [`Documents::DOCUMENTS`].
    const DOCUMENTS: &'static [&'static str] = &[];
    /// What is typed anew: it is not kept, and on no page.
    const SECRETS: &'static [&'static str] = &[];
}

/// What somebody typed into a form, by the fields' names.
#[derive(Clone, Debug, Default)]
pub struct Typed(BTreeMap<String, String>);

impl Typed {
    /// Nothing is typed into what was not there.
    pub fn of(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }
}

/// A [`Kept`] form, be it right or wrong.
#[derive(Debug)]
pub struct Attempt<T> {
    pub form: Result<T, Error>,
    pub typed: Typed,
}

impl<T: DeserializeOwned + Kept + 'static> FromRequest for Attempt<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (payload, request) = (payload.take(), request.clone());
        Box::pin(async move {
            let bytes = read(&request, payload, FORM).await?;
            let text = as_text(&bytes)?;
            let form = query::parse(text, T::DOCUMENTS);
            let pairs = form_urlencoded::parse(text.as_bytes());
            // What cannot be shown is not.
            let kept = pairs.filter(|(name, value)| {
                !T::SECRETS.contains(&&**name)
                    && (T::DOCUMENTS.contains(&&**name) || check_plain(value).is_ok())
            });
            let kept = kept.map(|(name, value)| (name.into_owned(), value.into_owned()));
            Ok(Self { form, typed: Typed(kept.collect()) })
        })
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn as_text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::MalformedRequest("the form is not UTF-8".to_owned()))
}

async fn fields<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: Payload,
    documents: &[&str],
) -> Result<T, Error> {
    let bytes = read(request, payload, FORM).await?;
    query::parse(as_text(&bytes)?, documents)
}

/// Parses a JSON object into a type; what does not fit names the field.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    // Serde would also take a list for an object, by the order of the fields.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => Error::field("body", "must be a JSON object"),
            Err(error) => syntax(&error),
        });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        // What is JSON all the same is no value of the wanted type: an object with two fields where one is a choice, half a character.
        let is_json = || serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
        match error.classify() {
            Category::Data => Error::Invalid(vec![field_error(&path, &error.to_string())]),
            Category::Syntax if is_json() => Error::Invalid(vec![field_error(&path, &error.to_string())]),
            Category::Syntax | Category::Eof | Category::Io => syntax(&error),
        }
    })?;
    deserializer.end().map_err(|error| syntax(&error))?;
    Ok(value)
}

fn syntax(error: &serde_json::Error) -> Error {
    Error::MalformedJson(format!("line {}, column {}", error.line(), error.column()))
}

/// Reads a body within its limits of size and time.
async fn read(request: &HttpRequest, payload: Payload, media_type: &str) -> Result<Bytes, Error> {
    let limits = request.app_data::<web::Data<Limits>>().map(|limits| *limits.get_ref()).unwrap_or_default();
    let line = request.extensions().get::<BodyLimit>().copied();
    let Some(line) = line.filter(|line| *line != BodyLimit::Nothing) else {
        return Err(Error::internal("a handler reads a body that the route table does not allow"));
    };
    let limit = line.bytes(limits.body_bytes);
    check_media_type(request, media_type)?;
    if declared_length(request).is_some_and(|length| length > limit) {
        return Err(Error::BodyTooLarge { limit });
    }
    let pieces = Box::pin(payload.flat_map(|chunk| stream::iter(pieces(chunk))));
    let mut stream = Decompress::from_headers(pieces, request.headers());
    let started = Instant::now();
    let mut body = BytesMut::new();
    loop {
        let granted = limits.body_time + Duration::from_secs((body.len() / STEP) as u64);
        let chunk = tokio::time::timeout_at(started + granted, stream.next())
            .await
            .map_err(|_| Error::SlowBody { seconds: granted.as_secs() })?;
        let Some(chunk) = chunk else {
            return Ok(body.freeze());
        };
        let chunk =
            chunk.map_err(|_| Error::MalformedRequest("the body ended early or is damaged".to_owned()))?;
        // Counted after decompression: a small body must not become a large one.
        if body.len() + chunk.len() > limit {
            return Err(Error::BodyTooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
}

fn pieces(chunk: Result<Bytes, PayloadError>) -> Vec<Result<Bytes, PayloadError>> {
    match chunk {
        Ok(chunk) if chunk.len() > PIECE => (0..chunk.len())
            .step_by(PIECE)
            .map(|at| Ok(chunk.slice(at..chunk.len().min(at + PIECE))))
            .collect(),
        chunk => vec![chunk],
    }
}

fn check_media_type(request: &HttpRequest, wanted: &str) -> Result<(), Error> {
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let media_type = header(CONTENT_TYPE).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(wanted) {
        return Err(Error::UnsupportedMediaType(format!("the body must be sent as {wanted}")));
    }
    match header(CONTENT_ENCODING).map(str::trim) {
        None => Ok(()),
        Some(coding) if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("identity") => {
            Ok(())
        }
        Some(_) => Err(Error::UnsupportedMediaType("the only encoding of a body is gzip".to_owned())),
    }
}

fn declared_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::api::CreateAgent;
    use berth_schema::ports::SharePort;

    fn refused(body: &str) -> Error {
        parse::<CreateAgent>(body.as_bytes()).expect_err("not an agent")
    }

    #[test]
    fn a_chunk_is_decompressed_piece_by_piece() {
        let chunk = Bytes::from(vec![7; 5 * PIECE + 1]);
        let cut: Vec<Bytes> =
            pieces(Ok(chunk.clone())).into_iter().map(|piece| piece.expect("bytes")).collect();
        assert!(cut.len() == 6 && cut.iter().all(|piece| piece.len() <= PIECE));
        assert_eq!(cut.concat(), chunk);
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (body, field) in [
            (r#"{"name": 1}"#, "name"),
            (r#"{"name": "A"}"#, "name"),
            ("{}", "name"),
            (r#"{"name": "a", "colour": 1}"#, "colour"),
            ("[]", "body"),
            (r#"{"name": "\ud800"}"#, "name"),
            (r#"{"name": "a", "name": "b"}"#, "name"),
        ] {
            let Error::Invalid(errors) = refused(body) else { panic!("{body} is valid JSON") };
            assert_eq!(errors[0].field, field, "{body}: {errors:?}");
        }
    }

    #[test]
    fn a_choice_with_two_fields_is_json_and_wrong() {
        let body = r#"{"port": 1, "with": {"user": "a", "group": "b"}}"#;
        let refused = parse::<SharePort>(body.as_bytes()).expect_err("two at once");
        let Error::Invalid(errors) = refused else { panic!("{refused:?}") };
        assert_eq!((errors[0].field.as_str(), errors[0].message.as_str()), ("with", "must have one field"));
    }

    #[test]
    fn broken_json_says_where_and_nothing_of_what() {
        for body in ["{\"name\": \"hunter2", "{\"name\": \"a\"} hunter2", "", "nul"] {
            let error = refused(body);
            assert!(matches!(error, Error::MalformedJson(_)), "{body}: {error:?}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
