//! `berth workspaces timeline`

use crate::args::Global;
use crate::commands::page::{PageArgs, tell_of_more};
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
The newest transition is the last line. The server keeps 200 of each workspace.

Examples:
  berth timeline calm-blue-reef
  berth timeline calm-blue-reef --limit 10
  berth timeline calm-blue-reef -o json | jq '.items[0].at'";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    #[command(flatten)]
    page: PageArgs,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let page = session.organization.timeline(&args.workspace, &args.page.listing()).await?;
    session.printer.timeline(&page, args.output.output, now())?;
    tell_of_more(&page, session.talk);
    Ok(())
}
