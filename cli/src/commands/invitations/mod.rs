//! `berth invitations …`

mod create;
mod list;
mod revoke;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Invite somebody, and print the link, once
    Create(create::Args),
    /// List invitations: for whom, as what, how far they have come
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Take back an invitation that nobody has accepted
    Revoke(revoke::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Create(args) => create::run(global, &args).await,
        Command::List(args) => list::run(global, &args).await,
        Command::Revoke(args) => revoke::run(global, &args).await,
    }
}
