//! What a handler takes of a request and answers, as its own types say it: of that the API's description is made, so that nothing is
//! written a second time, and a line of the table whose types say nothing does not compile.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::body::{self, Json};
use super::headers::{IdempotencyKey, IfMatch, LastEventId};
use super::query::Query;
use crate::Error;
use crate::openapi::Schemas;

/// A parameter, in a query or a header. Those of a path are in its template.
#[derive(Debug)]
pub struct Parameter {
    pub place: &'static str,
    pub name: String,
    pub is_required: bool,
    pub description: Option<String>,
    pub schema: Value,
}

/// A JSON body.
#[derive(Debug)]
pub struct Body {
    pub schema: Value,
    /// Whether bytes are one, as the extractor reads them.
    pub read: fn(&[u8]) -> Result<(), Error>,
}

/// What is answered if nothing fails.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub description: &'static str,
    /// The media type with its schema.
    pub content: Option<(&'static str, Value)>,
    /// Those that stand in the components of the description.
    pub headers: Vec<&'static str>,
}

/// All that one operation takes and gives.
#[derive(Debug, Default)]
pub struct Operation {
    pub parameters: Vec<Parameter>,
    pub body: Option<Body>,
    pub answers: Vec<Answer>,
    /// The statuses of problems that only some operations have.
    pub problems: Vec<StatusCode>,
}

/// Adds to an operation what a handler's types say.
pub type Describe = fn(&mut Operation, &mut Schemas);

/// A part of a request, or several.
pub trait Asked {
    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

impl Asked for () {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

/// What is looked at beside what the others say.
impl Asked for HttpRequest {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

/// In the template already.
impl<T> Asked for web::Path<T> {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

impl<A: Asked, B: Asked> Asked for (A, B) {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        A::describe(operation, schemas);
        B::describe(operation, schemas);
    }
}

impl<A: Asked, B: Asked, C: Asked> Asked for (A, B, C) {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        <(A, B)>::describe(operation, schemas);
        C::describe(operation, schemas);
    }
}

impl<T: DeserializeOwned + JsonSchema> Asked for Json<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        operation.body =
            Some(Body { schema: schemas.asked::<T>(), read: |bytes| body::parse::<T>(bytes).map(drop) });
        operation.problems.extend([
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            StatusCode::UNPROCESSABLE_ENTITY,
        ]);
    }
}

impl<T: JsonSchema> Asked for Query<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        operation.parameters.extend(schemas.parameters::<T>());
        operation.problems.push(StatusCode::UNPROCESSABLE_ENTITY);
    }
}

/// One that may be left out.
fn header(name: &str, description: &str, schema: Value) -> Parameter {
    let description = Some(description.to_owned());
    Parameter { place: "header", name: name.to_owned(), is_required: false, description, schema }
}

impl Asked for IdempotencyKey {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        let schema =
            json!({ "type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": Self::MAX });
        let what = "The client's name for this request: sent again with the same body, it makes nothing a second time.";
        operation.parameters.push(header(Self::NAME, what, schema));
        operation.problems.push(StatusCode::UNPROCESSABLE_ENTITY);
    }
}

impl Asked for IfMatch {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        let schema = json!({ "type": "string", "pattern": r#"^(\*|"[0-9]{1,16}")$"#, "examples": ["\"3\""] });
        let what = "The `ETag` of what was looked at: if it was changed since, nothing is done. Absent, or `*`: whatever it is now.";
        operation.parameters.push(header("If-Match", what, schema));
        operation.problems.push(StatusCode::PRECONDITION_FAILED);
    }
}

impl Asked for LastEventId {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        let schema = json!({ "type": "string", "pattern": "^[0-9]{0,18}$" });
        let what = "The `id` of the last event that was seen: the stream goes on behind it.";
        operation.parameters.push(header(Self::NAME, what, schema));
    }
}

/// What a handler answers.
pub trait Answered {
    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

/// What fails is a problem, which every operation has.
impl<T: Answered> Answered for Result<T, Error> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        T::describe(operation, schemas);
    }
}

impl<T: Serialize + JsonSchema> Answered for web::Json<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let content = Some(("application/json", schemas.answered::<T>()));
        let answer =
            Answer { status: StatusCode::OK, description: "As asked.", content, headers: Vec::new() };
        operation.answers.push(answer);
    }
}
