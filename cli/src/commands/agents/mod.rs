//! `berth agents …`

mod create;
mod get;
mod list;
mod revoke;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register an agent and print its token, once
    Create(create::Args),
    /// List agents
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show one agent
    #[command(visible_alias = "show")]
    Get(get::Args),
    /// Take an agent's token away for good
    Revoke(revoke::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Create(args) => create::run(global, args).await,
        Command::List(args) => list::run(global, &args).await,
        Command::Get(args) => get::run(global, &args).await,
        Command::Revoke(args) => revoke::run(global, &args).await,
    }
}
