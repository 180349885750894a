//! `berth projects get`

use crate::args::Global;
use crate::error::Error;
use crate::names::ProjectRef;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Examples:
  berth projects get platform/payments/api
  berth projects get platform/payments/api -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The project's path or id
    #[arg(value_name = "PROJECT")]
    project: ProjectRef,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let project = session.organization.project(&args.project).await?;
    session.printer.one(&project, args.output.output, now())
}
