//! `berth agents keep-orphan`

use super::orphans::{OrphanRef, resolve};
use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Takes a permission of `berth agents remove-orphan` back, as long as the agent has not begun.

Examples:
  berth agents keep-orphan berlin calm-blue-reef";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    /// The workspace's name or id, as `berth agents orphans` shows them
    #[arg(value_name = "WORKSPACE")]
    orphan: OrphanRef,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let id = resolve(&session, &args.agent, &args.orphan).await?;
    let orphan = session.organization.keep_orphan(&args.agent, id).await?;
    session.talk.say(&format!("Workspace '{}' is kept.", orphan.name));
    session.printer.one(&orphan, args.output.output, now())
}
