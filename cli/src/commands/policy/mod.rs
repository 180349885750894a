//! `berth policy …`

mod get;
mod history;
mod set;
mod test;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;
use crate::input::{Source, Stdin};

/// More than the server takes, so that it says how much that is.
const MAX_BYTES: usize = 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the rules, as `set` takes them
    #[command(visible_alias = "show")]
    Get(get::Args),
    /// Replace the rules whole
    Set(set::Args),
    /// List the versions of the rules: who set them, and when
    History(history::Args),
    /// Try rules against questions, and set nothing
    Test(test::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Get(args) => get::run(global, &args).await,
        Command::Set(args) => set::run(global, &args).await,
        Command::History(args) => history::run(global, &args).await,
        Command::Test(args) => test::run(global, &args).await,
    }
}

fn rules(file: &Source, stdin: &mut Stdin) -> Result<String, Error> {
    Ok(file.read_text("--file", MAX_BYTES, stdin)?.to_string())
}
