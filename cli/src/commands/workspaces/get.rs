//! `berth workspaces get`

use super::watch;
use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Examples:
  berth get calm-blue-reef
  berth get calm-blue-reef -o json
  berth get calm-blue-reef --watch";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    /// Show a line now and at each change, until the workspace is gone
    #[arg(long, short)]
    watch: bool,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    if args.watch {
        return watch::one(&session, &args.workspace, args.output.output).await;
    }
    let workspace = session.organization.workspace(&args.workspace).await?;
    session.printer.one(&workspace, args.output.output, now())
}
