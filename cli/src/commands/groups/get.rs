//! `berth groups get`

use crate::args::Global;
use crate::error::Error;
use crate::names::GroupRef;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Examples:
  berth groups get platform/payments
  berth groups get platform/payments -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The group's path or id
    #[arg(value_name = "GROUP")]
    group: GroupRef,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let group = session.organization.group(&args.group).await?;
    session.printer.one(&group, args.output.output, now())
}
