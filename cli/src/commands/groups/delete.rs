//! `berth groups delete`

use crate::args::Global;
use crate::error::Error;
use crate::names::GroupRef;
use crate::session::Session;
use crate::terminal;

const HELP: &str = "\
Asks first on a terminal; elsewhere --yes is needed. A group that other groups or projects are in is not
deleted: move or delete those first.

Examples:
  berth groups delete platform/payments
  berth groups delete platform/payments --yes";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The group's path or id
    #[arg(value_name = "GROUP")]
    group: GroupRef,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    if !args.yes {
        terminal::confirm(&format!(
            "Delete group '{}' with its variables, Git credentials and roles?",
            args.group
        ))?;
    }
    let session = Session::open(global).await?;
    let deleted = session.organization.delete_group(&args.group).await?;
    session.talk.say(&format!("Group '{}' is deleted.", deleted.path));
    Ok(())
}
