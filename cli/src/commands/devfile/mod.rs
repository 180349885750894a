//! `berth devfile …`

mod lint;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell everything that the server would refuse in a devfile, without asking it
    Lint(lint::Args),
}

pub(crate) fn run(global: &Global, command: &Command) -> Result<(), Error> {
    match command {
        Command::Lint(args) => lint::run(global, args),
    }
}
