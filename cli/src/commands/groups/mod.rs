//! `berth groups …`

mod create;
mod delete;
mod get;
mod list;
mod members;
mod r#move;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a group, in another one or below the organisation itself
    Create(create::Args),
    /// List the groups
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show one of them
    #[command(visible_alias = "show")]
    Get(get::Args),
    /// Give a group another name or place, with all that is in it
    #[command(visible_alias = "mv")]
    Move(r#move::Args),
    /// Delete a group that nothing is in
    #[command(visible_alias = "rm")]
    Delete(delete::Args),
    /// List who is what there
    Members(members::Members),
    /// Make somebody an owner, maintainer, developer, viewer or auditor of a group and all that is in it
    GiveRole(members::Give),
    /// Take back what `give-role` gave
    TakeRole(members::Take),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Create(args) => create::run(global, &args).await,
        Command::List(args) => list::run(global, &args).await,
        Command::Get(args) => get::run(global, &args).await,
        Command::Move(args) => r#move::run(global, args).await,
        Command::Delete(args) => delete::run(global, &args).await,
        Command::Members(args) => members::list(global, args).await,
        Command::GiveRole(args) => members::give(global, args).await,
        Command::TakeRole(args) => members::take(global, args).await,
    }
}
