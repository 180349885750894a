//! `berth workspaces get`

use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Examples:
  berth get calm-blue-reef
  berth get calm-blue-reef -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let workspace = session.organization.workspace(&args.workspace).await?;
    session.printer.one(&workspace, args.output.output, now())
}
