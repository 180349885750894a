//! The control plane: holds what users want, tells agents what to do about it.
//!
//! A user's request: line of the route table → guard → handler with an [`Op`] → service (one transaction) → planner → row with a
//! new generation. An agent's round: message → snapshot → `planner::reconcile` → stored plan → answer. [`routes`] is the table of
//! everything that can be asked.

pub mod clock;
pub mod commands;
pub mod config;
mod contacts;
mod context;
pub mod crypto;
mod denials;
pub mod edge;
pub mod error;
mod handlers;
pub mod http;
pub mod identity;
pub mod issuer;
pub mod lifecycle;
mod listener;
pub mod logging;
pub mod metrics;
pub mod openapi;
pub mod openid;
mod pace;
mod pages;
mod polls;
mod reports;
pub mod repository;
pub mod routes;
mod rules;
pub mod serve;
pub mod services;
pub mod streams;
pub mod tasks;
mod turns;
mod uses;
mod wake;

pub use contacts::{Contacts, tell_of_contacts};
pub use context::Context;
pub use error::Error;
pub use pace::Pace;
pub use polls::Polls;
pub use reports::Reports;
pub use rules::CompiledRules;
pub use turns::{Turn, Turns};
pub use wake::{Hub, Subscription};

/// An operation of this server.
pub type Op<P> = identity::Op<P, std::sync::Arc<Context>>;
