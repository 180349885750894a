//! `berth groups delete`

use crate::args::Global;
use crate::error::Error;
use crate::names::GroupRef;
use crate::session::Session;

const HELP: &str = "\
A group that other groups or projects are in is not deleted: move or delete those first.

Examples:
  berth groups delete platform/payments";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The group's path or id
    #[arg(value_name = "GROUP")]
    group: GroupRef,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let deleted = session.organization.delete_group(&args.group).await?;
    session.talk.say(&format!("Group '{}' is deleted.", deleted.path));
    Ok(())
}
