//! Berth's agent in a cluster: it watches what is there, reports it to the server, and applies what the server answers.
//!
//! Every decision is made by `berth-agent-core`; this crate does the IO around it. One round:
//!
//! 1. [`watch`] (client): watches feed the index and poke "something changed".
//! 2. [`rounds`] (pure, through [`shared::Shared`]): the report.
//! 3. [`server`] (client): the report is posted; with nothing to tell, the server holds its answer.
//! 4. [`rounds`] (pure): the answer becomes actions.
//! 5. [`apply`], [`remove`] (client): actions on the cluster, several workspaces at once, one action of each at a time.

pub mod apply;
pub mod args;
pub mod canary;
pub mod cluster;
pub mod failure;
pub mod ground;
pub mod health;
pub mod keys;
pub mod leader;
pub mod metrics;
mod nodes;
pub mod perform;
pub mod prerequisites;
pub mod proxy;
pub mod relist;
pub mod remove;
pub mod rounds;
pub mod run;
mod seen;
pub mod server;
pub mod shared;
pub mod token;
pub mod watch;
