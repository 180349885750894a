//! Against a real Postgres: one for the process, a database of its own for each test.

#![expect(clippy::disallowed_methods, reason = "rows of a test are on nobody's record")]

mod accounts;
mod agents;
mod audit;
mod audit_accounts;
mod backup;
mod basis;
mod elevations;
mod embedded;
mod gateway;
mod groups;
mod idempotency;
mod isolation;
mod lifecycle;
mod listing;
mod migrations;
mod notify;
mod reconcile;
mod roles;
mod shown;
mod subjects;
mod support;
mod transitions;
mod workspaces;
