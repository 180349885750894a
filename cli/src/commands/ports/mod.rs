//! `berth ports …`

mod list;
mod share;
mod unshare;
mod whom;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List a workspace's ports, and whom each is shared with
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Share a port of your workspace, for a time
    Share(share::Args),
    /// Take that back, at once
    Unshare(unshare::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::List(args) => list::run(global, &args).await,
        Command::Share(args) => share::run(global, &args).await,
        Command::Unshare(args) => unshare::run(global, &args).await,
    }
}
