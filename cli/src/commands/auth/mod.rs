//! `berth auth …`

mod can_i;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask whether you may do something
    CanI(can_i::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::CanI(args) => can_i::run(global, &args).await,
    }
}
