//! Whatever a test is answered is held against the API's description.

use std::sync::LazyLock;

use berth_server::openapi;
use reqwest::Method;
use serde_json::Value;

use super::Reply;

static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi::document);

/// The operation of a method and a path, where it is one of the API.
fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let asked: Vec<_> = path.split('/').collect();
    let is_it = |template: &str| {
        let parts: Vec<_> = template.split('/').collect();
        let fits =
            |(part, asked): (&&str, &&str)| part == asked || (part.starts_with('{') && !asked.is_empty());
        parts.len() == asked.len() && parts.iter().zip(&asked).all(fits)
    };
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    // What is written out goes before what is named.
    let fitting = paths.iter().filter(|(template, _)| is_it(template));
    let (_, item) = fitting.min_by_key(|(template, _)| template.matches('{').count())?;
    item.get(method.as_str().to_ascii_lowercase())
}

/// Whether its description says that it may be answered so.
#[track_caller]
pub(super) fn look(method: &Method, path: &str, reply: &Reply) {
    let Some(operation) = operation(method, path) else { return };
    let answer = &operation["responses"][reply.status.to_string()];
    let answer = answer["$ref"].as_str().map_or(Some(answer), |reference| DOCUMENT.pointer(&reference[1..]));
    let answer = answer.filter(|answer| answer.is_object());
    let answer = answer.unwrap_or_else(|| {
        panic!("{method} {path} answers {}, which is not described: {}", reply.status, reply.text)
    });
    for name in answer["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
        assert!(name == "Retry-After" || reply.headers.contains_key(name), "{method} {path} lacks {name}");
    }
    let content = answer["content"].as_object();
    let media_type = reply.headers.get("content-type").map(|value| value.to_str().expect("text"));
    let is_described = match (media_type, content) {
        (None, None) => true,
        (Some(media_type), Some(content)) => content.contains_key(media_type),
        _ => false,
    };
    assert!(is_described, "{method} {path} answers {media_type:?} with {}", reply.status);
}
