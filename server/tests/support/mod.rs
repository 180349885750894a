//! What the tests share: a database, a server, and people and agents who ask it things.

mod actors;
mod app;
pub(crate) mod cluster;
pub(crate) mod postgres;
mod reply;
pub(crate) mod sealing;

pub(crate) use actors::{Admin, Agent, Anyone, Requests, message, send};
pub(crate) use app::App;
pub(crate) use reply::Reply;
