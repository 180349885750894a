//! The real server on a real Postgres: a database of its own for each test.
#![allow(clippy::disallowed_methods, reason = "what a test compares with is of the moment in which it looks")]

mod adoption;
mod agent_tokens;
mod agents;
mod at_rest;
mod authorisation;
mod backup;
mod bad_input;
mod configuration;
mod edge;
mod events;
mod framing;
mod git;
mod hostile;
mod idempotency;
mod inheritance;
mod lifecycle;
mod listing;
mod losses;
mod network_check;
mod newer;
mod orphans;
mod poison;
mod polling;
mod prerequisites;
mod process;
mod quotas;
mod reconcile;
mod rotation;
mod sealing;
mod strangers;
mod support;
mod timeline;
mod tokens;
mod why;
mod workspaces;
