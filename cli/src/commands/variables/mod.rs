//! `berth variables …`

mod delete;
mod explain;
mod list;
mod set;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set variables that new workspaces get: of the organisation, a group, a project, or yours
    Set(set::Args),
    /// List the variables of the organisation, a group, a project, or yours, without their values
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Delete a variable; workspaces that have it keep it
    #[command(visible_alias = "rm")]
    Delete(delete::Args),
    /// Say where each variable of a workspace comes from
    Explain(explain::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Set(args) => set::run(global, &args).await,
        Command::List(args) => list::run(global, &args).await,
        Command::Delete(args) => delete::run(global, &args).await,
        Command::Explain(args) => explain::run(global, &args).await,
    }
}
