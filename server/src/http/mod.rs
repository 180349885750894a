//! What stands between the socket and the services: limits, extractors, errors, spans.

pub mod answer;
pub mod asker;
pub mod body;
pub mod cookies;
pub mod deadline;
pub mod described;
pub mod gone;
pub mod guard;
pub mod headers;
pub mod observe;
pub mod origin;
pub mod problem;
pub mod query;
pub(crate) mod wording;
