//! `berth organizations …`

mod list;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the organisations that you belong to; '*' marks the current one
    #[command(visible_alias = "ls")]
    List(list::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::List(args) => list::run(global, &args).await,
    }
}
