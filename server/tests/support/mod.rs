//! What the tests share: a database, a server, and people and agents who ask it things.

pub(crate) mod actors;
mod app;
pub(crate) mod authenticator;
pub(crate) mod cluster;
mod described;
mod draw;
pub(crate) mod git_host;
pub(crate) mod provider;
mod raw;
mod reply;
pub(crate) mod sealing;
mod visitor;

pub(crate) use actors::{Admin, Agent, Anyone, RECONCILE, Requests, message, send};
pub(crate) use app::App;
pub(crate) use berth_db::testing as postgres;
pub(crate) use draw::Draw;
pub(crate) use raw::Raw;
pub(crate) use reply::Reply;
pub(crate) use visitor::Visitor;
