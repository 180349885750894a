//! `berth identity-providers list`

use crate::args::Global;
use crate::error::Error;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Secrets are never shown.

Examples:
  berth identity-providers list
  berth identity-providers list -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let providers = session.organization.identity_providers().await?;
    session.printer.list(&providers, args.output.output, now())
}
