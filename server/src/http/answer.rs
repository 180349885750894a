//! Answers with more than a body: the status, and where something is or which version of it this is, are a part of their type.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, LOCATION};
use actix_web::{HttpRequest, HttpResponse, Responder, web};
use berth_schema::Generation;
use schemars::JsonSchema;
use serde::Serialize;

use super::described::{Answered, Operation};
use super::headers::etag;
use crate::openapi::Schemas;
use crate::services::idempotency::Creation;

/// JSON with the version of what it shows, as `ETag`.
#[derive(Debug)]
pub struct Tagged<T> {
    pub version: Generation,
    pub body: T,
}

impl<T: Serialize> Responder for Tagged<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().insert_header((ETAG, etag(self.version))).json(self.body)
    }
}

impl<T: Serialize + JsonSchema> Answered for Tagged<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        <web::Json<T>>::describe(operation, schemas);
        for answer in &mut operation.answers {
            answer.headers.push("ETag");
        }
    }
}

/// What was made, and where it is.
#[derive(Debug)]
pub struct Created<A> {
    pub location: String,
    pub answer: A,
}

impl<A: Responder> Responder for Created<A> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut response = located(self.location, self.answer, request);
        *response.status_mut() = StatusCode::CREATED;
        response
    }
}

impl<A: Answered> Answered for Created<A> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        A::describe(operation, schemas);
        for answer in &mut operation.answers {
            answer.status = StatusCode::CREATED;
            answer.description = "It is made.";
            answer.headers.push("Location");
        }
    }
}

/// What was made now, or before by the same request with the same `Idempotency-Key`.
#[derive(Debug)]
pub enum Made<A> {
    Now(Created<A>),
    Before(Created<A>),
}

impl<A> Made<A> {
    /// Of what became of the request.
    pub fn of<T>(creation: Creation<T>, created: impl FnOnce(T) -> Created<A>) -> Self {
        match creation {
            Creation::New(made) => Self::Now(created(made)),
            Creation::Repeated(made) => Self::Before(created(made)),
        }
    }
}

impl<A: Responder> Responder for Made<A> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Self::Now(created) => created.respond_to(request),
            Self::Before(Created { location, answer }) => located(location, answer, request),
        }
    }
}

impl<A: Answered> Answered for Made<A> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        <Created<A>>::describe(operation, schemas);
        let mut before = Operation::default();
        A::describe(&mut before, schemas);
        for mut answer in before.answers {
            answer.description = "The same request has made it before.";
            answer.headers.push("Location");
            operation.answers.push(answer);
        }
    }
}

fn located(location: String, answer: impl Responder, request: &HttpRequest) -> HttpResponse {
    let mut response = answer.respond_to(request).map_into_boxed_body();
    // What we make of ids is a header's value.
    if let Ok(location) = location.try_into() {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
