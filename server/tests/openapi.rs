//! The description of the API, held against the file that is reviewed, the route table and what the server takes and answers.

use std::collections::BTreeSet;
use std::path::Path;

use berth_schema::{Action, Effect};
use berth_server::http::described::Operation;
use berth_server::openapi::{self, Schemas};
use berth_server::routes::{self, Audience, Renderer};
use reqwest::Method;
use serde_json::Value;

use crate::support::{App, Requests, send};

/// Every value in a document, with where it is.
fn each<'a>(value: &'a Value, place: &str, look: &mut impl FnMut(&str, &'a Value)) {
    look(place, value);
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                each(value, &format!("{place}/{}", key.replace('~', "~0").replace('/', "~1")), look);
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                each(value, &format!("{place}/{at}"), look);
            }
        }
        _ => {}
    }
}

#[test]
fn what_is_served_is_what_was_reviewed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let text = openapi::text();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).expect("the file can be written");
    }
    let reviewed = std::fs::read_to_string(&path).expect("docs/openapi.json");
    if let Some((line, (now, then))) =
        text.lines().zip(reviewed.lines()).enumerate().find(|(_, (now, then))| now != then)
    {
        panic!("docs/openapi.json, line {}: '{then}' is '{now}' now; BLESS=1 rewrites it", line + 1);
    }
    assert_eq!(text.len(), reviewed.len(), "BLESS=1 rewrites docs/openapi.json");
}

#[test]
fn every_line_that_a_token_of_somebody_s_own_asks_is_in_it_and_no_other() {
    let document = openapi::document();
    let lines: BTreeSet<_> = routes::all()
        .filter(|route| matches!(route.audience(), Audience::Member | Audience::Person))
        .filter(|route| route.renderer == Renderer::Json)
        .map(|route| (route.path.to_owned(), route.method.to_ascii_lowercase()))
        .collect();
    let paths = document["paths"].as_object().expect("paths");
    let described: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().expect("operations").keys().map(move |method| (path.clone(), method.clone()))
        })
        .collect();
    assert_eq!(described, lines);
    assert!(lines.iter().all(|(path, _)| path.starts_with("/api/v1/")), "{lines:?}");
}

#[test]
fn every_reference_leads_somewhere_and_everything_that_is_named_is_used() {
    let document = openapi::document();
    let (mut used, mut named) = (BTreeSet::new(), BTreeSet::new());
    each(&document, "", &mut |place, value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').expect("a place in this document");
            assert!(document.pointer(pointer).is_some(), "{place} refers to {reference}");
            used.insert(pointer.to_owned());
        }
    });
    for kind in ["schemas", "responses", "headers"] {
        let all = document["components"][kind].as_object().expect("components").keys();
        named.extend(all.map(|name| format!("/components/{kind}/{name}")));
    }
    let unused: Vec<_> = named.difference(&used).collect();
    assert!(unused.is_empty(), "{unused:?}");
    for name in named {
        let name = name.rsplit('/').next().expect("a name");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name}");
    }
}

#[test]
fn operations_are_told_apart_and_say_how_they_end() {
    let document = openapi::document();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id), "{id} is twice");
            let responses = operation["responses"].as_object().expect("responses");
            let statuses: Vec<_> = responses.keys().map(String::as_str).collect();
            for always in ["400", "401", "403", "408", "429", "431", "500", "503"] {
                assert!(statuses.contains(&always), "{method} {path} lacks {always}");
            }
            assert!(statuses.iter().any(|status| status.starts_with('2')), "{method} {path}");
            assert_eq!(operation.get("requestBody").is_some(), statuses.contains(&"415"), "{method} {path}");
            assert!(operation["summary"].is_string(), "{id}");
            let action = Action::of(id).expect("the id is its action");
            let conflicts = action.effect() == Effect::Changes || action == Action::ReadConfiguration;
            assert_eq!(conflicts, statuses.contains(&"409"), "{id}");
        }
    }
}

#[test]
fn what_is_given_as_an_example_is_taken() {
    let mut schemas = Schemas::default();
    let mut seen = 0;
    for (route, describe) in openapi::described() {
        let mut operation = Operation::default();
        describe(&mut operation, &mut schemas);
        let Some(body) = operation.body else { continue };
        let definitions = openapi::document();
        let name = body.schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        let schema = name.map(|name| {
            let all = &definitions["components"]["schemas"];
            let sent = format!("{name}Sent");
            if all[&sent].is_object() { all[&sent].clone() } else { all[name].clone() }
        });
        let examples = schema.as_ref().and_then(|schema| schema["examples"].as_array()).into_iter().flatten();
        for example in examples {
            let text = example.to_string();
            if let Err(error) = (body.read)(text.as_bytes()) {
                panic!("{} {}: {text}: {error}", route.method, route.path);
            }
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen} examples");
}

#[tokio::test]
async fn anyone_may_read_it_and_is_not_sent_what_they_have() {
    App::run(async |app| {
        let anyone = app.anyone(None);
        let reply = anyone.get(openapi::PATH).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
        assert_eq!(reply.header("cache-control"), "public, max-age=300");
        assert_eq!(reply.text, openapi::text());
        let tag = reply.header("etag").to_owned();
        for known in [tag.clone(), format!("\"other\", W/{tag}")] {
            let again =
                send(anyone.request(Method::GET, openapi::PATH).header("if-none-match", &known)).await;
            assert_eq!((again.status, again.text.as_str()), (304, ""), "{known}");
        }
        let other = send(anyone.request(Method::GET, openapi::PATH).header("if-none-match", "\"x\"")).await;
        assert_eq!(other.status, 200);
    })
    .await;
}
