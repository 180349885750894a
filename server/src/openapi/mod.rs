//! The description of the API, OpenAPI 3.1, made of the route table and the types of its handlers.
//!
//! It has every line that somebody with a token of their own may ask. What agents and proxies ask is a protocol with versions of its own
//! (`docs/protocol.md`), what browsers open are pages, and what is below `/oauth` and `/.well-known` is described by its standards.

mod document;
mod problems;
mod schemas;

use std::sync::LazyLock;

use actix_web::http::header::{ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::Value;

pub use document::{described, document};
pub use schemas::Schemas;

/// Where it is.
pub const PATH: &str = "/api/v1/openapi.json";

/// The document as it is served and checked in, with its entity tag: one of its content, so that it is the same of every copy of a version.
static SERVED: LazyLock<(String, String)> = LazyLock::new(|| {
    let text = text();
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes())));
    (text, tag)
});

/// The document as text that can be reviewed.
pub fn text() -> String {
    let mut document = document();
    document.sort_all_objects();
    let mut text = String::new();
    write(&document, 0, &mut text);
    text.push('\n');
    text
}

/// Writes a value: on one line where it fits, else each of its own on lines of theirs.
fn write(value: &Value, depth: usize, text: &mut String) {
    const WIDTH: usize = 120;
    let on_one_line = value.to_string();
    if depth > 1 && on_one_line.len() + 2 * depth <= WIDTH {
        text.push_str(&on_one_line);
        return;
    }
    let begin = |text: &mut String, is_first: bool| {
        text.push_str(if is_first { "\n" } else { ",\n" });
        text.extend(std::iter::repeat_n("  ", depth + 1));
    };
    let end = |text: &mut String, bracket: char| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth));
        text.push(bracket);
    };
    match value {
        Value::Object(object) if !object.is_empty() => {
            text.push('{');
            for (at, (key, value)) in object.iter().enumerate() {
                begin(text, at == 0);
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push_str(": ");
                write(value, depth + 1, text);
            }
            end(text, '}');
        }
        Value::Array(list) if !list.is_empty() => {
            text.push('[');
            for (at, value) in list.iter().enumerate() {
                begin(text, at == 0);
                write(value, depth + 1, text);
            }
            end(text, ']');
        }
        _ => text.push_str(&on_one_line),
    }
}

pub(crate) async fn get(request: HttpRequest) -> HttpResponse {
    let (text, tag) = &*SERVED;
    let known = request.headers().get_all(IF_NONE_MATCH).filter_map(|known| known.to_str().ok());
    if known.flat_map(|list| list.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag) {
        return HttpResponse::NotModified().insert_header((ETAG, tag.as_str())).finish();
    }
    HttpResponse::Ok()
        .insert_header((ETAG, tag.as_str()))
        .content_type("application/json")
        .body(text.as_str())
}
