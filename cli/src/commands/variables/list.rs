//! `berth variables list`

use crate::args::Global;
use crate::commands::whose::WhoseArgs;
use crate::error::Error;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Values are never shown.

Examples:
  berth variables list
  berth variables list --group platform/payments
  berth variables list --mine
  berth variables list -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    whose: WhoseArgs,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let variables = session.organization.variables(&args.whose.whose()).await?;
    session.printer.list(&variables, args.output.output, now())
}
