//! `berth variables explain`

use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
A workspace keeps what it took at its creation, or when that was renewed. Values are never shown.

Examples:
  berth variables explain calm-blue-reef
  berth variables explain calm-blue-reef -o json | jq '.items[] | select(.scope == \"organization\")'";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "WORKSPACE")]
    workspace: WorkspaceRef,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let origins = session.organization.explain_variables(&args.workspace).await?;
    session.printer.list(&origins, args.output.output, now())
}
