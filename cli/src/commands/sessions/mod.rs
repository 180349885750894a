//! `berth sessions …`

mod end;
mod list;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List who is connected to a workspace: by what, since when and from where
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// End one connection to a workspace, or all
    End(end::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::List(args) => list::run(global, &args).await,
        Command::End(args) => end::run(global, &args).await,
    }
}
