//! `berth groups create`

use berth_schema::groups::GroupPath;

use crate::args::Global;
use crate::error::Error;
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
The groups before the last name have to be there.

Examples:
  berth groups create platform
  berth groups create platform/payments";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Its name, behind the path of the group that it is to be in
    #[arg(value_name = "PATH")]
    path: GroupPath,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let group = session.organization.create_group(&args.path).await?;
    session.talk.say(&format!("Group '{}' is created.", group.path));
    session.printer.one(&group, args.output.output, now())
}
