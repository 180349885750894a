//! The document itself.

use std::collections::BTreeSet;

use berth_schema::{Action, ResourceKind};
use serde_json::{Map, Value, json};

use super::{Schemas, problems};
use crate::http::body::BodyLimit;
use crate::http::described::{Answer, Describe, Operation, Parameter};
use crate::http::headers;
use crate::routes::{self, Audience, Route};

const DESCRIPTION: &str = "Everything that the pages of Berth do can be done here. How to call it, and what is promised of it, is in docs/api.md; \
                           what each problem means, in docs/errors.md.";

/// The lines that are described.
pub fn described() -> impl Iterator<Item = (&'static Route, Describe)> {
    routes::all().filter_map(|route| route.describe().map(|describe| (route, describe)))
}

/// The whole description, of the server's own version.
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    let operations: Vec<_> = described()
        .map(|(route, describe)| {
            let mut operation = Operation::default();
            describe(&mut operation, &mut schemas);
            (route, operation)
        })
        .collect();
    let used = operations.iter().flat_map(|(route, operation)| problems::of(route, operation).into_iter());
    let responses = problems::responses(&used.map(|(status, _)| status).collect(), &mut schemas);
    let (schemas, sent) = schemas.settle();
    let mut paths = Map::new();
    for (route, mut operation) in operations {
        if let Some(body) = &mut operation.body {
            sent.rename(&mut body.schema);
        }
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_ascii_lowercase()] = shown(route, operation);
    }
    let tags: BTreeSet<_> = described().filter_map(|(route, _)| tag(route)).collect();
    json!({
        "openapi": "3.1.1",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Berth",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The server that this description is of." }],
        "security": [{ "token": [] }],
        "tags": tags.into_iter().map(|tag| json!({ "name": tag, "description": about(tag) })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "A token of an organization (`berth tokens create`), or what a login of a command line has brought.",
            } },
            "headers": of_answers(),
            "responses": responses,
            "schemas": schemas,
        },
    })
}

/// The headers of answers.
fn of_answers() -> Value {
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    json!({
        "ETag": text("The version of what is shown, in quotes: goes into `If-Match` of a change."),
        "Location": text("Where it is, as a path of this server."),
        "X-Request-Id": text("What to look for in the server's log."),
        "Retry-After": {
            "description": "After so many seconds it is worth asking again.",
            "schema": { "type": "integer", "minimum": 0 },
        },
    })
}

/// What kind of thing an operation is about: the first half of its action's word.
fn tag(route: &Route) -> Option<&'static str> {
    route.action().map(|action| action.as_str().split('.').next().unwrap_or_default())
}

/// What a tag is, for people.
fn about(tag: &str) -> &'static str {
    match tag {
        "account" => "Whoever is logged in, outside of organizations.",
        "agent" => "What runs workspaces in a cluster, for one organization.",
        "audit" => "What is on record.",
        "connection" => "Who is connected to workspaces, and how programs get in.",
        "elevation" => "Roles for a time.",
        "git-credential" => "How workspaces of the organization log in at Git hosts.",
        "group" => "Nodes of the organization's tree.",
        "identity" => "Whose a token is.",
        "identity-provider" => "Who signs people in.",
        "idle-rule" => "After how long what is idle is stopped.",
        "invitation" => "Who is to join.",
        "member" => "Who belongs to the organization.",
        "organization" => "The organization as a whole.",
        "orphan" => "What an agent has and the server does not know.",
        "own-git-credential" => "How workspaces of whoever asks log in at Git hosts.",
        "own-variable" => "What workspaces of whoever asks are given.",
        "permission" => "Who may do what.",
        "policy" => "The organization's rules.",
        "project" => "What workspaces are made for.",
        "ssh-key" => "Keys that let whoever is logged in into workspaces by plain `ssh`.",
        "token" => "Access tokens.",
        "variable" => "What workspaces of the organization are given.",
        "workspace" => "Development environments.",
        _ => "",
    }
}

fn shown(route: &Route, operation: Operation) -> Value {
    let mut shown = Map::new();
    if let Some(action) = route.action() {
        shown.insert("operationId".to_owned(), json!(action.as_str()));
        shown.insert("summary".to_owned(), json!(summary(action)));
        shown.insert("description".to_owned(), json!(leave(action)));
        shown.insert("tags".to_owned(), json!([tag(route)]));
    }
    let mut responses = problems::of(route, &operation);
    for answer in operation.answers {
        responses.insert(answer.status.as_u16().to_string(), of_answer(answer));
    }
    shown.insert("responses".to_owned(), responses.into());
    let named = in_path(route.path).map(|name| {
        let schema = json!({ "type": "string", "minLength": 1 });
        let description = Some(named_by(name).to_owned());
        Parameter { place: "path", name: name.to_owned(), is_required: true, description, schema }
    });
    let mut parameters: Vec<_> = named.collect();
    if route.audience() == Audience::Member && !route.path.contains("{organization}") {
        parameters.push(which_organization());
    }
    parameters.extend(operation.parameters);
    if !parameters.is_empty() {
        shown.insert("parameters".to_owned(), parameters.into_iter().map(of_parameter).collect());
    }
    if let Some(body) = operation.body {
        let mut request = json!({
            "required": true,
            "content": { "application/json": { "schema": body.schema } },
        });
        if let BodyLimit::Bytes(bytes) = route.body {
            request["description"] = json!(format!("At most {} KiB.", bytes / 1_024));
        }
        shown.insert("requestBody".to_owned(), request);
    }
    shown.into()
}

/// `workspace.read-variables`: "Workspace: read variables".
fn summary(action: Action) -> String {
    let words = action.as_str().replace('-', " ").replace('.', ": ");
    let mut letters = words.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// What has to be permitted for it.
fn leave(action: Action) -> String {
    match action.resource() {
        ResourceKind::Account => format!("Of whoever asks themselves: the action is `{action}`."),
        kind => format!("Needs leave for the action `{action}` on the {kind}."),
    }
}

/// The parameters of a path.
pub(super) fn in_path(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// Where the path does not say it: a token of an organisation does.
fn which_organization() -> Parameter {
    Parameter {
        place: "header",
        name: headers::ORGANIZATION.to_owned(),
        is_required: false,
        description: Some(
            "Which organization is meant, by its name or id. With a login alone, which is of several."
                .to_owned(),
        ),
        schema: json!({ "type": "string" }),
    }
}

fn named_by(parameter: &str) -> &'static str {
    match parameter {
        "organization" | "workspace" | "agent" | "token" => "Its name or id.",
        "member" => "Their name or id.",
        "group" | "project" => "Its id; or its path, with `%2F` for each `/`.",
        "kind" => "`environment` or `file`.",
        "host" => "The host's name, with its port where that is not the usual one.",
        "name" => "The variable's name.",
        "provider" => "The provider's name or id.",
        "orphan" => "The workspace's id.",
        _ => "Its id.",
    }
}

fn of_parameter(parameter: Parameter) -> Value {
    let Parameter { place, name, is_required, description, schema } = parameter;
    let mut shown = json!({ "in": place, "name": name, "required": is_required, "schema": schema });
    if let Some(description) = description {
        shown["description"] = json!(description);
    }
    shown
}

fn of_answer(answer: Answer) -> Value {
    let reference = |name: &str| (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    let headers: Map<_, _> = answer.headers.into_iter().chain(["X-Request-Id"]).map(reference).collect();
    let mut shown = json!({ "description": answer.description, "headers": headers });
    if let Some((media_type, schema)) = answer.content {
        shown["content"] = json!({ media_type: { "schema": schema } });
    }
    shown
}
