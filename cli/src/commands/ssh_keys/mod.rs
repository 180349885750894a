//! `berth ssh-keys …`

mod add;
mod host;
mod list;
mod remove;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register a public key
    Add(add::Args),
    /// Print what a machine without this program has to know of where plain ssh leads
    Host(host::Args),
    /// List your keys: when they were used, when they end
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Remove keys, and end what is open by them
    Remove(remove::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Add(args) => add::run(global, &args).await,
        Command::Host(args) => host::run(global, &args).await,
        Command::List(args) => list::run(global, &args).await,
        Command::Remove(args) => remove::run(global, &args).await,
    }
}
