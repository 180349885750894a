//! `berth git-credentials …`

mod delete;
mod list;
mod set;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set how workspaces log in at a Git host
    Set(set::Args),
    /// List the Git hosts, without their tokens
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Forget how workspaces log in at a Git host
    #[command(visible_alias = "rm")]
    Delete(delete::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Set(args) => set::run(global, &args).await,
        Command::List(args) => list::run(global, &args).await,
        Command::Delete(args) => delete::run(global, &args).await,
    }
}
