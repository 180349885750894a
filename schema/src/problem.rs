//! Errors as every HTTP endpoint gives them: `application/problem+json` (RFC 9457) with the fields that are wrong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that is wrong with one field of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldError {
    /// Where: a path as in `variables[1].name`, a header's or a query parameter's name.
    pub field: String,
    /// What is wrong and what would be right, without the value of any secret.
    pub message: String,
    /// Where in a text, both from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

impl FieldError {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), line: None, column: None }
    }

    /// In a text, from 1.
    #[must_use]
    pub fn at(self, line: usize, column: usize) -> Self {
        Self { line: Some(line), column: Some(column), ..self }
    }
}

/// RFC 9457 problem details.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A stable, machine-readable kind: `urn:berth:problem:<kind>`; the kinds are listed in docs/errors.md.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// What happened this time, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The id to look for in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Every field that is wrong, all at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// It would be allowed to whoever proves anew who they are: at `/confirm`, or by signing in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub step_up: bool,
}
