//! `berth git-credentials list`

use crate::args::Global;
use crate::commands::whose::WhoseArgs;
use crate::error::Error;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Tokens are never shown.

Examples:
  berth git-credentials list
  berth git-credentials list --project platform/payments/api
  berth git-credentials list --mine -o name";

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
    let credentials = session.organization.git_credentials(&args.whose.whose()).await?;
    session.printer.list(&credentials, args.output.output, now())
}
