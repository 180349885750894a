//! The real server on a real Postgres: a database of its own for each test.

mod agents;
mod authorisation;
mod bad_input;
mod configuration;
mod events;
mod git;
mod hostile;
mod idempotency;
mod inheritance;
mod lifecycle;
mod listing;
mod losses;
mod orphans;
mod polling;
mod prerequisites;
mod process;
mod quotas;
mod reconcile;
mod rotation;
mod sealing;
mod support;
mod timeline;
mod why;
mod workspaces;
