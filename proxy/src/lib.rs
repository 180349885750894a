//! Berth's proxy: lets people into the workspaces of one cluster. What it decides is in `berth-proxy-core`; see decisions 0059 and 0063.

mod activity;
pub mod args;
mod authorise;
mod body;
mod door;
mod health;
mod hearing;
mod held;
mod identity;
mod listen;
mod login;
mod logs;
mod metrics;
mod pages;
mod presence;
mod program;
pub mod run;
mod server;
mod shared;
mod ssh;
mod streams;
mod strict;
mod tunnel;
mod upgrade;
mod upstream;
mod waiting;
mod watch;
