//! `berth elevations …`

mod decide;
mod list;
mod request;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask for a role for a time, with a reason
    Request(request::Args),
    /// List what is asked for and given: yours, and what you may decide about
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Give somebody the role that they ask for
    #[command(after_help = decide::APPROVE_HELP)]
    Approve(decide::Args),
    /// Say no
    #[command(after_help = decide::REFUSE_HELP)]
    Refuse(decide::Args),
    /// End a role before its time, or take a wish back
    #[command(after_help = decide::END_HELP)]
    End(decide::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Request(args) => request::run(global, &args).await,
        Command::List(args) => list::run(global, &args).await,
        Command::Approve(args) => decide::run(global, &args, "approve").await,
        Command::Refuse(args) => decide::run(global, &args, "refuse").await,
        Command::End(args) => decide::run(global, &args, "end").await,
    }
}
