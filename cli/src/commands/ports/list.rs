//! `berth ports list`

use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Ports are those that the devfile declares, and those that are opened. One that is private lets in
whoever made the workspace.

Examples:
  berth ports list calm-blue-reef
  berth ports list calm-blue-reef -o json";

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
    let ports = session.organization.ports(&args.workspace).await?;
    session.printer.list(&ports, args.output.output, now())
}
