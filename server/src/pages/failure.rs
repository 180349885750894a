//! What a person is shown where a request failed.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use berth_schema::Problem;

use super::page::{see, show};
use crate::Error;
use crate::error::Unproven;

#[derive(Template)]
#[template(path = "failure.html")]
struct Failure<'a> {
    problem: &'a Problem,
    request_id: &'a str,
}

/// Who is not signed in is asked to do so; everything else is told, with the id that the log has it under.
pub(crate) fn failure(error: Option<&Error>, problem: &Problem, id: &str) -> HttpResponse {
    if let Some(Error::Unauthenticated(reason)) = error
        && !matches!(reason, Unproven::UnknownLink | Unproven::LinkOver | Unproven::OtherOrigin)
    {
        return see("/sign-in");
    }
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let page = show(status, &Failure { problem, request_id: id });
    page.unwrap_or_else(|_| HttpResponse::new(status))
}
