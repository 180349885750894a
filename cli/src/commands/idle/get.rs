//! `berth idle get`

use super::Place;
use crate::args::Global;
use crate::error::Error;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
What holds for one workspace, and who says so, is in `berth get`.

Examples:
  berth idle get
  berth idle get --project platform/payments/api
  berth idle get --group platform -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let view = session.organization.idle_rule(args.place.at().as_ref()).await?;
    session.printer.one(&view, args.output.output, now())
}
