//! The real binary against a real HTTP server: what it sends, prints and returns.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod agents;
mod audit;
mod changes;
mod completion;
mod configuration;
mod creation;
mod devfile;
mod elevations;
mod extension;
mod git;
mod help;
mod identity_providers;
mod idle;
mod lists;
mod login;
mod logins;
mod logs;
mod members;
mod network;
mod policy;
mod ports;
mod problems;
mod released;
mod sessions;
mod support;
mod terminal;
mod timeline;
mod tls;
mod tokens;
mod tree;
mod variables;
mod waiting;
mod watching;
mod why;
