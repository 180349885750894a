//! Against a real Postgres: one for the process, a database of its own for each test.

mod accounts;
mod agents;
mod audit;
mod backup;
mod embedded;
mod gateway;
mod idempotency;
mod isolation;
mod lifecycle;
mod listing;
mod migrations;
mod notify;
mod reconcile;
mod roles;
mod subjects;
mod support;
mod transitions;
mod workspaces;
