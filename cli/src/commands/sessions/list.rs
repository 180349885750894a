//! `berth sessions list`

use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Of a workspace that is yours, or that you look after; without a name of all that you have made and
that run. A browser is one connection at each port, ssh is one each time that it is called; visitors
of a public port are one line together. Who comes or goes is seen within a few seconds, what they do
within a minute. From where they come is for whose workspace it is, and for whoever may read the
record.

Examples:
  berth sessions list
  berth sessions list calm-blue-reef -o wide";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: Option<WorkspaceRef>,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let connected = match &args.workspace {
        Some(workspace) => session.organization.connected(workspace).await?,
        None => session.organization.connected_to_own().await?,
    };
    session.printer.list(&connected, args.output.output, now())
}
