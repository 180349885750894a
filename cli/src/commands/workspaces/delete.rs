//! `berth workspaces delete`

use super::Expect;
use super::change::{Verb, change};
use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::ChangeOutput;
use crate::terminal;
use crate::wait::WaitArgs;

const HELP: &str = "\
Asks first on a terminal; elsewhere --yes is needed. Nothing of a deleted workspace can be brought
back.

Examples:
  berth delete calm-blue-reef
  berth delete calm-blue-reef warm-red-quay --yes --wait";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspaces' names or ids
    #[arg(value_name = "NAME", required = true)]
    workspaces: Vec<WorkspaceRef>,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    expect: Expect,

    #[command(flatten)]
    output: ChangeOutput,

    #[command(flatten)]
    wait: WaitArgs,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let names = args.workspaces.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    if !args.yes {
        let volumes = if args.workspaces.len() == 1 { "its volume" } else { "their volumes" };
        terminal::confirm(&format!("Delete {names} with everything on {volumes}?"))?;
    }
    change(global, Verb::Terminate, &args.workspaces, args.expect, args.wait, args.output.output).await
}
