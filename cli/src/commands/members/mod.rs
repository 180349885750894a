//! `berth members …`

mod change;
mod get;
mod list;
mod remove;

use berth_schema::members::ChangeMember;
use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List who belongs to the organisation, as what
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show one of them
    #[command(visible_alias = "show")]
    Get(get::Args),
    /// Make somebody an owner, maintainer, developer, viewer or auditor
    SetRole(change::SetRole),
    /// Take from somebody everything that they may do; `resume` gives it back
    Suspend(change::Whom),
    /// Give back what `suspend` took
    Resume(change::Whom),
    /// End everything that somebody may do, for good, and stop what is theirs
    #[command(visible_alias = "rm")]
    Remove(remove::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    let suspended = |suspended| ChangeMember { role: None, suspended: Some(suspended) };
    match command {
        Command::List(args) => list::run(global, &args).await,
        Command::Get(args) => get::run(global, &args).await,
        Command::SetRole(args) => {
            let change = ChangeMember { role: Some(args.role), suspended: None };
            change::run(global, &args.whom, &change).await
        }
        Command::Suspend(whom) => change::run(global, &whom, &suspended(true)).await,
        Command::Resume(whom) => change::run(global, &whom, &suspended(false)).await,
        Command::Remove(args) => remove::run(global, &args).await,
    }
}
