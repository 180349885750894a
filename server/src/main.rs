//! `berth-server`.

use std::process::ExitCode;

use berth_server::commands;
use berth_server::config::Cli;
use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix_web::main]
async fn main() -> anyhow::Result<ExitCode> {
    commands::run(Cli::parse()).await
}
