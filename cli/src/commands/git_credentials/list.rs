//! `berth git-credentials list`

use crate::args::Global;
use crate::error::Error;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Tokens are never shown.

Examples:
  berth git-credentials list
  berth git-credentials list -o name";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let credentials = session.organization.git_credentials().await?;
    session.printer.list(&credentials, args.output.output, now())
}
