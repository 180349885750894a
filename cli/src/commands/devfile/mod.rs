//! `berth devfile …`

mod corpus;
mod lint;

use clap::{Subcommand, ValueEnum};

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell everything that the server would refuse in a devfile, without asking it
    Lint(lint::Args),
    /// Tell which of a folder's devfiles and devcontainers would be accepted, and what holds up the others
    Corpus(corpus::Args),
}

/// The form of what these commands tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Yaml,
}

pub(crate) fn run(global: &Global, command: &Command) -> Result<(), Error> {
    match command {
        Command::Lint(args) => lint::run(global, args),
        Command::Corpus(args) => corpus::run(global, args),
    }
}
