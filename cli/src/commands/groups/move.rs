//! `berth groups move`

use berth_schema::groups::{ChangeGroup, GroupPath};

use crate::args::Global;
use crate::error::Error;
use crate::names::GroupRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Groups and projects in it come along, and keep their ids. Whoever moves it elsewhere has to be
allowed to make groups there.

Examples:
  berth groups move platform/payments platform/billing    # another name
  berth groups move platform/payments finance/payments    # another place
  berth groups move platform/payments payments            # below the organisation itself";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The group's path or id
    #[arg(value_name = "GROUP")]
    group: GroupRef,

    /// Its path from now on
    #[arg(value_name = "PATH")]
    path: GroupPath,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let group = session.organization.change_group(&args.group, &ChangeGroup { path: args.path }).await?;
    session.talk.say(&format!("The group is '{}' now.", group.path));
    session.printer.one(&group, args.output.output, now())
}
