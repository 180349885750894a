//! What stands between the socket and the services: limits, extractors, errors, spans.

pub mod body;
pub mod deadline;
pub mod headers;
pub mod identity;
pub mod observe;
pub mod problem;
pub mod query;
mod wording;
